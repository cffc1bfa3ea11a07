"""`keepsake add owner`, `keepsake owner` and `keepsake owners`: tiers, budgets, what was spent."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, console, in_pool, open_database, print_json, print_table

if TYPE_CHECKING:
    from keepsake.database import Pool
    from keepsake.owners.owners import OwnerSummary
    from keepsake.owners.tiers import Limit


def add(
    name: Annotated[str, typer.Argument(help="Its name, such as `Ada Lovelace`.")],
    time_zone: Annotated[
        str, typer.Option(help="IANA time zone: whose days are its days.")
    ] = "UTC",
    tier: Annotated[str, typer.Option(help="What it may use.")] = "free",
    json: Json = False,
) -> None:
    """Add an owner of bookmarks and activities."""
    from keepsake.owners.owners import add_owner
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        added = add_owner(connection, name, time_zone=time_zone, tier=tier)
    if json:
        print_json(added)
    else:
        typer.echo(f"Added {added.name}: address it as {added.slug}.")


def owners(json: Json = False) -> None:
    """List all owners: their tiers, budgets and what they have spent this month."""
    from keepsake.owners.owners import summaries
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        found = summaries(connection)
    if json:
        print_json(found)
    elif not found:
        typer.echo("No owners yet: add one with `keepsake add owner` or `keepsake add family`.")
    else:
        rows = [_row(summary) for summary in found]
        print_table("Owners", rows, rows[0])


def owner(
    name: Annotated[str, typer.Argument(help="Name, short name or id of the owner.")],
    tier: Annotated[
        str | None,
        typer.Option(help="Give it this tier. Repeat it after you change what the tier allows."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="USD|none", help="Most it may spend a month; none: as its tier says."),
    ] = None,
    json: Json = False,
) -> None:
    """Show an owner, or change its tier or its budget."""
    from keepsake.owners.budgets import set_budget
    from keepsake.owners.owners import find_owner, summaries
    from keepsake.owners.tiers import limits, set_tier
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings) as connection:
        found = find_owner(connection, name)

        async def change(pool: "Pool") -> None:
            async with pool.connection() as changing, changing.transaction():
                if tier is not None:
                    later, off = settings.scheduled_steps, settings.switched_off_steps
                    await set_tier(changing, found.id, tier, later=later, off=off)
                if budget is not None:
                    await set_budget(changing, found.id, _amount(budget))

        if tier is not None or budget is not None:
            in_pool(settings, change)
        (summary,) = summaries(connection, found.id)
        allowed = limits(connection, summary.tier)
    if json:
        print_json({"owner": summary, "limits": allowed})
    else:
        _show(summary, allowed)


def _amount(text: str) -> Decimal | None:
    if text.casefold() == "none":
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidInput(
            f"--budget {text!r} is no amount: write it like 5 or 2.50, or none"
        ) from None


def _row(summary: "OwnerSummary") -> Mapping[str, Any]:
    from keepsake.owners.costs import usd

    return {
        "owner": summary.slug,
        "name": summary.name,
        "tier": summary.tier,
        "USD this month": usd(summary.known, summary.spent),
        "budget": "" if summary.budget is None else usd(summary.budget, summary.budget),
        "records": _records(summary),
    }


def _records(summary: "OwnerSummary") -> str:
    return ", ".join(f"{count:,} {line}" for line, count in sorted(summary.records.items()))


def _show(summary: "OwnerSummary", allowed: "list[Limit]") -> None:
    from keepsake.owners.costs import usd

    out = console()
    out.print(f"{summary.name} ({summary.slug})", style="bold")
    out.print(f"Time zone: {summary.time_zone}")
    out.print(f"Tier: {summary.tier}")
    for limit in allowed:
        out.print(f"  {limit.line}: {_limit(limit)}")
    bound = "no bound"
    if summary.budget is not None:
        whose = "its own" if summary.own_budget else f"of the tier {summary.tier}"
        bound = f"of a budget of USD {usd(summary.budget, summary.budget)}, {whose}"
    out.print(f"Spent this month: USD {usd(summary.known, summary.spent)}; {bound}")
    out.print(f"Records: {_records(summary) or 'none yet'}")


def _limit(limit: "Limit") -> str:
    newest = "all records"
    if limit.newest is not None:
        newest = "the newest record" if limit.newest == 1 else f"the newest {limit.newest} records"
    together = "" if limit.batch is None else f", {limit.batch} at once"
    pause = f", {limit.pause_seconds:g} s apart" if limit.pause_seconds else ""
    return f"{newest}{together}{pause}"
