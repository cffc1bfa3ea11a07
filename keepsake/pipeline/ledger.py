"""The ledger: what was done to every record, what is due, what failed and why.

One row per record and step. The engine (`keepsake/pipeline/engine.py`) claims rows, and writes a
result and its row in one transaction; everyone else reads. A record's status is a view over it. SQL
stands here; what a step stores beside its row stands with the step.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from psycopg.rows import class_row, dict_row

from keepsake.database import AsyncConnection, Connection
from keepsake.owners.usage import Usage

Status = Literal["pending", "running", "succeeded", "failed"]

CRASHES_ALLOWED = 3
HOLDS = {"tier": "beyond the tier", "off": "switched off"}  # what `held` means
OVER_BUDGET = "OverBudget"  # the error type of what waits for another month, or a higher budget
# Advisory locks of records live above this number, clear of every other lock we take.
RECORD_LOCKS = 1 << 62


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of one step of one record when a run looks at it.

    `asked` counts how often somebody asked for it to be made anew.
    """

    record_id: int
    step: str
    status: Status
    due: bool
    attempts: int
    deferrals: int
    crashes: int
    held: str | None
    input_fingerprint: str | None
    output_fingerprint: str | None
    nothing_reason: str | None
    asked: int

    @property
    def died(self) -> int:
        """Runs that died while they held this row: we hold its lock, so nobody is running it."""
        return self.crashes + (self.status == "running")


@dataclass(frozen=True)
class Window:
    """The records a run may take: those of `line` recorded in [start, end)."""

    line: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Outcome:
    """How one step of one record ended in this run: the row to write, and the result if any.

    `asked` is that of the entry the run began with: asked for again since then, the row stays due.
    """

    record_id: int
    owner_id: int
    step: str
    status: Status
    result: Any = None
    due_at: datetime | None = None
    attempts: int = 0
    deferrals: int = 0
    input_fingerprint: str | None = None
    output_fingerprint: str | None = None
    nothing_reason: str | None = None
    usage: Usage | None = None
    seconds: float | None = None
    error_type: str | None = None
    error_message: str | None = None
    asked: int = 0


# ---------------------------------------------------------------------------------------------
# What the engine does, on its own asynchronous connections
# ---------------------------------------------------------------------------------------------


async def due_records(
    connection: AsyncConnection,
    window: Window,
    steps: Sequence[str],
    *,
    limit: int,
    without: Sequence[int],
    starts: Sequence[datetime],
) -> list[tuple[int, int]]:
    """Records with a due row in one of `steps`: urgent ones first, then owners in turn.

    Each with the place of its partition in `starts`, their first moments in ascending order.

    Each owner's newest come first, so that however many records one owner has, and whenever they
    came, the next of every other owner stands before the second of this one.
    """
    # Of each owner only as many rows are looked up as a page holds, one by one: with an EXISTS, all
    # that is due in the line would be read for every page.
    cursor = await connection.execute(
        """
        SELECT due.id, width_bucket(due.recorded_at, %(starts)s::timestamptz[]) - 1
        FROM (SELECT DISTINCT owner_id FROM records
              WHERE line = %(line)s AND recorded_at >= %(start)s AND recorded_at < %(end)s) AS o
        CROSS JOIN LATERAL (
            SELECT r.id, r.priority, r.recorded_at,
                   row_number() OVER (ORDER BY r.priority DESC, r.id DESC) AS turn
            FROM (SELECT id, priority, recorded_at FROM records
                  WHERE owner_id = o.owner_id AND line = %(line)s
                    AND recorded_at >= %(start)s AND recorded_at < %(end)s
                    AND id <> ALL(%(without)s::bigint[])
                  ORDER BY priority DESC, id DESC) AS r
            CROSS JOIN LATERAL (SELECT FROM ledger l WHERE l.record_id = r.id
                                AND l.due_at <= now() AND l.step = ANY(%(steps)s) LIMIT 1) AS work
            ORDER BY r.priority DESC, r.id DESC LIMIT %(limit)s) AS due
        ORDER BY due.priority DESC, due.turn, due.id DESC
        LIMIT %(limit)s
        """,
        {**vars(window), "steps": list(steps), "without": list(without), "limit": limit,
         "starts": list(starts)},
    )  # fmt: skip
    return await cursor.fetchall()


