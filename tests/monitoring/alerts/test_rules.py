"""Rules are added, changed, muted and deleted, and the log says so."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from keepsake.database import AsyncConnection, open_connection
from keepsake.errors import InvalidInput
from keepsake.monitoring.alerts.listing import log_entries
from keepsake.monitoring.alerts.rules import (
    METRICS,
    MOST_RULES,
    Metric,
    NewRule,
    Rule,
    add_rule,
    change_rule,
    delete_rule,
    find_rule,
    install,
    mute_rule,
    rules,
)

MANY_FAIL = NewRule("Mine", "failure_rate", 0.5)


def on(url: str, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
    async def call() -> Any:
        async with open_connection(url) as connection, connection.transaction():
            return await work(connection)

    return asyncio.run(call())


async def found(connection: AsyncConnection, rule_id: int) -> Rule:
    rule = await find_rule(connection, rule_id, owner_id=None)
    assert rule is not None
    return rule


def test_every_metric_is_described() -> None:
    assert set(METRICS) == set(get_args(Metric))


def test_built_in_rules_are_installed_once_and_stay_as_they_were_changed(database_url: str) -> None:
    async def twice(connection: AsyncConnection) -> tuple[int, int, float, bool]:
        first = await install(connection)
        rule = next(r for r in await rules(connection, owner_id=None) if r.threshold == 0.1)
        await change_rule(connection, rule, {"threshold": 0.3, "enabled": False})
        second = await install(connection)
        rule = await found(connection, rule.id)
        return first, second, rule.threshold, rule.enabled

    first, second, threshold, enabled = on(database_url, twice)
    assert first > 8
    assert (second, threshold, enabled) == (0, 0.3, False)


def test_what_is_done_to_a_rule_is_in_the_log(database_url: str) -> None:
    async def do(connection: AsyncConnection) -> list[str]:
        rule = await found(connection, await add_rule(connection, MANY_FAIL, owner_id=None))
        rule = await change_rule(connection, rule, {"threshold": 0.25, "severity": "medium"})
        await mute_rule(connection, rule, datetime(2030, 1, 2, tzinfo=UTC))
        await delete_rule(connection, rule)
        assert await rules(connection, owner_id=None) == []
        return [entry.detail for entry in await log_entries(connection, owner_id=None)]

    assert on(database_url, do) == [
        "deleted",
        "muted until 2030-01-02 00:00",
        "threshold 0.5 → 0.25",
        "added",
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metric": "mood"}, "metric 'mood' is none of failure_rate"),
        ({"metric": "database_bytes"}, "is none of failure_rate"),  # not of an owner
        ({"threshold": float("nan")}, "threshold is a number"),
        ({"clear_at": 0.6}, "not above the threshold 0.5"),
        ({"comparison": "below", "clear_at": 0.4}, "not below the threshold 0.5"),
        ({"severity": "grave"}, "none of critical, high, medium, low"),
        ({"window_seconds": 0}, "window_seconds is a number from 1"),
        ({"name": "a\nb"}, "in one line"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_a_wrong_rule_is_refused(database_url: str, wrong: dict[str, Any], said: str) -> None:
    rule = NewRule(**{"name": "Mine", "metric": "failure_rate", "threshold": 0.5, **wrong})

    async def add(connection: AsyncConnection) -> None:
        await connection.execute("INSERT INTO owners (slug, name) VALUES ('ada', 'Ada')")
        await add_rule(connection, rule, owner_id=1)

    with pytest.raises(InvalidInput, match=said):
        on(database_url, add)


def test_a_name_is_taken_once_and_rules_are_bounded(database_url: str) -> None:
    async def add_all(connection: AsyncConnection) -> None:
        await add_rule(connection, MANY_FAIL, owner_id=None)
        with pytest.raises(InvalidInput, match="already a rule 'Mine'"):
            await add_rule(connection, MANY_FAIL, owner_id=None)
        for number in range(MOST_RULES - 1):
            await add_rule(connection, NewRule(f"{number}", "workers", 1), owner_id=None)
        with pytest.raises(InvalidInput, match=f"{MOST_RULES} rules already"):
            await add_rule(connection, NewRule("one more", "workers", 1), owner_id=None)

    on(database_url, add_all)


def test_a_built_in_rule_is_switched_off_and_not_deleted(database_url: str) -> None:
    async def delete(connection: AsyncConnection) -> None:
        await install(connection)
        (rule, *_) = await rules(connection, owner_id=None)
        await delete_rule(connection, rule)

    with pytest.raises(InvalidInput, match="switch it off instead"):
        on(database_url, delete)
