"""`keepsake costs`."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, console, filled, open_database, print_json, print_table

if TYPE_CHECKING:
    from keepsake.owners.costs import Cost

ROWS_SHOWN = 50


def costs(
    by: Annotated[str, typer.Option(help="owner, line, step, model, day or record.")] = "step",
    owner: Annotated[
        str | None, typer.Option(help="Only this owner: name, short name or id.")
    ] = None,
    line: Annotated[str | None, typer.Option(help="Only this line.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only from this day (UTC) on.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what models have cost: calls, tokens and US dollars."""
    from keepsake.owners.costs import costs as costs_by
    from keepsake.owners.costs import total, unpriced_models
    from keepsake.owners.owners import find_owner
    from keepsake.records.lookup import check_line
    from keepsake.settings import load_settings

    only: dict[str, Any] = {"line": line, "since": _day(since)}
    with open_database(load_settings()) as connection:
        if line is not None:
            check_line(connection, line)
        only["owner_id"] = None if owner is None else find_owner(connection, owner).id
        rows = costs_by(connection, by, **only)
        unpriced = unpriced_models(connection, **only)
    if json:
        print_json({"by": by, "costs": rows, "total": total(rows), "models_unpriced": unpriced})
    elif not rows:
        typer.echo("No model was called.")
    else:
        _show(by, rows, unpriced)


def _show(by: str, rows: "Sequence[Cost]", unpriced: Sequence[str]) -> None:
    from keepsake.owners.costs import total

    shown = [_row(by, cost) for cost in (*rows[:ROWS_SHOWN], total(rows))]
    print_table("Costs", shown, filled(shown))
    out = console()
    if left_out := rows[ROWS_SHOWN:]:
        out.print(f"{len(left_out):,} more are in the total; --json lists them all.")
    if unpriced:
        out.print(
            f"Unknown: there is no price for {', '.join(unpriced)}, or its endpoint does not say "
            "what was used. Name a file with prices in PRICES_FILE; it counts from then on."
        )
    elif total(rows).cost is None:
        out.print("Unknown: what was made before prices were kept.")


def _row(by: str, cost: "Cost") -> dict[str, Any]:
    from keepsake.owners.costs import usd

    return {
        by: cost.name,
        "calls": cost.calls,
        "tokens in": cost.tokens_in,
        "tokens out": cost.tokens_out,
        "minutes heard": round(cost.audio_seconds / 60, 1),
        "characters spoken": cost.characters,
        "USD": usd(cost.known, cost.cost),
    }


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"--since {text!r} is no day: write it like 2026-10-04") from None
