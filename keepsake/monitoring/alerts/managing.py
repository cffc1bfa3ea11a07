"""Rules as people manage them: each change with a line in the audit log that says who made it.

What a rule may be is in `rules.py`; who may change one is decided by who calls this.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput
from keepsake.monitoring.alerts.rules import (
    NewRule,
    Rule,
    add_rule,
    change_rule,
    delete_rule,
    find_rule,
    mute_rule,
)


class NoRule(InvalidInput):
    """There is no such rule for who asks."""


async def add(
    connection: AsyncConnection, who: Principal | None, owner_id: int | None, new: NewRule
) -> Rule:
    """Add a rule.

    Args:
        connection: to the database, in a transaction, as for the other functions of this module.
        who: adds it; None: an operator at the shell.
        owner_id: whose; None: about the whole system.
        new: the rule.

    Raises:
        InvalidInput: something of it is not accepted, there is one of that name, or too many.
    """
    rule_id = await add_rule(connection, new, owner_id=owner_id)
    await _note(connection, who, "add", owner_id, rule_id)
    return await find(connection, owner_id, rule_id)


async def find(connection: AsyncConnection, owner_id: int | None, rule_id: int) -> Rule:
    """A rule of an owner, or of the system.

    Raises:
        NoRule: there is none.
    """
    rule = await find_rule(connection, rule_id, owner_id=owner_id)
    if rule is None:
        raise NoRule(f"there is no rule {rule_id} here: `keepsake alerts rules` lists them")
    return rule


async def change(
    connection: AsyncConnection,
    who: Principal | None,
    owner_id: int | None,
    rule_id: int,
    changes: Mapping[str, Any],
) -> Rule:
    """Change what is given of a rule, by the names of `NewRule`.

    Raises:
        NoRule: there is none.
        InvalidInput: what it would be is not accepted.
    """
    rule = await find(connection, owner_id, rule_id)
    changed = await change_rule(connection, rule, changes)
    await _note(connection, who, "change", owner_id, rule_id)
    return changed


async def mute(
    connection: AsyncConnection,
    who: Principal | None,
    owner_id: int | None,
    rule_id: int,
    until: datetime | None,
) -> Rule:
    """Have nobody told of a rule's alerts until a time; None: have people told again.

    Raises:
        NoRule: there is none.
    """
    rule = await find(connection, owner_id, rule_id)
    await mute_rule(connection, rule, until)
    await _note(connection, who, "mute" if until else "unmute", owner_id, rule_id)
    return await find(connection, owner_id, rule_id)


async def remove(
    connection: AsyncConnection, who: Principal | None, owner_id: int | None, rule_id: int
) -> Rule:
    """Remove a rule and its alerts; returns what it was.

    Raises:
        NoRule: there is none.
        InvalidInput: it is built in.
    """
    rule = await find(connection, owner_id, rule_id)
    await delete_rule(connection, rule)
    await _note(connection, who, "remove", owner_id, rule_id)
    return rule


async def owner_of_rule(connection: AsyncConnection, rule_id: int) -> int | None:
    """The id of the owner of a rule, for who sees all owners; None: it is the system's.

    Raises:
        NoRule: there is none.
    """
    cursor = await connection.execute("SELECT owner_id FROM alert_rules WHERE id = %s", (rule_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NoRule(f"there is no rule {rule_id}: `keepsake alerts rules` lists them")
    return None if row[0] is None else int(row[0])


async def _note(
    connection: AsyncConnection,
    who: Principal | None,
    what: str,
    owner_id: int | None,
    rule_id: int,
) -> None:
    await record_write(
        connection, who, f"alert_rule.{what}", owner_id=owner_id, detail=f"rule {rule_id}"
    )