@dataclass(frozen=True)
class Terms:
    """On what terms a record's owner has work done.

    Attributes:
        owner_id: the owner.
        batch: records begun together; None: any number.
        pause_seconds: from one batch to the next.
        budget: USD that may be spent in this calendar month (UTC); None: any amount.
        spent: USD of known cost that the ledger has for this month; 0 where there is no budget.
        renews_at: the first moment of the next month, when the whole budget is there again.
    """

    owner_id: int
    batch: int | None
    pause_seconds: float
    budget: Decimal | None
    spent: Decimal
    renews_at: datetime


async def terms(
    connection: AsyncConnection, line: str, record_ids: Sequence[int]
) -> dict[int, Terms]:
    """The terms of the owners of some records of a line, by record."""
    cursor = await connection.execute(
        """
        WITH theirs AS (
            SELECT o.id, t.batch, coalesce(t.pause_seconds, 0) AS pause_seconds,
                   coalesce(o.monthly_budget, tiers.monthly_budget) AS budget
            FROM owners o JOIN tiers ON tiers.name = o.tier
            LEFT JOIN tier_limits t ON t.tier = o.tier AND t.line = %(line)s
            WHERE o.id IN (SELECT owner_id FROM records WHERE id = ANY(%(ids)s))
        ), known AS (
            SELECT *, CASE WHEN budget IS NULL THEN 0 ELSE (
                SELECT coalesce(sum(cost), 0) FROM spending s WHERE s.owner_id = theirs.id
                    AND day >= date_trunc('month', now() AT TIME ZONE 'UTC')) END AS spent,
                (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month')
                    AT TIME ZONE 'UTC' AS renews_at
            FROM theirs
        )
        SELECT r.id, known.* FROM records r JOIN known ON known.id = r.owner_id
        WHERE r.id = ANY(%(ids)s)
        """,
        {"line": line, "ids": list(record_ids)},
    )
    return {record_id: Terms(*rest) async for record_id, *rest in cursor}


async def all_records(
    connection: AsyncConnection,
    window: Window,
    *,
    limit: int,
    after: tuple[int, int] | None,
    starts: Sequence[datetime],
) -> list[tuple[int, int, int]]:
    """The next page of every record, in the same order, after `after`.

    Each as its priority, its id, and the place of its partition in `starts`.
    """
    priority, record_id = after or (2**15, 2**62)
    cursor = await connection.execute(
        """
        SELECT priority, id, width_bucket(recorded_at, %(starts)s::timestamptz[]) - 1 FROM records
        WHERE line = %(line)s AND recorded_at >= %(start)s AND recorded_at < %(end)s
          AND (priority, id) < (%(priority)s, %(id)s)
        ORDER BY priority DESC, id DESC LIMIT %(limit)s
        """,
        {
            **vars(window),
            "priority": priority,
            "id": record_id,
            "limit": limit,
            "starts": list(starts),
        },
    )
    return await cursor.fetchall()


async def count_all(
    connection: AsyncConnection, window: Window, starts: Sequence[datetime]
) -> dict[int, int]:
    """How many records the window has, by the place of their partition in `starts`."""
    cursor = await connection.execute(
        "SELECT width_bucket(recorded_at, %(starts)s::timestamptz[]) - 1, count(*) FROM records"
        " WHERE line = %(line)s AND recorded_at >= %(start)s AND recorded_at < %(end)s GROUP BY 1",
        {**vars(window), "starts": list(starts)},
    )
    return dict(await cursor.fetchall())


