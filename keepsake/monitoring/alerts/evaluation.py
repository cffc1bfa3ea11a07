"""Rounds in which all rules are judged.

What an alert becomes and what people are told of it is one transaction: a process that is killed
in between has done neither, and the next round does both. It holds the rule's row, so that two
processes that judge at the same time, since one does not know yet that it has lost its place, tell
people once. Times are the database's.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from keepsake.database import AsyncConnection
from keepsake.monitoring.alerts.listing import ROWS, Row
from keepsake.monitoring.alerts.measures import NotYet, measure
from keepsake.monitoring.alerts.rules import Rule, find_rule, judged_rules
from keepsake.monitoring.alerts.states import Alert, Event, Next, Open, Reading, next_state

Notify = Callable[[AsyncConnection, Alert, Event], Awaitable[None]]

log = logging.getLogger(__name__)

# A measure waits neither for a migration's lock nor for a database that is too busy.
_BOUNDS = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'"

# What lies in the future began now: the clock was set back.
_AFTER_THE_CLOCK_WENT_BACK = """
    UPDATE alerts
    SET since = least(since, now()),
        fired_at = CASE WHEN fired_at > now() THEN now() ELSE fired_at END,
        notified_at = CASE WHEN notified_at > now() THEN now() ELSE notified_at END
    WHERE (state <> 'resolved' AND since > now()) OR notified_at > now()
