"""What is counted is added up over shards, and never goes back."""

import asyncio

import pytest

from keepsake.database import open_connection
from keepsake.metrics.counts import Counts, Series, count, counting, observe
from keepsake.metrics.totals import SEPARATOR, add, totals


def one(by: float = 1) -> Counts:
    counts = Counts()
    counts.count("keepsake_steps_total", by, line="family", step="stories", status="failed")
    return counts


def test_runs_that_count_the_same_are_added_up(database_url: str) -> None:
    async def add_twice() -> float:
        async with open_connection(database_url) as connection:
            for run in ("a", "b", "a"):
                await add(connection, one(2), run_id=run)
            found = await totals(connection)
        return found[Series("keepsake_steps_total", ("family", "stories", "failed"))].value

    assert asyncio.run(add_twice()) == 6


def test_a_histogram_is_a_series_a_bucket_and_one_for_the_sum() -> None:
    counts = Counts()
    for seconds in (0.5, 3, 3, 999):
        counts.observe("keepsake_model_request_duration_seconds", seconds, model="small")
    name = "keepsake_model_request_duration_seconds"
    assert counts.values == {
        Series(f"{name}_bucket", ("small", "1")): 1,
        Series(f"{name}_bucket", ("small", "5")): 2,
        Series(f"{name}_bucket", ("small", "+Inf")): 1,
        Series(f"{name}_sum", ("small",)): 1005.5,
    }


def test_a_value_on_a_bound_is_in_its_bucket() -> None:
    counts = Counts()
    counts.observe("keepsake_model_request_duration_seconds", 5.0, model="small")
    assert Series("keepsake_model_request_duration_seconds_bucket", ("small", "5")) in counts.values


def test_a_metric_has_its_labels_and_no_others() -> None:
    counts = Counts()
    with pytest.raises(ValueError, match="has the labels model"):
        counts.count("keepsake_model_calls_total")
    with pytest.raises(ValueError, match="has the labels model"):
        counts.count("keepsake_model_calls_total", model="small", owner="7")


def test_a_counter_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        Counts().count("keepsake_model_calls_total", -1, model="small")


def test_what_is_counted_reaches_the_block_around_it_from_its_tasks() -> None:
    async def work() -> None:
        await asyncio.create_task(asyncio.to_thread(count, "keepsake_model_calls_total", model="m"))

    count("keepsake_model_calls_total", model="nobody counts")
    with counting() as counts:
        asyncio.run(work())
        observe("keepsake_model_request_duration_seconds", 1.5, model="m")
    assert counts.values[Series("keepsake_model_calls_total", ("m",))] == 1


def test_the_separator_of_labels_is_no_character_of_theirs(database_url: str) -> None:
    counts = Counts()
    counts.count("keepsake_model_calls_total", model=f"a{SEPARATOR}b")

    async def add_and_read() -> list[tuple[str, ...]]:
        async with open_connection(database_url) as connection:
            await add(connection, counts)
            return [series.labels for series in await totals(connection)]

    assert asyncio.run(add_and_read()) == [("a b",)]
