"""What becomes of an alert, from what it was and what is measured now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keepsake.monitoring.alerts.rules import Rule
from keepsake.monitoring.alerts.states import (
    ERROR_SECONDS,
    Event,
    Next,
    Open,
    Reading,
    State,
    next_state,
    write_message,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
RULE = Rule(
    name="Many records fail",
    metric="failure_rate",
    threshold=0.1,
    clear_at=0.05,
    for_seconds=60,
    cooldown_seconds=600,
    least_events=10,
    id=1,
)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def reading(value: float | None, events: float = 100, error: str | None = None) -> Reading:
    return Reading("", value, events, error=error)


def pending(seconds: float) -> Open:
    return Open(1, "pending", ago(seconds))


def firing(notified: float | None = 30) -> Open:
    told = None if notified is None else ago(notified)
    return Open(1, "firing", ago(90), ago(30), told)


@pytest.mark.parametrize(
    ("alert", "found", "state", "event"),
    [
        # Nothing is open.
        (None, reading(0.1), None, None),  # the threshold itself is still good
        (None, reading(0.2), "pending", None),
        (None, reading(0.2, events=9), None, None),  # too few to count
        (None, reading(None), None, None),  # nothing has happened
        (None, reading(None, error="the database is busy"), "pending", None),
        (None, None, None, None),
        # It must be so for a minute.
        (pending(59), reading(0.2), "pending", None),
        (pending(60), reading(0.2), "firing", "firing"),
        (pending(60), reading(0.08), None, None),
        (pending(60), reading(0.2, events=9), None, None),
        (pending(60), None, None, None),
        (pending(0), reading(0.2), "pending", None),
        # It fires until the value is back where it is good again.
        (firing(), reading(0.2), "firing", None),  # told once
        (firing(), reading(0.07), "firing", None),
        (firing(), reading(0.07, events=3), "firing", None),
        (firing(), reading(0.05), "resolved", "resolved"),
        (firing(), reading(None), "resolved", "resolved"),
        (firing(), None, "resolved", "resolved"),  # the subject is gone
        (firing(), reading(None, error="the database is busy"), "firing", None),
        # Who was not told that it fires is told as soon as may be, and not that it ended.
        (firing(notified=None), reading(0.2), "firing", "firing"),
        (firing(notified=None), reading(0.0), "resolved", None),
    ],
)
def test_what_an_alert_becomes(
    alert: Open | None, found: Reading | None, state: State | None, event: Event | None
) -> None:
    after = next_state(RULE, alert, found, NOW)
    assert after == Next(state, alert.since if alert else NOW, event)


@pytest.mark.parametrize(
    ("last", "event"), [(None, "firing"), (599, None), (600, "firing")], ids=["never", "9m", "10m"]
)
def test_nobody_is_told_twice_within_the_cooldown(last: float | None, event: Event | None) -> None:
    """And what is still firing when it is over is told then."""
    notified = None if last is None else ago(last)
    for alert in (pending(60), firing(notified=None)):
        after = next_state(RULE, alert, reading(0.2), NOW, last_notified=notified)
        assert (after.state, after.event) == ("firing", event)


def test_an_alert_of_a_muted_rule_comes_and_goes_in_silence() -> None:
    muted = replace(RULE, muted_until=NOW + timedelta(hours=1))
    assert next_state(muted, None, reading(0.2), NOW).state == "pending"
    assert next_state(muted, pending(60), reading(0.2), NOW) == Next("firing", ago(60))
    assert next_state(muted, firing(), reading(0.0), NOW) == Next("resolved", ago(90))
    over = replace(RULE, muted_until=ago(1))
    assert next_state(over, firing(notified=None), reading(0.2), NOW).event == "firing"


def test_what_cannot_be_measured_fires_even_where_a_rule_fires_at_once() -> None:
    at_once = replace(RULE, for_seconds=0)
    busy = reading(None, error="the database is busy")
    assert next_state(at_once, None, reading(0.2), NOW).state == "firing"
    assert next_state(at_once, None, busy, NOW).state == "pending"
    assert next_state(at_once, pending(ERROR_SECONDS), busy, NOW).state == "firing"


def test_below_is_the_other_way_round() -> None:
    rule = replace(
        RULE, comparison="below", threshold=14, clear_at=20, for_seconds=0, least_events=0
    )
    assert next_state(rule, None, reading(14), NOW).state is None
    assert next_state(rule, None, reading(13.9), NOW).state == "firing"
    assert next_state(rule, firing(), reading(19), NOW).state == "firing"
    assert next_state(rule, firing(), reading(20), NOW).state == "resolved"


@pytest.mark.parametrize(
    ("found", "resolved", "said"),
    [
        (
            Reading("", 0.234, detail="11 of 47"),
            False,
            "Share of records that failed, in 5 minutes: 23.4 %, above 10 %. 11 of 47.",
        ),
        (
            Reading("", 0.02),
            True,
            "Share of records that failed, in 5 minutes: 2 %, no longer above 10 %.",
        ),
        (
            Reading("", None, error="the database is busy"),
            False,
            "Share of records that failed, in 5 minutes: cannot be measured: the database is busy.",
        ),
        (
            Reading("", None),
            True,
            "Share of records that failed, in 5 minutes: there is nothing to measure any more.",
        ),
    ],
    ids=["firing", "resolved", "error", "gone"],
)
def test_what_an_alert_says(found: Reading, resolved: bool, said: str) -> None:
    assert write_message(RULE, found, resolved=resolved) == said
