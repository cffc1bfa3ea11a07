"""Jobs as those who ask may see and change them: for routes, GraphQL and pages alike.

An owner's jobs are seen by those who may read what the owner has; the system's own, which have no
owner, by operators. Who submits, cancels and retries jobs of a type has the type's `permission`; a
person may always cancel what they have asked for. A job that is not theirs to see is answered like
one that is not there.

What members and tokens ask for goes through the role that sees one owner: a child that is another
owner's is neither seen nor cancelled with its parent. Operators reach all.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.database import AsyncConnection, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.http.callers import owner_caller
from keepsake.http.problems import Problem
from keepsake.http.state import State
from keepsake.jobs import control
from keepsake.jobs.bulk import to_cancel, to_retry
from keepsake.jobs.control import Cancelled
from keepsake.jobs.listing import JobFilter, count_jobs, find_ids, find_job
from keepsake.jobs.registry import JobType
from keepsake.jobs.rows import Job, Status
from keepsake.jobs.schedules import Schedule
from keepsake.jobs.submission import NewJob, Submission
from keepsake.jobs.submission import submit as submit_job

MOST_AT_ONCE = 200  # jobs that one request changes


@dataclass(frozen=True)
class Reach:
    """What a request may be about: jobs, and what else operators see of all owners.

    Attributes:
        state: of the process.
        caller: who asks.
        owner_id: whose; None: all, and the system's own, for an operator.
    """

    state: State
    caller: Principal
    owner_id: int | None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees no more than that."""
        if self.owner_id is not None:
            async with owner_transaction(self.state.pool, self.owner_id) as connection:
                yield connection
        else:
            async with self.state.pool.connection() as connection, connection.transaction():
                yield connection

    def may_submit(self, kind: JobType[Any]) -> bool:
        """Whether the caller may submit jobs of a type."""
        if self.caller.operator or self.owner_id is None or kind.whose == "system":
            return self.caller.operator and kind.offered
        return self.caller.may(self.owner_id, kind.permission) and kind.offered

    def may_change(self, job: Job | Schedule) -> bool:
        """Whether the caller may have this job tried again, or cancel it whoever asked for it.

        And whether they may change this schedule.
        """
        if self.caller.operator or job.owner_id is None:
            return self.caller.operator
        return self.caller.may(job.owner_id, self.state.registry.permission_of(job.type))

    def may_cancel(self, job: Job) -> bool:
        """Whether the caller may cancel this job. A token that only reads cancels nothing."""
        return self.may_change(job) or (
            job.user_id is not None
            and job.user_id == self.caller.user_id
            and (self.caller.token_id is None or self._does_more_than_read(job))
        )

    def _does_more_than_read(self, job: Job) -> bool:
        access = self.caller.owners.get(job.owner_id or 0)
        return access is not None and access.permissions > {"read"}


async def reach_of(
    state: State, caller: Principal, owner: str | None, permission: str = "read"
) -> Reach:
    """What is of the owner of that short name; without one, what the caller sees.

    Raises:
        Problem: there is no such owner for them, they may not do this, or they must name one.
    """
    if owner is None and caller.operator:
        return Reach(state, caller, None)
    found = await owner_caller(state, caller, owner, permission)
    return Reach(state, caller, found.owner_id)


async def find(state: State, caller: Principal, job_id: int) -> tuple[Job, Reach]:
    """A job, and how more of it is read.

    Raises:
        Problem: there is none for them, or they may not read.
    """
    job, reach = await _locate(state, caller, job_id)
    if job.owner_id is not None and not caller.may(job.owner_id, "read"):
        raise forbidden("read")
    return job, reach


async def reach_to_submit(
    state: State, caller: Principal, owner: str | None, kind: JobType[Any]
) -> Reach:
    """Where a job of a type goes: the owner of that short name, or the only one that they have.

    An operator who names none means the system.

    Raises:
        InvalidInput: the type is not offered.
        Problem: they may not, there is no such owner for them, or they must name one.
    """
    if not kind.offered:
        raise InvalidInput(
            f"a job of type {kind.name} is made together with what it needs, never by itself"
        )
    if kind.whose == "system" and not caller.operator:
        raise Problem("forbidden", f"jobs of type {kind.name} are for the operators")
    return await reach_of(state, caller, owner, kind.permission)


async def _nothing_more(_connection: AsyncConnection, _submission: Submission) -> None:
    """What is written beside a job, if nothing is."""


async def submit(
    reach: Reach,
    new: NewJob,
    *,
    also: Callable[[AsyncConnection, Submission], Awaitable[None]] = _nothing_more,
) -> Submission:
    """Submit a job; whose it is, and who asks, is that of `reach`, from `reach_to_submit`.

    `also` writes more, in the transaction of the submission.

    Raises:
        InvalidInput: something of it is not accepted.
    """
    new = replace(new, owner_id=reach.owner_id, user_id=reach.caller.user_id)
    async with reach.transaction() as connection:
        submission = await submit_job(connection, new)
        if submission.created:
            await _note(reach, connection, "job.submit", reach.owner_id, submission.id)
        await also(connection, submission)
    return submission


async def cancel(state: State, caller: Principal, job_id: int) -> Cancelled:
    """Cancel a job, and those that it has submitted. What is finished does not change.

    Raises:
        Problem: there is none for them, or they may not.
    """
    job, reach = await _locate(state, caller, job_id)
    return await _cancel(reach, job)