async def count_due(
    connection: AsyncConnection, window: Window, steps: Sequence[str], *, at_most: int | None
) -> int:
    """How many records of the window have a due row in one of `steps`, up to `at_most`."""
    cursor = await connection.execute(
        """
        SELECT count(*) FROM (
            SELECT FROM records r
            WHERE r.line = %(line)s AND r.recorded_at >= %(start)s AND r.recorded_at < %(end)s
              AND EXISTS (SELECT FROM ledger l WHERE l.record_id = r.id
                          AND l.due_at <= now() AND l.step = ANY(%(steps)s))
            LIMIT %(at_most)s) AS due
        """,
        {**vars(window), "steps": list(steps), "at_most": at_most},
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def lock_records(connection: AsyncConnection, ids: Sequence[int]) -> list[int]:
    """Take the records that no other run holds. The locks end with the connection."""
    cursor = await connection.execute(
        "SELECT id FROM unnest(%s::bigint[]) AS id WHERE pg_try_advisory_lock(%s::bigint + id)",
        (list(ids), RECORD_LOCKS),
    )
    taken = {row[0] for row in await cursor.fetchall()}
    return [record_id for record_id in ids if record_id in taken]


async def unlock_records(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Give records back."""
    await connection.execute(
        "SELECT pg_advisory_unlock(%s::bigint + id) FROM unnest(%s::bigint[]) AS id",
        (RECORD_LOCKS, list(ids)),
    )


async def entries(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, dict[str, Entry]]:
    """The ledger rows of some records, by record and step."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(
            """
            SELECT record_id, step, status, coalesce(due_at <= now(), false) AS due, attempts,
                   deferrals, crashes, held, input_fingerprint, output_fingerprint, nothing_reason,
                   asked
            FROM ledger WHERE record_id = ANY(%s)
            """,
            (list(ids),),
        )
        found: dict[int, dict[str, Entry]] = {record_id: {} for record_id in ids}
        async for entry in cursor:
            found[entry.record_id][entry.step] = entry
        return found


async def mark_running(
    connection: AsyncConnection, todo: Sequence[tuple[int, str]], *, run_id: str
) -> None:
    """Say who works on these rows. A row still `running` belonged to a run that died: count it."""
    ids, steps = _columns(sorted(todo), 2)
    await connection.execute(
        """
        UPDATE ledger l
        SET status = 'running', run_id = %s, started_at = now(),
            due_at = coalesce(l.due_at, now()),
            crashes = CASE WHEN l.status = 'running' THEN l.crashes + 1 ELSE 0 END
        FROM unnest(%s::bigint[], %s::text[]) AS t(record_id, step)
        WHERE l.record_id = t.record_id AND l.step = t.step AND l.status <> 'succeeded'
          AND l.held IS NULL
        """,
        (run_id, ids, steps),
    )


async def release(connection: AsyncConnection, run_id: str) -> None:
    """Put back what a cancelled run had in its hands."""
    await connection.execute(
        "UPDATE ledger SET status = 'pending' WHERE run_id = %s AND status = 'running'", (run_id,)
    )


async def write(
    connection: AsyncConnection, line: str, outcomes: Sequence[Outcome], *, run_id: str
) -> None:
    """Write the rows of some outcomes, and what they cost.

    Call it in the transaction that stored their results. What was held meanwhile stays so, unless
    it is made.
    """
    if not outcomes:
        return
    outcomes = sorted(outcomes, key=lambda outcome: (outcome.record_id, outcome.step))
    usages = [outcome.usage or Usage() for outcome in outcomes]
    await connection.execute(
        """
        INSERT INTO ledger AS l (record_id, step, line, status, due_at, attempts, deferrals,
            input_fingerprint, output_fingerprint, nothing_reason, models, calls, tokens_in,
            tokens_out, audio_seconds, characters, cost, seconds, error_type, error_message, run_id,
            started_at, finished_at, asked)
        SELECT record_id, step, %(line)s, status, due_at, attempts, deferrals, input_fingerprint,
            output_fingerprint, nothing_reason, string_to_array(models, E'\\x1f'), calls,
            tokens_in, tokens_out, audio_seconds, characters, cost, seconds, error_type,
            error_message, %(run_id)s, now() - make_interval(secs => coalesce(seconds, 0)), now(),
            asked
        FROM unnest(%(record_ids)s::bigint[], %(steps)s::text[], %(statuses)s::text[],
            %(due)s::timestamptz[], %(attempts)s::smallint[], %(deferrals)s::smallint[],
            %(inputs)s::text[], %(outputs)s::text[], %(nothing)s::text[], %(models)s::text[],
            %(calls)s::integer[], %(tokens_in)s::bigint[], %(tokens_out)s::bigint[],
            %(audio_seconds)s::real[], %(characters)s::integer[], %(costs)s::numeric[],
            %(seconds)s::real[], %(error_types)s::text[], %(error_messages)s::text[],
            %(asked)s::integer[])
            AS t(record_id, step, status, due_at, attempts, deferrals, input_fingerprint,
                 output_fingerprint, nothing_reason, models, calls, tokens_in, tokens_out,
                 audio_seconds, characters, cost, seconds, error_type, error_message, asked)
        ON CONFLICT (record_id, step) DO UPDATE SET
            status = CASE WHEN excluded.status = 'failed' AND l.asked <> excluded.asked
                               AND l.held IS NULL
                          THEN 'pending' ELSE excluded.status END,
            deferrals = excluded.deferrals,
            held = CASE WHEN excluded.status <> 'succeeded' THEN l.held END,
            due_at = CASE WHEN l.held IS NOT NULL AND excluded.status <> 'succeeded' THEN NULL
                          WHEN l.held IS NULL AND l.asked <> excluded.asked
                          THEN coalesce(l.due_at, now())
                          ELSE excluded.due_at END,
            attempts = l.attempts + excluded.attempts, crashes = 0,
            input_fingerprint = excluded.input_fingerprint,
            output_fingerprint = excluded.output_fingerprint,
            nothing_reason = excluded.nothing_reason, models = excluded.models,
            calls = l.calls + excluded.calls, tokens_in = l.tokens_in + excluded.tokens_in,
            tokens_out = l.tokens_out + excluded.tokens_out,
            audio_seconds = l.audio_seconds + excluded.audio_seconds,
            characters = l.characters + excluded.characters, cost = l.cost + excluded.cost,
            seconds = excluded.seconds,
            error_type = excluded.error_type, error_message = excluded.error_message,
            run_id = excluded.run_id, started_at = coalesce(l.started_at, excluded.started_at),
            finished_at = excluded.finished_at
        """,
        {
            "line": line,
            "run_id": run_id,
            "record_ids": [o.record_id for o in outcomes],
            "steps": [o.step for o in outcomes],
            "statuses": [o.status for o in outcomes],
            "due": [o.due_at for o in outcomes],
            "attempts": [o.attempts for o in outcomes],
            "deferrals": [o.deferrals for o in outcomes],
            "inputs": [o.input_fingerprint for o in outcomes],
            "outputs": [o.output_fingerprint for o in outcomes],
            "nothing": [o.nothing_reason for o in outcomes],
            "models": ["\x1f".join(u.models) for u in usages],
            "calls": [u.calls for u in usages],
            "tokens_in": [u.tokens_in for u in usages],
            "tokens_out": [u.tokens_out for u in usages],
            "audio_seconds": [u.audio_seconds for u in usages],
            "characters": [u.characters for u in usages],
            "costs": [u.cost for u in usages],
            "seconds": [o.seconds for o in outcomes],
            "error_types": [o.error_type for o in outcomes],
            "error_messages": [o.error_message for o in outcomes],
            "asked": [o.asked for o in outcomes],
        },
    )
    await _book(connection, line, outcomes)
    await _lift_raised(connection, outcomes)


async def _book(connection: AsyncConnection, line: str, outcomes: Sequence[Outcome]) -> None:
    """Add what some outcomes cost to what their owners have spent today."""
    rows = [
        (o.record_id, o.step, model, a.calls, a.tokens_in, a.tokens_out, a.audio_seconds,
         a.characters, a.cost)
        for o in outcomes
        if o.usage
        for model, a in o.usage.by_model.items()
    ]  # fmt: skip
    if not rows:
        return
    # In one order, so that two runs which book at once wait for each other and never in a circle.
    await connection.execute(
        """
        INSERT INTO spending AS s (owner_id, day, line, step, model, calls, tokens_in, tokens_out,
                                   audio_seconds, characters, cost)
        SELECT r.owner_id, (now() AT TIME ZONE 'UTC')::date, %s, step, model, sum(calls),
               sum(tokens_in), sum(tokens_out), sum(audio_seconds), sum(characters),
               CASE WHEN count(*) = count(cost) THEN sum(cost) END
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
                    %s::float8[], %s::bigint[], %s::numeric[])
             AS t(record_id, step, model, calls, tokens_in, tokens_out, audio_seconds, characters,
                  cost)
        JOIN records r ON r.id = t.record_id
        GROUP BY r.owner_id, step, model
        ORDER BY r.owner_id, step, model
        ON CONFLICT (owner_id, day, line, step, model) DO UPDATE SET
            calls = s.calls + excluded.calls, tokens_in = s.tokens_in + excluded.tokens_in,
            tokens_out = s.tokens_out + excluded.tokens_out,
            audio_seconds = s.audio_seconds + excluded.audio_seconds,
            characters = s.characters + excluded.characters, cost = s.cost + excluded.cost
        """,
        (line, *_columns(rows, 9)),
    )


async def _lift_raised(connection: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
    """Make due at once what is put off by a budget that was raised since it was looked at.

    Who raises a budget at this moment waits for us, and then sees our rows, or we for them.
    """
    put_off = [o.record_id for o in outcomes if o.error_type == OVER_BUDGET]
    if not put_off:
        return
    await connection.execute(
        """
        WITH theirs AS (
            SELECT o.id, coalesce(o.monthly_budget, tiers.monthly_budget) AS budget
            FROM owners o JOIN tiers ON tiers.name = o.tier
            WHERE o.id IN (SELECT owner_id FROM records WHERE id = ANY(%(ids)s)) FOR SHARE OF o
        )
        UPDATE ledger l SET due_at = now() FROM records r JOIN theirs ON theirs.id = r.owner_id
        WHERE r.id = ANY(%(ids)s) AND l.record_id = r.id AND l.error_type = %(over)s
          AND l.due_at > now()
          AND (budget IS NULL OR budget > (
              SELECT coalesce(sum(cost), 0) FROM spending s WHERE s.owner_id = theirs.id
                  AND day >= date_trunc('month', now() AT TIME ZONE 'UTC')))
        """,
        {"ids": put_off, "over": OVER_BUDGET},
    )


async def wake(
    connection: AsyncConnection, record_ids: Sequence[int], steps: Sequence[str]
) -> None:
    """Make due what waited for a step that has now succeeded."""
    await connection.execute(
        """
        UPDATE ledger SET due_at = now()
        WHERE record_id = ANY(%s) AND step = ANY(%s) AND status = 'pending' AND due_at IS NULL
          AND held IS NULL
        """,
        (list(record_ids), list(steps)),
    )


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


# ---------------------------------------------------------------------------------------------
# What sensors, checks, the command line and people read
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DueWindow:
    """A day, week or month that has due work.

    Attributes:
        start: its first day.
        records: how many records have due work, at least.
        priority: the highest among them.
        first: whether it is the newest of some owner.
    """

    start: date
    records: int
    priority: int
    first: bool


Unit = Literal["day", "week", "month"]


def due_windows(
    connection: Connection,
    line: str,
    steps: Sequence[str],
    unit: Unit = "day",
    *,
    at_most: int = 20_000,
) -> list[DueWindow]:
    """Windows (UTC) with due work that no run has in its hands, the most urgent and newest first.

    Reads at most twice `at_most` rows of the index, those that became due last and those that did
    first, so that a flood costs a tick no more than that, and hides neither what came after it nor
    what had been there before.
    """
    with connection.cursor(row_factory=class_row(DueWindow)) as cursor:
        return cursor.execute(
            """
            WITH busy AS MATERIALIZED (  -- volatile: within `free` it would keep that from an index
                SELECT classid::bigint << 32 | objid::bigint AS lock FROM pg_locks
                WHERE locktype = 'advisory' AND objsubid = 1 AND database =
                    (SELECT oid FROM pg_database WHERE datname = current_database())
            ), free AS NOT MATERIALIZED (
                SELECT record_id, due_at FROM ledger
                WHERE line = %(line)s AND due_at <= now() AND step = ANY(%(steps)s)
                  AND %(locks)s + record_id NOT IN (SELECT lock FROM busy)
            )
            SELECT start, count(*) AS records, max(priority) AS priority,
                   bool_or(start = newest) AS first
            FROM (
                SELECT r.id, r.priority, start, max(start) OVER (PARTITION BY r.owner_id) AS newest
                FROM ((SELECT record_id FROM free ORDER BY due_at DESC LIMIT %(most)s)
                      UNION
                      (SELECT record_id FROM free ORDER BY due_at LIMIT %(most)s)) AS open
                JOIN records r ON r.id = open.record_id
                CROSS JOIN LATERAL (
                    SELECT date_trunc(%(unit)s, r.recorded_at AT TIME ZONE 'UTC')::date AS start
                ) AS of
            ) AS due
            GROUP BY start ORDER BY priority DESC, max(id) DESC
            """,
            {"line": line, "steps": list(steps), "locks": RECORD_LOCKS, "unit": unit,
             "most": at_most},
        ).fetchall()  # fmt: skip


def hold_switched_off(
    connection: Connection, off: Collection[str], *, later: Collection[str] = ()
) -> None:
    """Hold the open and the failed work of steps that are switched off; release what is on again.

    Released work is due, except in the steps of `later`, which wait for a schedule, and what had
    failed, which has still failed. Reads only what is due, failed or held, and what waits for what
    failed: a retry would make it due.
    """
    with connection.transaction():
        connection.execute(
            "UPDATE ledger SET held = 'off', due_at = NULL,"
            " status = CASE status WHEN 'running' THEN 'pending' ELSE status END"
            " WHERE step = ANY(%s) AND held IS NULL AND (due_at IS NOT NULL OR status = 'failed')",
            (list(off),),
        )
        connection.execute(
            "UPDATE ledger l SET held = 'off' FROM ledger f WHERE f.status = 'failed'"
            " AND l.record_id = f.record_id AND l.step = ANY(%s) AND l.status = 'pending'"
            " AND l.held IS NULL AND l.due_at IS NULL",
            (list(off),),
        )
        connection.execute(
            "UPDATE ledger SET held = NULL, due_at = CASE WHEN status = 'pending'"
            " AND step <> ALL(%s) THEN now() END WHERE held = 'off' AND step <> ALL(%s)",
            (list(later), list(off)),
        )


def lift_budget(connection: Connection, owner_id: int) -> None:
    """Make due at once what was put off because the owner's budget was spent."""
    connection.execute(
        """
        UPDATE ledger l SET due_at = now() FROM records r
        WHERE r.id = l.record_id AND r.owner_id = %s AND l.due_at > now() AND l.error_type = %s
        """,
        (owner_id, OVER_BUDGET),
    )


def record_steps(connection: Connection, record_id: int) -> list[dict[str, Any]]:
    """Everything the ledger says of one record."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT step, status, due_at, held, attempts, models, calls, tokens_in, tokens_out, cost,
                   seconds, error_type, error_message, nothing_reason, run_id, started_at,
                   finished_at, output_fingerprint IS NOT NULL AS made
            FROM ledger WHERE record_id = %s ORDER BY started_at NULLS LAST, step
            """,
            (record_id,),
        ).fetchall()


@dataclass(frozen=True)
class StepState:
    """How one step of a window's records is, whoever made it so. Counts are records.

    Attributes:
        succeeded: with a result, or with nothing to make.
        nothing: those of them with nothing to make.
        failed: for good, until someone retries them.
        open: to be made, now or later.
        held: made by nobody.
        failed_ids: some of the failed.
        output: a hash of all the results' output fingerprints; None if there are none.
    """

    succeeded: int = 0
    nothing: int = 0
    failed: int = 0
    open: int = 0
    held: int = 0
    failed_ids: Sequence[int] = ()
    output: str | None = None

    @property
    def records(self) -> int:
        """All of them."""
        return self.succeeded + self.failed + self.open + self.held

    @property
    def all_failed(self) -> bool:
        """Whether there is nothing but failures."""
        return bool(self.failed) and not (self.succeeded or self.open)


def step_states(
    connection: Connection, window: Window, steps: Sequence[str], *, sample: int = 20
) -> dict[str, StepState]:
    """How these steps of the window's records are; no entry for a step of which none has a row."""
    rows = connection.execute(
        """
        SELECT l.step, count(*) FILTER (WHERE status = 'succeeded'),
               count(*) FILTER (WHERE status = 'succeeded' AND output_fingerprint IS NULL),
               count(*) FILTER (WHERE status = 'failed' AND held IS NULL),
               count(*) FILTER (WHERE status IN ('pending', 'running') AND held IS NULL),
               count(*) FILTER (WHERE status <> 'succeeded' AND held IS NOT NULL),
               (array_agg(record_id ORDER BY record_id)
                   FILTER (WHERE status = 'failed' AND held IS NULL))[1:%(sample)s],
               md5(string_agg(record_id || ':' || coalesce(output_fingerprint, ''), ' '
                   ORDER BY record_id) FILTER (WHERE status = 'succeeded'))
        FROM records r JOIN ledger l ON l.record_id = r.id
        WHERE r.line = %(line)s AND r.recorded_at >= %(start)s AND r.recorded_at < %(end)s
          AND l.step = ANY(%(steps)s)
        GROUP BY l.step
        """,
        {**vars(window), "steps": list(steps), "sample": sample},
    ).fetchall()
    return {
        step: StepState(succeeded, nothing, failed, unfinished, held, ids or (), output)
        for step, succeeded, nothing, failed, unfinished, held, ids, output in rows
    }


def retry(
    connection: Connection,
    *,
    line: str | None = None,
    record_id: int | None = None,
    step: str | None = None,
) -> int:
    """Make what failed due again, with what waits for it. Returns how many records that is.

    What is left to a schedule stays so, and what is held too.
    """
    rows = connection.execute(
        """
        WITH failed AS (
            SELECT record_id FROM ledger
            WHERE status = 'failed' AND (%(line)s::text IS NULL OR line = %(line)s)
              AND (%(record_id)s::bigint IS NULL OR record_id = %(record_id)s)
              AND (%(step)s::text IS NULL OR step = %(step)s)
        )
        UPDATE ledger l
        SET status = 'pending', due_at = now(), attempts = 0, deferrals = 0, crashes = 0
        FROM failed
        WHERE l.record_id = failed.record_id AND l.held IS NULL
          AND (l.status = 'failed' AND (%(step)s::text IS NULL OR l.step = %(step)s)
               OR l.status = 'pending' AND l.due_at IS NULL AND l.error_type = 'Waiting')
        RETURNING l.record_id
        """,
        {"line": line, "record_id": record_id, "step": step},
    ).fetchall()
    return len({row[0] for row in rows})


def redo(connection: Connection, record_id: int, *steps: str) -> int:
    """Have steps of one record made again. Their present results stand until then.

    A run that has the record in its hands at this moment, and may have begun with what stood there
    before, leaves them due: it writes what it has made, and they are made once more.

    Returns how many that is; a step without a row, and one that is held, is left alone.
    """
    with connection.transaction():
        # In the order in which runs write them, so that we and a run never wait for each other.
        connection.execute(
            "SELECT FROM ledger WHERE record_id = %s AND step = ANY(%s) ORDER BY step FOR UPDATE",
            (record_id, list(steps)),
        )
        return connection.execute(
            "UPDATE ledger SET due_at = now(), asked = asked + 1,"
            " status = CASE status WHEN 'failed' THEN 'pending' ELSE status END"
            " WHERE record_id = %s AND step = ANY(%s) AND held IS NULL",
            (record_id, list(steps)),
        ).rowcount
