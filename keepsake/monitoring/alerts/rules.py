"""Rules: what is measured, from which value on people are told, and how often.

A rule is of an owner, about what is the owner's, or of no owner: then it is about the whole system
and for its operators. How values are measured is in `measures.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString, get_args

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier, Placeholder

from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput

Severity = Literal["critical", "high", "medium", "low"]
Comparison = Literal["above", "below"]
Unit = Literal["ratio", "seconds", "bytes", "days", "number"]
Metric = Literal[
    "failure_rate",
    "records_failed",
    "queue_oldest_age",
    "queue_depth",
    "orchestrator_down",
    "storage_used_ratio",
    "disk_used_ratio",
    "database_bytes",
    "budget_spent_ratio",
    "model_days_left",
    "unpriced_calls",
    "backup_age",
    "days_to_expiry",
    "endpoint_failures",
    "webhook_failures",
    "workers",
]

MOST_RULES = 50  # of an owner, and of the system beside those that are built in
LONGEST_SECONDS = 31 * 24 * 3600


@dataclass(frozen=True)
class About:
    """What a metric of rules is.

    Attributes:
        about: as messages begin.
        unit: of its values.
        has_window: whether it looks at what came in a window of time, or at how things are now.
        of_owners: whether rules of owners may have it.
        by_owner: whether it looks at each owner, so that it takes the longer the more there are.
    """

    about: str
    unit: Unit
    has_window: bool = False
    of_owners: bool = False
    by_owner: bool = False


METRICS: Mapping[Metric, About] = {
    "failure_rate": About("Share of records that failed", "ratio", True, True),
    "records_failed": About("Records that failed", "number", True, True),
    "queue_oldest_age": About("Age of the oldest step that is due", "seconds", of_owners=True),
    "queue_depth": About("Steps that are due", "number", of_owners=True),
    "orchestrator_down": About("Parts of Dagster that are down", "number"),
    "storage_used_ratio": About("Share of the storage's quota that is used", "ratio"),
    "disk_used_ratio": About("Share of the disk that is used", "ratio"),
    "database_bytes": About("Size of the database", "bytes"),
    "budget_spent_ratio": About(
        "Share of the month's budget that is spent", "ratio", of_owners=True, by_owner=True
    ),
    "model_days_left": About("Days until a model is switched off", "days"),
    "unpriced_calls": About("Calls of models without a known price", "number", True),
    "backup_age": About("Age of the newest backup", "seconds"),
    "days_to_expiry": About("Days until something expires", "days", of_owners=True, by_owner=True),
    "endpoint_failures": About("Steps put off since a model or another service is down", "number"),
    "webhook_failures": About("Attempts at webhooks that failed", "number", True),
    "workers": About("Workers that are alive", "number"),
}


@dataclass(frozen=True)
class NewRule:
    """A rule to add.

    Attributes:
        name: which an owner has once.
        metric: what is measured, of `METRICS`.
        threshold: in the metric's unit; a ratio is 0.1 for 10 %.
        comparison: on which side of the threshold people want to know of it.
        clear_at: the value at which an alert ends, on the good side of the threshold; None: the
            threshold itself.
        window_seconds: how far back a metric with a window looks.
        for_seconds: how long it must be so before the alert fires.
        severity: how grave it is.
        cooldown_seconds: within which people are not told again of the same subject.
        least_events: from how many things a value must come to count.
        enabled: whether it is judged at all.
    """

    name: str
    metric: Metric
    threshold: float
    comparison: Comparison = "above"
    clear_at: float | None = None
    window_seconds: int = 300
    for_seconds: int = 0
    severity: Severity = "medium"
    cooldown_seconds: int = 300
    least_events: int = 0
    enabled: bool = True


@dataclass(frozen=True)
class Rule(NewRule):
    """A rule as it is kept.

    Attributes:
        owner_id: whose; None: about the whole system.
        built_in: Keepsake brings it along; it may be changed and switched off, not deleted.
        muted_until: nobody is told before; alerts come and go all the same.
    """

    id: int = 0
    owner_id: int | None = None
    built_in: bool = False
    muted_until: datetime | None = None

    @property
    def is_urgent(self) -> bool:
        """Whether it is judged every few seconds, and not every minute: there are few of those."""
        return self.owner_id is None and not METRICS[self.metric].by_owner

    @property
    def clears_at(self) -> float:
        """The value at which an alert ends."""
        return self.threshold if self.clear_at is None else self.clear_at

    @property
    def cooldown(self) -> timedelta:
        """Within which people are not told again."""
        return timedelta(seconds=self.cooldown_seconds)

    def is_beyond(self, value: float, limit: float) -> bool:
        """Whether a value is on the bad side of a limit."""
        return value > limit if self.comparison == "above" else value < limit

    def is_muted(self, now: datetime) -> bool:
        """Whether nobody is told of it at this time."""
        return self.muted_until is not None and now < self.muted_until


_CHANGEABLE = tuple(field.name for field in fields(NewRule))
_SELECT: LiteralString = """
    SELECT id, owner_id, name, metric, window_seconds, comparison, threshold, clear_at,
           for_seconds, severity, cooldown_seconds, least_events, enabled, built_in, muted_until
    FROM alert_rules
