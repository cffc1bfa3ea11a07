"""Jobs that carry records through the steps of a line.

Each run of a line is one of Dagster's: the function returns a plan of it. Work on many days is
split by calendar months into such runs, which a job waits for.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from keepsake.database import Pool
from keepsake.errors import InvalidInput, PermanentError
from keepsake.job_types.records import RecordOf
from keepsake.jobs.context import JobContext
from keepsake.jobs.control import retry
from keepsake.jobs.plans import RunPlan
from keepsake.jobs.registry import JobData, Retry, job
from keepsake.jobs.submission import NewJob, submit
from keepsake.lines import LINES, module_of
from keepsake.pipeline.line import Line
from keepsake.settings import Settings

# Dagster ends a run after an hour (`dagster.yaml`): what ends before may be tried again.
RUN_TIMEOUT = timedelta(minutes=50)
RUN_RETRY = Retry(attempts=3, min_seconds=5, max_seconds=300, factor=4)
LOOK_SECONDS = 2.0  # between looks at the runs that a job waits for


def _lines() -> dict[str, Line]:
    """All lines by name. To load one imports its steps."""
    return {module.name: module.load_line() for module in LINES}


def _check_steps(steps: Sequence[str], line: Line | None = None) -> None:
    """Check that the line, or some line, has these steps.

    Raises:
        ValueError: it has not.
    """
    lines = [line] if line else _lines().values()
    known = [step.name for each in lines for step in each.steps]
    if unknown := sorted(set(steps) - set(known)):
        raise ValueError(f"there is no step {unknown[0][:100]!r} (known: {', '.join(known)})")


# -- one record -----------------------------------------------------------------------------------


class RecordNow(RecordOf):
    """Which record, which of its steps (none: all), and whether to redo what is up to date."""

    steps: tuple[str, ...] = Field(default=(), max_length=50)
    redo: bool = False

    @field_validator("steps")
    @classmethod
    def _known(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        _check_steps(steps)
        return steps


@job(
    "process_record",
    RecordNow,
    description="Carries a record through the steps of its line now: what is missing, failed or "
    "stale.",
    executor="dagster",
    retry=RUN_RETRY,
    timeout=RUN_TIMEOUT,
    whose="owner",
    permission="edit",
)
async def process_record(context: JobContext, data: RecordNow) -> RunPlan:
    """Plan the run of a record of the job's owner.

    Raises:
        InvalidInput: there is no such record, or its line has no such step.
    """
    line, day = await _line_and_day(context.pool, context.owner_id, data.record_id)
    try:
        _check_steps(data.steps, line)
    except ValueError as error:
        raise InvalidInput(f"record {data.record_id} is of the line {line.name}: {error}") from None
    return RunPlan(
        line.name, day, day, steps=data.steps, redo=data.redo, record_ids=(data.record_id,)
    )


class EpisodeOf(RecordOf):
    """Of which record's story, and whether to make again an episode that is up to date."""

    redo: bool = False


@job(
    "make_episode",
    EpisodeOf,
    description="Makes the podcast episode of a family's story now, and first what it needs.",
    executor="dagster",
    retry=RUN_RETRY,
    timeout=RUN_TIMEOUT,
    whose="owner",
    permission="edit",
)
async def make_episode(context: JobContext, data: EpisodeOf) -> RunPlan:
    """Plan the run of an episode. With `redo` what it is made from stays as it is.

    Raises:
        InvalidInput: there is no such record, or its line makes no episodes.
    """
    line, day = await _line_and_day(context.pool, context.owner_id, data.record_id)
    if "podcasts" not in [step.name for step in line.steps]:
        raise InvalidInput(
            f"record {data.record_id} is of the line {line.name}, which makes no episodes"
        )
    steps = ("podcasts",) if data.redo else _with_needs(line, "podcasts")
    return RunPlan(line.name, day, day, steps=steps, redo=data.redo, record_ids=(data.record_id,))


def _with_needs(line: Line, step: str) -> tuple[str, ...]:
    """A step and all that it is made from, in the order of the line."""
    wanted = {step}
    for each in reversed(line.steps):
        if each.name in wanted:
            wanted |= set(each.needs)
    return tuple(each.name for each in line.steps if each.name in wanted)


