"""`keepsake add owner`, `keepsake owner` and `keepsake owners`: tiers, budgets, what was spent."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.cli.shell import Json, console, open_database, print_json, print_table
from keepsake.errors import InvalidInput

if TYPE_CHECKING:
    from keepsake.owners.owners import Account
    from keepsake.owners.tiers import Limit


def add(
    name: Annotated[str, typer.Argument(help="Its name, such as `Ada Lovelace`.")],
    time_zone: Annotated[
        str, typer.Option(help="IANA time zone: whose days are its days.")
    ] = "UTC",
    tier: Annotated[str | None, typer.Option(help="What it may use. Default: free.")] = None,
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
    from keepsake.owners.owners import accounts
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        found = accounts(connection)
    if json:
        print_json(found)
    elif not found:
        typer.echo("No owners yet: add one with `keepsake add owner` or `keepsake add family`.")
    else:
        rows = [_row(account) for account in found]
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
    from keepsake.owners.owners import accounts, find_owner, set_budget
    from keepsake.owners.tiers import limits, set_tier
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings) as connection:
        found = find_owner(connection, name)
        with connection.transaction():
            if tier is not None:
                later, off = settings.scheduled_steps, settings.switched_off_steps
                set_tier(connection, found.id, tier, later=later, off=off)
            if budget is not None:
                set_budget(connection, found.id, _amount(budget))
        (account,) = accounts(connection, found.id)
        allowed = limits(connection, account.tier)
    if json:
        print_json({"owner": account, "limits": allowed})
    else:
        _show(account, allowed)


def _amount(text: str) -> Decimal | None:
    if text.casefold() == "none":
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidInput(
            f"--budget {text!r} is no amount: write it like 5 or 2.50, or none"
        ) from None


def _row(account: "Account") -> Mapping[str, Any]:
    from keepsake.owners.costs import usd

    return {
        "owner": account.slug,
        "name": account.name,
        "tier": account.tier,
        "USD this month": usd(account.known, account.spent),
        "budget": "" if account.budget is None else usd(account.budget, account.budget),
        "records": _records(account),
    }


def _records(account: "Account") -> str:
    return ", ".join(f"{count:,} {line}" for line, count in sorted(account.records.items()))


def _show(account: "Account", allowed: "list[Limit]") -> None:
    from keepsake.owners.costs import usd

    out = console()
    out.print(f"{account.name} ({account.slug})", style="bold")
    out.print(f"Time zone: {account.time_zone}")
    out.print(f"Tier: {account.tier}")
    for limit in allowed:
        out.print(f"  {limit.line}: {_limit(limit)}")
    bound = "no bound"
    if account.budget is not None:
        whose = "its own" if account.own_budget else f"of the tier {account.tier}"
        bound = f"of a budget of USD {usd(account.budget, account.budget)}, {whose}"
    out.print(f"Spent this month: USD {usd(account.known, account.spent)}; {bound}")
    out.print(f"Records: {_records(account) or 'none yet'}")


def _limit(limit: "Limit") -> str:
    newest = "all records"
    if limit.newest is not None:
        newest = "the newest record" if limit.newest == 1 else f"the newest {limit.newest} records"
    together = "" if limit.batch is None else f", {limit.batch} at once"
    pause = f", {limit.pause_seconds:g} s apart" if limit.pause_seconds else ""
    return f"{newest}{together}{pause}"