"""


def check(rule: NewRule, *, owner_id: int | None) -> None:
    """Check what a rule says.

    Raises:
        InvalidInput: what is wrong, and what it may be.
    """
    if not 1 <= len(rule.name.strip()) <= 100 or not rule.name.isprintable():
        raise InvalidInput("the name of a rule has 1 to 100 characters, in one line")
    known = [name for name, metric in METRICS.items() if owner_id is None or metric.of_owners]
    if rule.metric not in known:
        raise InvalidInput(f"metric {rule.metric!r} is none of {', '.join(known)}")
    for name, value, values in (
        ("comparison", rule.comparison, get_args(Comparison)),
        ("severity", rule.severity, get_args(Severity)),
    ):
        if value not in values:
            raise InvalidInput(f"{name} {value!r} is none of {', '.join(values)}")
    _check_limits(rule)
    for name, seconds, least in (
        ("window_seconds", rule.window_seconds, 1),
        ("for_seconds", rule.for_seconds, 0),
        ("cooldown_seconds", rule.cooldown_seconds, 0),
    ):
        if not least <= seconds <= LONGEST_SECONDS:
            raise InvalidInput(f"{name} is a number from {least} to {LONGEST_SECONDS:,}")
    if not 0 <= rule.least_events <= 1_000_000_000:
        raise InvalidInput("least_events is a number from 0 to 1,000,000,000")


def _check_limits(rule: NewRule) -> None:
    if not math.isfinite(rule.threshold):
        raise InvalidInput("threshold is a number")
    if rule.clear_at is None:
        return
    good = rule.clear_at <= rule.threshold
    if rule.comparison == "below":
        good = rule.clear_at >= rule.threshold
    if not math.isfinite(rule.clear_at) or not good:
        raise InvalidInput(
            f"clear_at is where an alert ends, so it is not {rule.comparison} the threshold "
            f"{rule.threshold:g}"
        )


async def add_rule(connection: AsyncConnection, new: NewRule, *, owner_id: int | None) -> int:
    """Add a rule; its id. In the transaction of the caller.

    Raises:
        InvalidInput: something of it is not accepted, or there is one of that name, or too many.
    """
    check(new, owner_id=owner_id)
    cursor = await connection.execute(
        "SELECT count(*) FROM alert_rules WHERE owner_id IS NOT DISTINCT FROM %s AND NOT built_in",
        (owner_id,),
    )
    if ((await cursor.fetchone()) or (0,))[0] >= MOST_RULES:
        raise InvalidInput(f"there are {MOST_RULES} rules already: delete or change one")
    rule_id = await _insert(connection, new, owner_id=owner_id, built_in=False)
    if rule_id is None:
        raise InvalidInput(f"there is already a rule {new.name!r}: change it, or choose a name")
    await _log(connection, rule_id, "added")
    return rule_id


async def install(connection: AsyncConnection) -> int:
    """Add the built-in rules that are not there yet; those that are stay as they were changed.

    Returns how many were added.
    """
    added = 0
    for rule in BUILT_IN:
        added += await _insert(connection, rule, owner_id=None, built_in=True) is not None
    return added


async def _insert(
    connection: AsyncConnection, new: NewRule, *, owner_id: int | None, built_in: bool
) -> int | None:
    values = {**asdict(new), "owner_id": owner_id, "built_in": built_in}
    cursor = await connection.execute(
        SQL(
            "INSERT INTO alert_rules ({}) VALUES ({}) ON CONFLICT (owner_id, name) DO NOTHING"
            " RETURNING id"
        ).format(SQL(", ").join(map(Identifier, values)), SQL(", ").join(map(Placeholder, values))),
        values,
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def rules(connection: AsyncConnection, *, owner_id: int | None) -> list[Rule]:
    """The rules of an owner, or of the system, by name."""
    return await _select(
        connection,
        "WHERE owner_id IS NOT DISTINCT FROM %s ORDER BY NOT built_in, name",
        (owner_id,),
    )


async def judged_rules(connection: AsyncConnection) -> list[Rule]:
    """All rules that are on, and those whose alerts are still open; the system's first."""
    return await _select(
        connection,
        "WHERE enabled OR id IN (SELECT rule_id FROM alerts WHERE state <> 'resolved')"
        " ORDER BY owner_id NULLS FIRST, id",
        (),
    )