async def _line_and_day(pool: Pool, owner_id: int | None, record_id: int) -> tuple[Line, date]:
    """The line of a record of an owner, and its day in UTC."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT line, (recorded_at AT TIME ZONE 'UTC')::date FROM records"
            " WHERE id = %s AND owner_id = %s",
            (record_id, owner_id),
        )
        row = await cursor.fetchone()
    if row is None:
        raise InvalidInput(f"there is no record {record_id}: `keepsake records` lists those of it")
    return module_of(row[0]).load_line(), row[1]


# -- many days ------------------------------------------------------------------------------------


class Days(JobData):
    """Which days of which line, and what to do with their records.

    Attributes:
        line: its name.
        first, last: days in UTC.
        steps: those to make; none: all.
        mode: `due`: only what is due; `all`: what is missing, failed or stale.
        redo: make what is up to date again too. It is paid for again.
    """

    line: str
    first: date
    last: date
    steps: tuple[str, ...] = Field(default=(), max_length=50)
    mode: Literal["due", "all"] = "all"
    redo: bool = False

    @model_validator(mode="after")
    def _fit(self) -> Self:
        lines = _lines()
        if self.line not in lines:
            raise ValueError(f"there is no such line (known: {', '.join(lines)})")
        if self.last < self.first:
            raise ValueError("the last day is before the first")
        _check_steps(self.steps, lines[self.line])
        return self


@job(
    "run_line",
    Days,
    description="Carries the records of some days through the steps of a line, in one run. For "
    "many days submit backfill_line.",
    executor="dagster",
    retry=RUN_RETRY,
    timeout=RUN_TIMEOUT,
    whose="system",
)
async def run_line(context: JobContext, data: Days) -> RunPlan:
    """Plan the run."""
    return RunPlan(data.line, data.first, data.last, data.steps, data.mode, data.redo)


def _backfill_key(owner_id: int | None, data: JobData) -> str:
    """One at a time: Dagster makes two of their runs at once, and no more would come of two."""
    return "backfill"


@job(
    "backfill_line",
    Days,
    description="Carries the records of many days through the steps of a line: a run for each "
    "month that has some, the newest first, two at a time.",
    retry=Retry(attempts=3, min_seconds=5, max_seconds=60),
    timeout=timedelta(days=7),
    concurrency_key=_backfill_key,
    whose="system",
    waits=True,
)
async def backfill_line(context: JobContext, data: Days) -> dict[str, int]:
    """Submit the runs, and wait for them. They are cancelled with this job.

    Raises:
        PermanentError: runs did not succeed. To retry the job tries those again.
    """
    months = await _months(
        context.pool,
        "SELECT recorded_at FROM records WHERE line = %(line)s"
        " AND recorded_at >= %(first)s AND recorded_at < %(last)s::date + 1",
        {"line": data.line, "first": data.first, "last": data.last},
    )
    return await _in_runs(
        context,
        [
            data.model_copy(update={"first": max(first, data.first), "last": min(last, data.last)})
            for first, last in months
        ],
    )


class LineOf(JobData):
    """Which line, by its name."""

    line: str

    @field_validator("line")
    @classmethod
    def _embeds(cls, name: str) -> str:
        lines = {line.name: line for line in _lines().values() if _embedding_steps(line)}
        if name not in lines:
            raise ValueError(f"no such line has embeddings (those that have: {', '.join(lines)})")
        return name


@job(
    "re_embed",
    LineOf,
    description="Makes the embeddings of a line again that another model has made: a run for each "
    "month that has some. For after a change of the embeddings model.",
    retry=Retry(attempts=3, min_seconds=5, max_seconds=60),
    timeout=timedelta(days=7),
    concurrency_key=_backfill_key,
    whose="system",
    waits=True,
)
async def re_embed(context: JobContext, data: LineOf) -> dict[str, int]:
    """Submit the runs, and wait for them. They are cancelled with this job.

    Raises:
        PermanentError: runs did not succeed. To retry the job tries those again.
    """
    model, dimensions = _embeddings_model(context.settings)
    months = await _months(
        context.pool,
        "SELECT recorded_at FROM records r WHERE line = %(line)s AND EXISTS (SELECT FROM passages p"
        " WHERE record_id = r.id AND (model <> %(model)s OR dimensions <> %(dimensions)s))",
        {"line": data.line, "model": model, "dimensions": dimensions},
    )
    steps = _embedding_steps(module_of(data.line).load_line())
    return await _in_runs(
        context,
        [Days(line=data.line, first=first, last=last, steps=steps) for first, last in months],
    )


def _embedding_steps(line: Line) -> tuple[str, ...]:
    """The steps that make embeddings and nothing else: no other model is asked and paid."""
    return tuple(step.name for step in line.steps if step.roles == ("embeddings",))


def _embeddings_model(settings: Settings) -> tuple[str, int | None]:
    """Its name and the length of its vectors, where that is set."""
    return settings.endpoint("embeddings").model, settings.embeds_dimensions or None


async def _months(pool: Pool, times: str, values: dict[str, Any]) -> list[tuple[date, date]]:
    """First and last days of the months in which these times lie, the newest first."""
    query = f"""
        WITH months AS (
            SELECT DISTINCT date_trunc('month', recorded_at AT TIME ZONE 'UTC') AS first
            FROM ({times}) AS times)
        SELECT first::date, (first + interval '1 month' - interval '1 day')::date
        FROM months ORDER BY 1 DESC
    """  # noqa: S608
    async with pool.connection() as connection:
        cursor = await connection.execute(query.encode(), values)
        return await cursor.fetchall()


async def _in_runs(context: JobContext, runs: Sequence[Days]) -> dict[str, int]:
    """Have runs made as this job's children, and wait until all have ended."""
    await _submit_once(context, runs)
    while True:
        async with context.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE finished_at IS NOT NULL),"
                " count(*) FILTER (WHERE success), min(id) FILTER (WHERE NOT success)"
                " FROM jobs WHERE parent_id = %s",
                (context.fence.job_id,),
            )
            total, ended, succeeded, first_bad = await cursor.fetchone() or (0, 0, 0, None)
        if ended == total:
            break
        await asyncio.sleep(LOOK_SECONDS)
    if first_bad is not None:
        raise PermanentError(
            f"{total - succeeded} of {total} runs did not succeed, the first is job {first_bad}: "
            "`keepsake jobs show` says why, and to retry this job tries them again"
        )
    return {"runs": total}


async def _submit_once(context: JobContext, runs: Sequence[Days]) -> None:
    """Submit the runs, unless a former attempt has: then try again those that did not succeed."""
    async with context.transaction() as connection:
        cursor = await connection.execute(
            "SELECT id, coalesce(success, true) FROM jobs WHERE parent_id = %s ORDER BY id",
            (context.fence.job_id,),
        )
        if there := await cursor.fetchall():
            for job_id, is_well in there:
                if not is_well:
                    await retry(connection, job_id)
            return
        for run in runs:
            new = NewJob(
                run_line, run, user_id=context.user_id, priority="low", parent=context.fence
            )
            await submit(connection, new)
