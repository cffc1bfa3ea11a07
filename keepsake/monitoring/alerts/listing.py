"""Which alerts there are and were, and what happened to them and to rules."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from keepsake.database import AsyncConnection
from keepsake.monitoring.alerts.rules import Rule, rules
from keepsake.monitoring.alerts.states import Alert, Reading, State, write_message


@dataclass(frozen=True)
class Entry:
    """An entry of the log.

    Attributes:
        alert_id: None: it tells what was done to the rule.
        from_state: None: there was no alert before.
        to_state: None: the alert ended without having fired.
        detail: what was changed of the rule, or whether people were told.
    """

    id: int
    at: datetime
    rule_id: int
    rule_name: str
    alert_id: int | None
    subject: str
    from_state: State | None
    to_state: State | None
    value: float | None
    detail: str


@dataclass(frozen=True)
class Row:
    """An alert as the table has it."""

    id: int
    rule_id: int
    subject: str
    state: State
    value: float | None
    detail: str
    error: str | None
    since: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    notified_at: datetime | None

    def of(self, rule: Rule) -> Alert:
        """The alert, as people are told of it."""
        reading = Reading(self.subject, self.value, detail=self.detail, error=self.error)
        message = write_message(rule, reading, resolved=self.state == "resolved")
        return Alert(
            self.id, rule.id, rule.owner_id, rule.name, rule.severity, self.subject, self.state,
            self.value, rule.threshold, rule.metric, message, self.fired_at, self.resolved_at,
        )  # fmt: skip


ROWS: LiteralString = """
    SELECT id, rule_id, subject, state, value, detail, error, since, fired_at, resolved_at,
           notified_at
    FROM alerts
"""


async def open_alerts(connection: AsyncConnection, *, owner_id: int | None) -> list[Alert]:
    """The alerts of an owner, or of the system, that are pending or firing, the newest first."""
    return await _alerts(
        connection,
        owner_id,
        "WHERE owner_id IS NOT DISTINCT FROM %s AND state <> 'resolved' ORDER BY since DESC",
        (owner_id,),
    )


async def latest_alerts(
    connection: AsyncConnection, *, owner_id: int | None, limit: int = 100
) -> list[Alert]:
    """The alerts of an owner, or of the system, also those that have ended, the newest first."""
    return await _alerts(
        connection,
        owner_id,
        "WHERE owner_id IS NOT DISTINCT FROM %s ORDER BY since DESC, id DESC LIMIT %s",
        (owner_id, limit),
    )


async def _alerts(
    connection: AsyncConnection,
    owner_id: int | None,
    where: LiteralString,
    values: tuple[object, ...],
) -> list[Alert]:
    of = {rule.id: rule for rule in await rules(connection, owner_id=owner_id)}
    async with connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(ROWS + where, values)
        return [row.of(of[row.rule_id]) for row in await cursor.fetchall() if row.rule_id in of]


async def log_entries(
    connection: AsyncConnection,
    *,
    owner_id: int | None,
    limit: int = 100,
    before: int | None = None,
) -> list[Entry]:
    """Entries of the log of an owner, or of the system, the newest first.

    Args:
        connection: to the database.
        owner_id: whose; None: the system's.
        limit: how many at most.
        before: only those with a smaller id.
    """
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(
            """
            SELECT id, at, rule_id, rule_name, alert_id, subject, from_state, to_state, value,
                   detail
            FROM alert_log
            WHERE owner_id IS NOT DISTINCT FROM %(owner)s
              AND (%(before)s::bigint IS NULL OR id < %(before)s)
            ORDER BY id DESC LIMIT %(limit)s
            """,
            {"owner": owner_id, "before": before, "limit": limit},
        )
        return await cursor.fetchall()