async def find_rule(
    connection: AsyncConnection, rule_id: int, *, owner_id: int | None
) -> Rule | None:
    """A rule of an owner, or of the system, with its row locked; None: there is none."""
    found = await _select(
        connection,
        "WHERE id = %s AND owner_id IS NOT DISTINCT FROM %s FOR UPDATE",
        (rule_id, owner_id),
    )
    return found[0] if found else None


async def _select(
    connection: AsyncConnection, where: LiteralString, values: tuple[object, ...]
) -> list[Rule]:
    async with connection.cursor(row_factory=class_row(Rule)) as cursor:
        await cursor.execute(_SELECT + where, values)
        return await cursor.fetchall()


async def change_rule(connection: AsyncConnection, rule: Rule, changes: Mapping[str, Any]) -> Rule:
    """Change some of what a rule says; the rule as it is then.

    Args:
        connection: in the transaction that found the rule.
        rule: as it was found.
        changes: by the names of `NewRule`.

    Raises:
        InvalidInput: a change is not accepted, or there is another rule of that name.
    """
    if unknown := changes.keys() - set(_CHANGEABLE):
        raise InvalidInput(f"a rule has no {', '.join(sorted(unknown))} to change")
    changed = Rule(**{**asdict(rule), **changes})
    check(changed, owner_id=rule.owner_id)
    told = [
        f"{name} {getattr(rule, name)} → {value}"
        for name, value in changes.items()
        if value != getattr(rule, name)
    ]
    if not told:
        return rule
    try:
        await connection.execute(
            SQL("UPDATE alert_rules SET {} WHERE id = %(id)s").format(
                SQL(", ").join(
                    SQL("{} = {}").format(Identifier(name), Placeholder(name)) for name in changes
                )
            ),
            {**changes, "id": rule.id},
        )
    except UniqueViolation:
        raise InvalidInput(f"there is already a rule {changed.name!r}") from None
    await _log(connection, rule.id, ", ".join(told))
    return changed


async def mute_rule(connection: AsyncConnection, rule: Rule, until: datetime | None) -> None:
    """Tell nobody of a rule's alerts until a time; None: tell again from now on."""
    await connection.execute(
        "UPDATE alert_rules SET muted_until = %s WHERE id = %s", (until, rule.id)
    )
    await _log(
        connection, rule.id, "unmuted" if until is None else f"muted until {until:%Y-%m-%d %H:%M}"
    )


