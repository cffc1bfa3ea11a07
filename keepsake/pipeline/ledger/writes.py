"""Writing what became of steps: their rows, what they cost, and what becomes due by them.

Every function is called in the transaction that stores the results.
"""

from collections.abc import Sequence

from keepsake.database import AsyncConnection
from keepsake.owners.budgets import release_raised
from keepsake.owners.usage import Usage
from keepsake.pipeline.ledger.rows import Outcome


async def write(
    connection: AsyncConnection, line: str, outcomes: Sequence[Outcome], *, run_id: str
) -> None:
    """Write the rows of some outcomes, and what they cost.

    Call it in the transaction that stored their results, under `lock_budgets` if some were put off
    by a budget. What was held meanwhile stays so, unless it is made.
    """
    if not outcomes:
        return
    outcomes = sorted(outcomes, key=lambda outcome: (outcome.record_id, outcome.step))
    usages = [outcome.usage or Usage() for outcome in outcomes]
    await connection.execute(
        """
        INSERT INTO ledger AS l (record_id, owner_id, step, line, status, due_at, attempts,
            deferrals, input_fingerprint, output_fingerprint, nothing_reason, models, calls,
            tokens_in, tokens_out, audio_seconds, characters, cost, seconds, wait_reason, waits_for,
            error_type, error_message, run_id, started_at, finished_at, asked)
        SELECT record_id, owner_id, step, %(line)s, status, due_at, attempts, deferrals,
            input_fingerprint, output_fingerprint, nothing_reason,
            string_to_array(models, E'\\x1f'), calls,
            tokens_in, tokens_out, audio_seconds, characters, cost, seconds, wait_reason,
            waits_for, error_type, error_message, %(run_id)s,
            now() - make_interval(secs => coalesce(seconds, 0)), now(), asked
        FROM unnest(%(record_ids)s::bigint[], %(owner_ids)s::bigint[], %(steps)s::text[],
            %(statuses)s::text[], %(due)s::timestamptz[], %(attempts)s::smallint[],
            %(deferrals)s::smallint[], %(inputs)s::text[], %(outputs)s::text[],
            %(nothing)s::text[], %(models)s::text[],
            %(calls)s::integer[], %(tokens_in)s::bigint[], %(tokens_out)s::bigint[],
            %(audio_seconds)s::real[], %(characters)s::integer[], %(costs)s::numeric[],
            %(seconds)s::real[], %(wait_reasons)s::text[], %(waits_for)s::text[],
            %(error_types)s::text[], %(error_messages)s::text[], %(asked)s::integer[])
            AS t(record_id, owner_id, step, status, due_at, attempts, deferrals, input_fingerprint,
                 output_fingerprint, nothing_reason, models, calls, tokens_in, tokens_out,
                 audio_seconds, characters, cost, seconds, wait_reason, waits_for,
                 error_type, error_message, asked)
        ON CONFLICT (record_id, step) DO UPDATE SET
            status = CASE WHEN excluded.status = 'failed' AND l.asked <> excluded.asked
                               AND l.hold_reason IS NULL
                          THEN 'pending' ELSE excluded.status END,
            deferrals = excluded.deferrals,
            hold_reason = CASE WHEN excluded.status <> 'succeeded' THEN l.hold_reason END,
            due_at = CASE WHEN l.hold_reason IS NOT NULL AND excluded.status <> 'succeeded'
                          THEN NULL
                          WHEN l.hold_reason IS NULL AND l.asked <> excluded.asked
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
            wait_reason = excluded.wait_reason, waits_for = excluded.waits_for,
            error_type = excluded.error_type, error_message = excluded.error_message,
            run_id = excluded.run_id, started_at = coalesce(l.started_at, excluded.started_at),
            finished_at = excluded.finished_at
        """,
        {
            "line": line,
            "run_id": run_id,
            "record_ids": [o.record_id for o in outcomes],
            "owner_ids": [o.owner_id for o in outcomes],
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
            "wait_reasons": [o.wait_reason for o in outcomes],
            "waits_for": [o.waits_for for o in outcomes],
            "error_types": [o.error_type for o in outcomes],
            "error_messages": [o.error_message for o in outcomes],
            "asked": [o.asked for o in outcomes],
        },
    )
    await _book(connection, line, outcomes)
    put_off = [o.record_id for o in outcomes if o.wait_reason == "budget"]
    if put_off:
        await release_raised(connection, put_off)


async def _book(connection: AsyncConnection, line: str, outcomes: Sequence[Outcome]) -> None:
    """Add what some outcomes cost to what their owners have spent today."""
    rows = [
        (o.owner_id, o.step, model, a.calls, a.tokens_in, a.tokens_out, a.audio_seconds,
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
        SELECT owner_id, (now() AT TIME ZONE 'UTC')::date, %s, step, model, sum(calls),
               sum(tokens_in), sum(tokens_out), sum(audio_seconds), sum(characters),
               CASE WHEN count(*) = count(cost) THEN sum(cost) END
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
                    %s::float8[], %s::bigint[], %s::numeric[])
             AS t(owner_id, step, model, calls, tokens_in, tokens_out, audio_seconds, characters,
                  cost)
        GROUP BY owner_id, step, model
        ORDER BY owner_id, step, model
        ON CONFLICT (owner_id, day, line, step, model) DO UPDATE SET
            calls = s.calls + excluded.calls, tokens_in = s.tokens_in + excluded.tokens_in,
            tokens_out = s.tokens_out + excluded.tokens_out,
            audio_seconds = s.audio_seconds + excluded.audio_seconds,
            characters = s.characters + excluded.characters, cost = s.cost + excluded.cost
        """,
        (line, *(list(column) for column in zip(*rows, strict=True))),
    )


async def mark_due(
    connection: AsyncConnection, record_ids: Sequence[int], steps: Sequence[str]
) -> None:
    """Make due what waited for a step that has now succeeded."""
    await connection.execute(
        """
        UPDATE ledger SET due_at = now(), wait_reason = NULL, waits_for = NULL
        WHERE record_id = ANY(%s) AND step = ANY(%s) AND status = 'pending' AND due_at IS NULL
          AND hold_reason IS NULL
        """,
        (list(record_ids), list(steps)),
    )
