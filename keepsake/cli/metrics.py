"""`keepsake metrics`: the figures of the whole system, without the API."""

import typer

from keepsake.terminal.shell import Json, in_pool, open_database, print_json


def metrics(json: Json = False) -> None:
    """Show all figures, as Prometheus reads them from /metrics."""
    from keepsake.database import Pool
    from keepsake.monitoring.exposition import TEXT, Figures, encode, families, read_figures
    from keepsake.monitoring.gauges import Gauges
    from keepsake.settings import load_settings

    async def read(pool: Pool) -> Figures:
        async with pool.connection() as connection:
            return await read_figures(connection, Gauges())

    settings = load_settings()
    with open_database(settings):
        figures = in_pool(settings, read)
    if json:
        samples = [sample for family in families(figures) for sample in family.samples]
        print_json([{"name": s.name, "labels": s.labels, "value": s.value} for s in samples])
    else:
        typer.echo(encode(figures, TEXT), nl=False)
