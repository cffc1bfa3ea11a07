"""Rules and alerts as those who ask may see and change them: for routes and pages alike.

Who may read what an owner has sees its alerts; who manages the owner changes its rules. Those about
the whole system are the operators'. A rule that is not theirs is answered like one that is not
there.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from keepsake.database import AsyncConnection
from keepsake.http.jobs import Reach
from keepsake.http.problems import Problem
from keepsake.monitoring.alerts import managing
from keepsake.monitoring.alerts.rules import NewRule, Rule

Also = Callable[[AsyncConnection, Rule], Awaitable[None]]


async def _nothing(_connection: AsyncConnection, _rule: Rule) -> None: ...


async def find(reach: Reach, rule_id: int) -> Rule:
    """A rule of the owner of `reach`, or of the system.

    Raises:
        Problem: there is none for them.
    """
    return await _about(reach, lambda db: managing.find(db, reach.owner_id, rule_id))


async def add(reach: Reach, new: NewRule, *, also: Also = _nothing) -> Rule:
    """Add a rule; `also` is done in the same transaction.

    Raises:
        InvalidInput: something of it is not accepted, there is one of that name, or too many.
    """
    async with reach.transaction() as connection:
        rule = await managing.add(connection, reach.caller, reach.owner_id, new)
        await also(connection, rule)
    return rule


async def change(reach: Reach, rule_id: int, changes: Mapping[str, Any]) -> Rule:
    """Change what is given of a rule.

    Raises:
        Problem: there is none for them.
        InvalidInput: what it would be is not accepted.
    """
    return await _about(
        reach, lambda db: managing.change(db, reach.caller, reach.owner_id, rule_id, changes)
    )


async def mute(reach: Reach, rule_id: int, until: datetime | None) -> Rule:
    """Have nobody told of its alerts until a time; None: have people told again.

    Raises:
        Problem: there is none for them.
    """
    return await _about(
        reach, lambda db: managing.mute(db, reach.caller, reach.owner_id, rule_id, until)
    )


async def remove(reach: Reach, rule_id: int) -> Rule:
    """Remove a rule; what it was.

    Raises:
        Problem: there is none for them.
        InvalidInput: it is built in.
    """
    return await _about(
        reach, lambda db: managing.remove(db, reach.caller, reach.owner_id, rule_id)
    )


async def _about(reach: Reach, work: Callable[[AsyncConnection], Awaitable[Rule]]) -> Rule:
    try:
        async with reach.transaction() as connection:
            return await work(connection)
    except managing.NoRule:
        raise Problem("not_found", "there is no such rule here") from None