async def delete_rule(connection: AsyncConnection, rule: Rule) -> None:
    """Delete a rule and its alerts; the log keeps both.

    Raises:
        InvalidInput: it is built in.
    """
    if rule.built_in:
        raise InvalidInput(f"the rule {rule.name!r} is built in: switch it off instead")
    await _log(connection, rule.id, "deleted")
    await connection.execute("DELETE FROM alert_rules WHERE id = %s", (rule.id,))


async def _log(connection: AsyncConnection, rule_id: int, detail: str) -> None:
    await connection.execute(
        "INSERT INTO alert_log (owner_id, rule_id, rule_name, detail)"
        " SELECT owner_id, id, name, %s FROM alert_rules WHERE id = %s",
        (detail, rule_id),
    )


def write_value(value: float, unit: Unit) -> str:
    """A value as people read it."""
    if unit == "ratio":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        return _in_units(value, _BYTES)
    if unit == "seconds":
        return _in_units(value, _SECONDS)
    return f"{value:,.4g} days" if unit == "days" else f"{value:,.10g}"


_SECONDS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))


def _in_units(value: float, units: tuple[tuple[float, str], ...]) -> str:
    size, name = next((each for each in units if value >= 2 * each[0]), units[-1])
    return f"{value / size:.3g} {name}"


_MINUTE, _HOUR, _DAY = 60, 3600, 24 * 3600

BUILT_IN = (
    NewRule(
        "Many records fail",
        "failure_rate",
        0.1,
        clear_at=0.05,
        window_seconds=5 * _MINUTE,
        severity="high",
        cooldown_seconds=5 * _MINUTE,
        least_events=10,
    ),
    NewRule(
        "Dagster is down",
        "orchestrator_down",
        0,
        for_seconds=10,
        severity="critical",
        cooldown_seconds=_MINUTE,
    ),
    NewRule(
        "A model endpoint is down",
        "endpoint_failures",
        0,
        severity="high",
        cooldown_seconds=5 * _MINUTE,
    ),
    NewRule(
        "The storage fills up",
        "storage_used_ratio",
        0.8,
        clear_at=0.78,
        severity="medium",
        cooldown_seconds=_HOUR,
    ),
    NewRule(
        "The disk is nearly full",
        "disk_used_ratio",
        0.95,
        clear_at=0.94,
        severity="high",
        cooldown_seconds=_HOUR,
    ),
    NewRule(
        "Work waits for long",
        "queue_oldest_age",
        _HOUR,
        clear_at=_HOUR / 2,
        for_seconds=_MINUTE,
        severity="high",
        cooldown_seconds=_HOUR,
    ),
    NewRule(
        "A budget is nearly spent",
        "budget_spent_ratio",
        0.8,
        severity="medium",
        cooldown_seconds=_DAY,
    ),
    NewRule(
        "A budget is spent",
        "budget_spent_ratio",
        0.999,
        severity="high",
        cooldown_seconds=_DAY,
    ),
    NewRule(
        "A model ends soon",
        "model_days_left",
        30,
        comparison="below",
        severity="medium",
        cooldown_seconds=7 * _DAY,
    ),
    NewRule(
        "A model has no known price",
        "unpriced_calls",
        0,
        window_seconds=_DAY,
        severity="low",
        cooldown_seconds=_DAY,
    ),
    NewRule(
        "The newest backup is old",
        "backup_age",
        36 * _HOUR,
        clear_at=30 * _HOUR,
        severity="high",
        cooldown_seconds=_DAY,
    ),
    NewRule(
        "A token or certificate expires soon",
        "days_to_expiry",
        14,
        comparison="below",
        severity="medium",
        cooldown_seconds=7 * _DAY,
    ),
)
