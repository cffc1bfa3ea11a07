"""Rounds of the evaluator, and what people were told in them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from keepsake.database import AsyncConnection, Connection, open_connection
from keepsake.monitoring.alerts.evaluation import evaluate
from keepsake.monitoring.alerts.rules import NewRule, add_rule
from keepsake.monitoring.alerts.states import Alert, Event
from tests.given import on_connection

Told = tuple[str, str, Event]


@pytest.fixture
def round_(database_url: str) -> Callable[[], list[Told]]:
    """Judge all rules once; gives the names, subjects and events that people were told."""

    def one() -> list[Told]:
        return asyncio.run(judge_once(database_url))

    return one


async def judge_once(url: str, *, settling: bool = False) -> list[Told]:
    told: list[Told] = []

    async def notify(_: AsyncConnection, alert: Alert, event: Event) -> None:
        told.append((alert.rule_name, alert.subject, event))

    async with open_connection(url) as connection:
        await evaluate(connection, notify, settling=settling)
    return told


def given_rule(db: Connection, rule: NewRule, *, owner_id: int | None = None) -> int:
    """A rule of this kind; its id."""
    return on_connection(db, add_rule, rule, owner_id=owner_id)


def later(db: Connection, seconds: float) -> None:
    """Let time pass for alerts."""
    db.execute(
        "UPDATE alerts SET since = since - %(by)s, fired_at = fired_at - %(by)s,"
        " notified_at = notified_at - %(by)s, resolved_at = resolved_at - %(by)s",
        {"by": timedelta(seconds=seconds)},
    )


def given_probe(
    db: Connection,
    name: str,
    values: dict[tuple[str, str], float] | None = None,
    *,
    error: str | None = None,
    age: float = 0,
) -> None:
    """What a probe found `age` seconds ago, which holds for a minute."""
    for (metric, labels), value in (values or {}).items():
        db.execute(
            "INSERT INTO probes (metric, labels, value) VALUES (%s, %s, %s)"
            " ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value",
            (metric, labels, value),
        )
    db.execute(
        "INSERT INTO probes (metric, labels, value, error, valid_until)"
        " VALUES ('keepsake_probe_success', %s, %s, %s, now() + %s)"
        " ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value,"
        " error = excluded.error, valid_until = excluded.valid_until",
        (name, None if error else 1, error, f"{60 - age} seconds"),
    )


def given_owner(db: Connection, slug: str = "ada") -> int:
    """An owner's id."""
    ((owner_id,),) = db.execute(
        "INSERT INTO owners (slug, name) VALUES (%s, %s) RETURNING id", (slug, slug)
    ).fetchall()
    return int(owner_id)