"""


async def evaluate(
    connection: AsyncConnection,
    notify: Notify,
    *,
    urgent: bool | None = None,
    settling: bool = False,
) -> None:
    """Judge rules once. One that goes wrong leaves the others alone.

    Args:
        connection: in no transaction.
        notify: tells people, in the transaction in which the alert fires or ends.
        urgent: only the rules that are, or are not; None: all.
        settling: whether Keepsake has started just now.

    Raises:
        psycopg.OperationalError: the connection broke.
    """
    await connection.execute(_AFTER_THE_CLOCK_WENT_BACK)
    for rule in await judged_rules(connection):
        if urgent not in (None, rule.is_urgent):
            continue
        try:
            async with connection.transaction():
                await _judge(connection, rule, settling=settling, notify=notify)
        except NotYet:
            continue
        except Exception as error:
            if connection.broken:
                raise
            log.warning("rule %d could not be judged: %s", rule.id, type(error).__name__)


async def _judge(
    connection: AsyncConnection, rule: Rule, *, settling: bool, notify: Notify
) -> None:
    await connection.execute(_BOUNDS)
    held = await find_rule(connection, rule.id, owner_id=rule.owner_id)
    if held is None:  # deleted just now
        return
    rule, now = held, await _now(connection)
    readings, is_known = await _readings(connection, rule, settling=settling)
    rows = await _open_rows(connection, rule)
    notified = await _last_notified(connection, rule, [*readings])
    # If nothing can be measured, whether a subject is gone is not known either.
    subjects = {**readings, **rows} if is_known else readings
    for subject in subjects:
        reading, row = readings.get(subject), rows.get(subject)
        alert = Open(row.id, row.state, row.since, row.fired_at, row.notified_at) if row else None
        found = next_state(rule, alert, reading, now, last_notified=notified.get(subject))
        if row is None and found.state is None:
            continue
        await _become(connection, rule, row, reading or Reading(subject, None), found, now, notify)


async def _readings(
    connection: AsyncConnection, rule: Rule, *, settling: bool
) -> tuple[Mapping[str, Reading], bool]:
    """What was measured by subject, and whether it could be. A rule that is off has no subjects."""
    if not rule.enabled:
        return {}, True
    try:
        async with connection.transaction():
            found: Sequence[Reading] = await measure(connection, rule, settling=settling)
    except psycopg.Error as error:
        if connection.broken:
            raise
        reason = f"the database refuses the question ({type(error).__name__})"
        return {"": Reading("", None, error=reason)}, False
    is_known = all(reading.error is None for reading in found)
    return {reading.subject: reading for reading in found}, is_known


async def _become(
    connection: AsyncConnection,
    rule: Rule,
    row: Row | None,
    reading: Reading,
    found: Next,
    now: datetime,
    notify: Notify,
) -> None:
    """Write what an alert becomes, what is logged of it, and tell people."""
    if found.state is None:
        assert row is not None  # noqa: S101  # else there was nothing to become
        await connection.execute("DELETE FROM alerts WHERE id = %s", (row.id,))
        await _log(connection, rule, row, row.state, None, "")
        return
    before = row.state if row else None
    after = await _write(connection, rule, row, reading, found, now)
    if found.event is not None:
        await notify(connection, after.of(rule), found.event)
    if found.state != before or found.event is not None:
        await _log(connection, rule, after, before, found.state, _said(rule, after, found, now))


def _said(rule: Rule, row: Row, found: Next, now: datetime) -> str:
    """Whether people were told, for the log; and of what went wrong."""
    if found.event is not None:
        told = "people were told"
    elif found.state == "pending":
        told = ""
    elif rule.is_muted(now):
        told = "muted"
    else:
        told = "nobody was told: within the cooldown"
    return "; ".join(filter(None, (told, row.error or row.detail)))


async def _write(
    connection: AsyncConnection,
    rule: Rule,
    row: Row | None,
    reading: Reading,
    found: Next,
    now: datetime,
) -> Row:
    """Store the alert as it is now."""
    is_firing = found.state == "firing"
    after = Row(
        id=row.id if row else 0,
        rule_id=rule.id,
        subject=reading.subject,
        state=found.state or "pending",
        value=reading.value,
        detail=reading.detail,
        error=reading.error,
        since=found.since,
        fired_at=row.fired_at if row and row.fired_at else (now if is_firing else None),
        resolved_at=now if found.state == "resolved" else None,
        notified_at=now if found.event == "firing" else (row.notified_at if row else None),
    )
    if after == row:
        return after
    values = {**vars(after), "owner_id": rule.owner_id}
    if row is not None:
        await connection.execute(
            """
            UPDATE alerts SET state = %(state)s, value = %(value)s, detail = %(detail)s,
                              error = %(error)s, fired_at = %(fired_at)s,
                              resolved_at = %(resolved_at)s, notified_at = %(notified_at)s
            WHERE id = %(id)s
            """,
            values,
        )
        return after
    cursor = await connection.execute(
        """
        INSERT INTO alerts (owner_id, rule_id, subject, state, value, detail, error, since,
                            fired_at, notified_at)
        VALUES (%(owner_id)s, %(rule_id)s, %(subject)s, %(state)s, %(value)s, %(detail)s,
                %(error)s, %(since)s, %(fired_at)s, %(notified_at)s)
        RETURNING id
        """,
        values,
    )
    ((alert_id,),) = await cursor.fetchall()
    return replace(after, id=alert_id)


async def _log(
    connection: AsyncConnection,
    rule: Rule,
    row: Row,
    before: str | None,
    after: str | None,
    detail: str,
) -> None:
    await connection.execute(
        "INSERT INTO alert_log (owner_id, rule_id, rule_name, alert_id, subject, from_state,"
        " to_state, value, detail) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            rule.owner_id, rule.id, rule.name, row.id, row.subject, before, after, row.value,
            detail,
        ),
    )  # fmt: skip


async def _now(connection: AsyncConnection) -> datetime:
    cursor = await connection.execute("SELECT now()")
    ((now,),) = await cursor.fetchall()
    assert isinstance(now, datetime)  # noqa: S101
    return now


async def _open_rows(connection: AsyncConnection, rule: Rule) -> dict[str, Row]:
    async with connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(ROWS + "WHERE rule_id = %s AND state <> 'resolved'", (rule.id,))
        return {row.subject: row for row in await cursor.fetchall()}


async def _last_notified(
    connection: AsyncConnection, rule: Rule, subjects: Sequence[str]
) -> dict[str, datetime]:
    """When people were last told that the rule applies to each subject."""
    cursor = await connection.execute(
        "SELECT subject, max(notified_at) FROM alerts"
        " WHERE rule_id = %s AND subject = ANY(%s) AND notified_at IS NOT NULL GROUP BY subject",
        (rule.id, subjects),
    )
    return dict(await cursor.fetchall())
