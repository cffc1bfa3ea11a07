"""What came in to a line: the asset that its steps are made from.

Records are added through the command line, never made by Dagster. The asset has no partitions: in
Dagster a day without records would be one that is missing, and whatever is made from it would count
as unable to be made. Which days have records the database knows; sensors observe what is due.
"""

from collections.abc import Iterable

import dagster as dg

from assets.line_assets import table_schema
from resources.database import DatabaseResource


def came_in_asset(
    name: str,
    *,
    line: str,
    description: str,
    columns: Iterable[tuple[str, str, str]],
) -> dg.AssetsDefinition:
    """The observable source of a line."""

    @dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
        name=f"observe_{name}",
        specs=[
            dg.AssetSpec(
                name,
                group_name=line,
                description=description,
                metadata={
                    "dagster/table_name": f"keepsake.{name}",
                    "dagster/column_schema": table_schema(columns),
                },
                kinds={"postgres"},
            )
        ],
    )
    def came_in(database: DatabaseResource) -> dg.ObserveResult:
        with database.connect() as connection:
            row = connection.execute(
                """
                SELECT count(*), count(DISTINCT (recorded_at AT TIME ZONE 'UTC')::date),
                       min(recorded_at)::text, max(recorded_at)::text
                FROM records WHERE line = %s
                """,
                (line,),
            ).fetchone()
        names = ("dagster/row_count", "days with records", "oldest", "newest")
        found = dict(zip(names, row or (), strict=False))
        return dg.ObserveResult(metadata={k: v for k, v in found.items() if v is not None})

    observed: dg.AssetsDefinition = came_in
    return observed
