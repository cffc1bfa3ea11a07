"""What becomes of an alert when a rule is judged again: pure, without a database or a clock.

    (none) ──▶ pending ──▶ firing ──▶ resolved
       ▲          │
       └──────────┘   it ended before `for_seconds` were over

Times come from the caller, who takes them from the database.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from keepsake.monitoring.alerts.rules import METRICS, Metric, Rule, Severity, write_value

State = Literal["pending", "firing", "resolved"]
Event = Literal["firing", "resolved"]

# What cannot be measured may be so for a moment: Dagster starts, the database is busy.
ERROR_SECONDS = 30


@dataclass(frozen=True)
class Reading:
    """What was measured of one subject.

    Attributes:
        subject: which of those that the metric is about; '' where there is only one.
        value: in the metric's unit; None: there is nothing to measure, or it cannot be.
        events: how many things the value comes from, for `least_events`.
        detail: what made it so, in names and counts.
        error: why it cannot be measured; None: it can.
    """

    subject: str
    value: float | None
    events: float = 0
    detail: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Open:
    """An alert that has not ended."""

    id: int
    state: State
    since: datetime
    fired_at: datetime | None = None
    notified_at: datetime | None = None


@dataclass(frozen=True)
class Next:
    """What an alert becomes.

    Attributes:
        state: None: no alert.
        since: when the rule began to apply.
        event: what people are to be told now; None: nothing.
    """

    state: State | None
    since: datetime
    event: Event | None = None


@dataclass(frozen=True)
class Alert:
    """An alert as people and programs are told of it.

    Attributes:
        owner_id: whose rule it is; None: the whole system's.
        subject: which of those that the rule is about; '' where there is only one.
        value: as it was last measured; None: it could not be.
        metric: what was measured, of `METRICS`.
        message: one sentence or two, in names, counts and ids.
        fired_at: None: it is pending.
        resolved_at: None: it is open.
    """

    id: int
    rule_id: int
    owner_id: int | None
    rule_name: str
    severity: Severity
    subject: str
    state: State
    value: float | None
    threshold: float
    metric: Metric
    message: str
    fired_at: datetime | None
    resolved_at: datetime | None


def next_state(
    rule: Rule,
    alert: Open | None,
    reading: Reading | None,
    now: datetime,
    *,
    last_notified: datetime | None = None,
) -> Next:
    """What an alert becomes of what was measured now.

    Args:
        rule: which is judged.
        alert: the open alert of the rule and subject; None: there is none.
        reading: None: the subject is gone.
        now: not before any time of `alert`, nor before `last_notified`.
        last_notified: when people were last told that the rule applies to this subject.
    """
    since = alert.since if alert else now
    firing = alert is not None and alert.state == "firing"
    if reading is None or not _applies(rule, reading, firing=firing):
        if alert is None or not firing:
            return Next(None, since)
        tell = alert.notified_at is not None and not rule.is_muted(now)
        return Next("resolved", since, "resolved" if tell else None)
    if not firing and now - since < _must_hold_for(rule, reading):
        return Next("pending", since)
    told = alert is not None and alert.notified_at is not None
    rested = last_notified is None or now - last_notified >= rule.cooldown
    tell = not told and rested and not rule.is_muted(now)
    return Next("firing", since, "firing" if tell else None)


def _applies(rule: Rule, reading: Reading, *, firing: bool) -> bool:
    if reading.error is not None:
        return True
    if reading.value is None:
        return False
    if firing:
        return rule.is_beyond(reading.value, rule.clears_at)
    return reading.events >= rule.least_events and rule.is_beyond(reading.value, rule.threshold)


def _must_hold_for(rule: Rule, reading: Reading) -> timedelta:
    seconds = rule.for_seconds
    return timedelta(seconds=max(seconds, ERROR_SECONDS) if reading.error is not None else seconds)


def write_message(rule: Rule, reading: Reading, *, resolved: bool = False) -> str:
    """What an alert says: what was measured of whom, the value, and the limit."""
    metric = METRICS[rule.metric]
    what = metric.about
    if reading.subject:
        what += f", {reading.subject}"
    if metric.has_window:
        what += f", in {write_value(rule.window_seconds, 'seconds')}"
    if reading.error is not None:
        return f"{what}: cannot be measured: {reading.error}."
    if reading.value is None:
        return f"{what}: there is nothing to measure any more."
    value = write_value(reading.value, metric.unit)
    limit = f"{rule.comparison} {write_value(rule.threshold, metric.unit)}"
    if resolved:
        return f"{what}: {value}, no longer {limit}."
    return f"{what}: {value}, {limit}." + (f" {reading.detail}." if reading.detail else "")
