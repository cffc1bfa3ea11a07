"""Schedules of jobs as those who ask may see and change them; the rules are those of their jobs."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput
from keepsake.http.jobs import Reach, forbidden
from keepsake.http.problems import Problem
from keepsake.http.state import State
from keepsake.jobs.schedules import (
    NewSchedule,
    Schedule,
    add_schedule,
    change_schedule,
    find_schedule,
    remove_schedule,
)


async def find(state: State, caller: Principal, schedule_id: int) -> tuple[Schedule, Reach]:
    """A schedule, and how more of it is read.

    Raises:
        Problem: there is none for them, or they may not read.
    """
    schedule, reach = await _locate(state, caller, schedule_id)
    if schedule.owner_id is not None and not caller.may(schedule.owner_id, "read"):
        raise forbidden("read")
    return schedule, reach


async def add(reach: Reach, new: NewSchedule) -> int:
    """Make a schedule of the owner of `reach`, from `reach_to_submit`; returns its id.

    Raises:
        InvalidInput: something of it is not accepted, or the owner has one of that tag.
    """
    new = replace(new, owner_id=reach.owner_id, user_id=reach.caller.user_id)
    async with reach.transaction() as connection:
        schedule_id = await add_schedule(connection, new)
        await _note(reach, connection, "schedule.add", reach.owner_id, schedule_id)
    return schedule_id


async def change(state: State, caller: Principal, schedule_id: int, **changes: Any) -> Schedule:
    """Change what is given of a schedule, as `change_schedule` takes it.

    Raises:
        Problem: there is none for them, or they may not.
        InvalidInput: what it would be is not accepted.
    """
    schedule, reach = await _to_change(state, caller, schedule_id)
    async with reach.transaction() as connection:
        changed = await change_schedule(connection, schedule_id, **changes)
        await _note(reach, connection, "schedule.change", schedule.owner_id, schedule_id)
    return changed


async def remove(state: State, caller: Principal, schedule_id: int) -> Schedule:
    """Remove a schedule, and return what it was. The jobs that it has made stay.

    Raises:
        Problem: there is none for them, or they may not.
    """
    schedule, reach = await _to_change(state, caller, schedule_id)
    async with reach.transaction() as connection:
        await remove_schedule(connection, schedule_id)
        await _note(reach, connection, "schedule.remove", schedule.owner_id, schedule_id)
    return schedule


async def _to_change(state: State, caller: Principal, schedule_id: int) -> tuple[Schedule, Reach]:
    schedule, reach = await _locate(state, caller, schedule_id)
    if not reach.may_change(schedule):
        raise forbidden(state.registry.permission_of(schedule.type))
    return schedule, reach


async def _locate(state: State, caller: Principal, schedule_id: int) -> tuple[Schedule, Reach]:
    """A schedule of the owners that the caller has, or of any for an operator."""
    for owner_id in [None] if caller.operator else list(caller.owners):
        reach = Reach(state, caller, owner_id)
        async with reach.transaction() as connection:
            with suppress(InvalidInput):
                return await find_schedule(connection, schedule_id), reach
    raise Problem("not_found", f"there is no schedule {schedule_id}")


async def _note(
    reach: Reach,
    connection: AsyncConnection,
    action: str,
    owner_id: int | None,
    schedule_id: int,
) -> None:
    detail = f"schedule {schedule_id}"
    await record_write(connection, reach.caller, action, owner_id=owner_id, detail=detail)