async def retry(state: State, caller: Principal, job_id: int) -> None:
    """Have a finished job tried again.

    Raises:
        Problem: there is none for them, they may not, or it is none that can be retried.
    """
    job, reach = await _locate(state, caller, job_id)
    await _retry(reach, job)


@dataclass(frozen=True)
class ManyChanged:
    """What became of the jobs that a filter finds.

    Attributes:
        changed: ids of those that were, also of what another had submitted.
        refused: why others were not, by id.
        left: how many were not looked at.
        next: `JobFilter.after` for the next of them; None: all were looked at.
    """

    changed: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    left: int = 0
    next: int | None = None


async def count_many(
    reach: Reach, wanted: JobFilter, *, to_be: Callable[[JobFilter], JobFilter]
) -> dict[Status, int]:
    """How many jobs, by status, `cancel_many` (`to_cancel`) or `retry_many` (`to_retry`) finds.

    Raises:
        InvalidInput: the filter says nothing, or names no status that there is.
    """
    _check_narrow(wanted)
    async with reach.transaction() as connection:
        return await count_jobs(connection, to_be(wanted))


async def cancel_many(reach: Reach, wanted: JobFilter) -> ManyChanged:
    """Cancel what is not finished of what a filter finds, the oldest first.

    Raises:
        InvalidInput: the filter says nothing, or names no status that there is.
    """

    async def change(job: Job) -> list[int]:
        done = await _cancel(reach, job)
        return [job.id, *done.children] if done.changed else []

    return await _many(reach, wanted, to_cancel, change)


async def retry_many(reach: Reach, wanted: JobFilter) -> ManyChanged:
    """Have tried again what failed of what a filter finds, the oldest first.

    Raises:
        InvalidInput: the filter says nothing, or names no status that there is.
    """

    async def change(job: Job) -> list[int]:
        await _retry(reach, job)
        return [job.id]

    return await _many(reach, wanted, to_retry, change)


async def _many(
    reach: Reach,
    wanted: JobFilter,
    to_be: Callable[[JobFilter], JobFilter],
    change: Callable[[Job], Awaitable[list[int]]],
) -> ManyChanged:
    """Change jobs one by one, each in a transaction of its own: none waits for all of them."""
    _check_narrow(wanted)
    wanted = to_be(wanted)
    async with reach.transaction() as connection:
        ids = await find_ids(connection, wanted, limit=MOST_AT_ONCE)
    changed: set[int] = set()
    refused: dict[int, str] = {}
    for job_id in ids:
        try:
            async with reach.transaction() as connection:
                job = await find_job(connection, job_id)
            changed.update(await change(job))
        except Problem as problem:
            refused[job_id] = problem.detail
        except InvalidInput:  # it has been removed meanwhile
            continue
    if len(ids) < MOST_AT_ONCE:
        return ManyChanged(sorted(changed), refused)
    async with reach.transaction() as connection:
        left = sum((await count_jobs(connection, replace(wanted, after=ids[-1]))).values())
    return ManyChanged(sorted(changed), refused, left, ids[-1] if left else None)


def _check_narrow(wanted: JobFilter) -> None:
    """See that a filter does not mean all jobs.

    Raises:
        InvalidInput: it does.
    """
    says = {**vars(wanted), "owner_id": None, "before": None, "after": None}
    if not any(says.values()):
        raise InvalidInput(
            "this filter means all jobs: say which, by status, type, tag, tags, metadata, parent, "
            "schedule or time"
        )


async def _locate(state: State, caller: Principal, job_id: int) -> tuple[Job, Reach]:
    """A job of the owners that the caller has, or of any for an operator."""
    for owner_id in [None] if caller.operator else list(caller.owners):
        reach = Reach(state, caller, owner_id)
        async with reach.transaction() as connection:
            with suppress(InvalidInput):
                return await find_job(connection, job_id), reach
    raise _no_job(job_id)


async def _cancel(reach: Reach, job: Job) -> Cancelled:
    if not reach.may_cancel(job):
        raise forbidden(reach.state.registry.permission_of(job.type))
    async with reach.transaction() as connection:
        try:
            done = await control.cancel(connection, job.id)
        except InvalidInput:
            raise _no_job(job.id) from None
        if done.changed:
            await _note(reach, connection, "job.cancel", job.owner_id, job.id)
    return done


async def _retry(reach: Reach, job: Job) -> None:
    if not reach.may_change(job):
        raise forbidden(reach.state.registry.permission_of(job.type))
    async with reach.transaction() as connection:
        try:
            await control.retry(connection, job.id)
        except InvalidInput as error:
            raise Problem("conflict", str(error)) from None
        await _note(reach, connection, "job.retry", job.owner_id, job.id)


async def _note(
    reach: Reach, connection: AsyncConnection, action: str, owner_id: int | None, job_id: int
) -> None:
    await record_write(connection, reach.caller, action, owner_id=owner_id, detail=f"job {job_id}")


def _no_job(job_id: int) -> Problem:
    return Problem("not_found", f"there is no job {job_id}")


def forbidden(permission: str) -> Problem:
    """What to raise where the caller lacks a permission."""
    return Problem(
        "forbidden",
        f"this needs the permission {permission!r}, which this token or membership lacks",
    )
