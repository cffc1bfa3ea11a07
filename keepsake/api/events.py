"""Live progress: server-sent events of a record, and of all that an owner has.

A stream begins with the present state, so a client that comes back has missed nothing and
`Last-Event-ID` is not needed. It holds no connection to the database while it waits. It ends when
its caller may not read any more, and when the process ends; browsers then connect again by
themselves, and are answered by what holds by then.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any

from anyio import CancelScope
from fastapi import APIRouter, Request
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from keepsake.accounts.principal import Principal
from keepsake.api.records import Status
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.http.callers import (
    OwnerCaller,
    RecordCaller,
    for_named_owner,
    for_record,
    principal_if_any,
)
from keepsake.http.live import Change, Watch
from keepsake.pipeline.ledger.states import record_steps
from keepsake.records.progress import open_steps, record_head
from keepsake.show import why_unmade

router = APIRouter(prefix="/api", tags=["progress"])

SPACING = 0.2  # seconds between two events: many steps are written at once
CHECKED = 30.0  # seconds after which it is looked whether the caller may still read
PING = 15  # seconds; what lies between takes a silent connection for a dead one
RECONNECT = 3_000  # milliseconds that browsers wait
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


class StepNow(BaseModel):
    """How far a record is in one step; `why` and `reason` as in the record itself."""

    step: str
    status: str
    made: bool
    why: str | None
    reason: str | None


class RecordNow(BaseModel):
    """How far a record is."""

    id: int
    status: Status
    steps: list[StepNow]


class OpenStep(BaseModel):
    """How many of an owner's records are not made in one step."""

    line: str
    step: str
    pending: int
    running: int
    failed: int


class OwnerNow(BaseModel):
    """What is open or has failed of an owner."""

    steps: list[OpenStep]


class StepChanged(BaseModel):
    """That a step of a record has another status."""

    record: int
    step: str = Field(description="`*`: all of them, where the record was deleted.")
    status: str = Field(description="Of the step, or `deleted`.")


class Changes(BaseModel):
    """Steps that have changed since the event before."""

    changes: list[StepChanged]


@router.get("/records/{record_id}/events", response_class=EventSourceResponse, responses=STREAM)
async def read_record_events(
    request: Request, caller: Annotated[RecordCaller, for_record("read")]
) -> EventSourceResponse:
    """Follow a record: an event `record` at once and after each change, `deleted` at its end."""

    async def tell(watch: Watch) -> AsyncIterator[ServerSentEvent]:
        if not (watch.stale or watch.take()):
            return
        watch.take()
        try:
            now = await caller.call(_record_now, caller.owner_id, caller.record_id)
        except InvalidInput:
            watch.end()
            yield ServerSentEvent("{}", event="deleted")
        else:
            yield _event("record", now)

    return _stream(request, caller, tell, caller.record_id)


@router.get("/owners/{owner}/events", response_class=EventSourceResponse, responses=STREAM)
async def read_owner_events(
    request: Request, caller: Annotated[OwnerCaller, for_named_owner("read")]
) -> EventSourceResponse:
    """Follow all records of an owner: an event `owner` at once, `steps` with what changes."""

    async def tell(watch: Watch) -> AsyncIterator[ServerSentEvent]:
        stale, changes = watch.stale, watch.take()
        if stale:
            yield _event("owner", await caller.call(_owner_now, caller.owner_id))
        elif changes:
            yield _event("steps", _changed(changes))

    return _stream(request, caller, tell)


def _stream(
    request: Request,
    caller: OwnerCaller,
    tell: Callable[[Watch], AsyncIterator[ServerSentEvent]],
    record_id: int | None = None,
) -> EventSourceResponse:
    live = caller.state.live
    live.check_room()

    def may_read(who: Principal) -> bool:
        return who.may(caller.owner_id, "read")

    return stream(request, live.watch(caller.owner_id, record_id), tell, may_read)


def stream(
    request: Request,
    watching: AbstractContextManager[Watch],
    tell: Callable[[Watch], AsyncIterator[ServerSentEvent]],
    may_read: Callable[[Principal], bool],
) -> EventSourceResponse:
    """A stream of what `tell` says of a watch, for as long as its caller may read."""
    events = _events(request, watching, tell, may_read)
    return EventSourceResponse(events, ping=PING, shutdown_grace_period=1)


async def _events(
    request: Request,
    watching: AbstractContextManager[Watch],
    tell: Callable[[Watch], AsyncIterator[ServerSentEvent]],
    may_read: Callable[[Principal], bool],
) -> AsyncIterator[ServerSentEvent]:
    with watching as watch:
        yield ServerSentEvent(comment="keepsake", retry=RECONNECT)
        look_again = time.monotonic() + CHECKED
        while not watch.ended:
            try:
                async for event in tell(watch):
                    yield event
                if time.monotonic() >= look_again:
                    if not await _may_still(request, may_read):
                        return
                    look_again = time.monotonic() + CHECKED
            except (OperationalError, PoolTimeout):
                watch.refresh()  # the database is away: again, when it is back
            await watch.rest(SPACING)
            await watch.wait(look_again - time.monotonic())


async def _may_still(request: Request, may_read: Callable[[Principal], bool]) -> bool:
    """Whether the token or the session still stands for somebody who may read this."""
    with CancelScope(shield=True):  # a query that is cancelled takes its connection with it
        principal = await principal_if_any(request)
    return principal is not None and may_read(principal)


def _event(name: str, content: BaseModel) -> ServerSentEvent:
    return ServerSentEvent(content.model_dump_json(), event=name)


def _changed(changes: list[Change]) -> Changes:
    return Changes(
        changes=[
            StepChanged(record=each.id, step=each.step, status=each.status) for each in changes
        ]
    )


def _record_now(connection: Connection, owner_id: int, record_id: int) -> RecordNow:
    head = record_head(connection, owner_id, record_id)
    steps = []
    for row in record_steps(connection, owner_id, record_id):
        unmade = why_unmade(row)
        steps.append(
            StepNow(
                step=row["step"],
                status=row["status"],
                made=row["made"],
                why=unmade.why if unmade else None,
                reason=unmade.reason or None if unmade else None,
            )
        )
    return RecordNow.model_validate({"id": head.id, "status": head.status, "steps": steps})


def _owner_now(connection: Connection, owner_id: int) -> OwnerNow:
    return OwnerNow(steps=[OpenStep(**row) for row in open_steps(connection, owner_id)])
