"""The family line as Dagster runs it: assets that tell their story, checks, and nothing private."""

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from assets.events import Complete, Event
from assets.run_loop import events_as_they_complete
from definitions import build_defs
from keepsake.pipeline.reports import OnPartition, Report
from tests.doubles.server import error
from tests.family.conftest import OpensHouse
from tests.family.house import NOON, STEPS, House, Storyteller
from tests.pages import ROOT

from .conftest import TEXT, Location, checks, metadata

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def add(house: House, text: str = TEXT, **response: Any) -> int:
    return asyncio.run(house.add(text=text, **response))


# -- what a run leaves ----------------------------------------------------------------------------


def test_a_run_materialises_every_step_and_says_how_much(location: Location) -> None:
    add(location.house)
    add(location.house, TEXT.upper())
    result = location.run()
    assert result.success
    story = metadata(result)
    assert set(story) == set(STEPS)
    assert {name: about["made"] for name, about in story.items()} == dict.fromkeys(STEPS, 2)
    assert {about["dagster/row_count"] for about in story.values()} == {2}
    assert story["stories"]["model calls"] == 2
    assert (story["stories"]["tokens in"], story["stories"]["tokens out"]) == (22, 14)
    assert story["stories"]["models"] == "some-model"
    assert story["podcasts"]["characters spoken"] > 100
    assert story["transcripts"]["model calls"] == 0
    assert story["quotes"]["failed"] == story["quotes"]["held"] == 0


def plotted(result: dg.ExecuteInProcessResult) -> dict[str, set[str]]:
    """By step, the metadata that Dagster plots: those of its types of numbers."""
    numbers = (dg.IntMetadataValue, dg.FloatMetadataValue)
    return {
        str(event.asset_key and event.asset_key.to_user_string()): {
            name
            for name, value in event.materialization.metadata.items()
            if isinstance(value, numbers)
        }
        for event in result.get_asset_materialization_events()
    }


def test_dagster_plots_the_same_numbers_of_a_step_whatever_a_run_did(
    location: Location, tmp_path: Path
) -> None:
    """Also of a day without records, and of one on which all is up to date: plots have no gaps."""
    with location.house.under(PRICES_FILE=str(priced(tmp_path))) as house:
        priced_location = replace(location, defs=build_defs(house.settings))
        empty = plotted(priced_location.run(day="2026-05-03"))
        add(house)
        made, again = (plotted(priced_location.run()) for _ in range(2))
    assert empty == made == again
    assert set(made) == set(STEPS)
    everywhere = {"made", "failed", "nothing to make", "seconds of work", "oldest due (seconds)"}
    assert all(everywhere < names for names in made.values())
    assert {"tokens in", "tokens out", "cost (USD)"} < made["stories"]


def priced(folder: Path) -> Path:
    """Prices of one's own, in which the chat model has one: a dollar a token that it reads."""
    header, *_ = (ROOT / "keepsake/owners/prices.csv").read_text().splitlines()
    prices = folder / "prices.csv"
    prices.write_text(f"{header}\nsome-model,,,1000000,0,,,ours\n")
    return prices


def test_a_cost_that_is_not_known_is_left_out_of_the_plot_and_its_model_named(
    location: Location, tmp_path: Path
) -> None:
    add(location.house)
    unknown = metadata(location.run("transcripts", "stories"))["stories"]
    assert "cost (USD)" not in unknown
    assert unknown["models without a price"] == "some-model"
    with location.house.under(PRICES_FILE=str(priced(tmp_path))) as house:
        priced_location = replace(location, defs=build_defs(house.settings))
        known = metadata(priced_location.run("stories", redo=True))["stories"]
    assert known["cost (USD)"] == known["tokens in"] == 11
    assert "models without a price" not in known


def test_each_materialisation_leads_to_what_it_made(location: Location) -> None:
    ids = {add(location.house), add(location.house, TEXT.upper())}
    story = metadata(location.run("transcripts", "quotes"))
    for about in story.values():
        made = about["records made"].split(", ")
        assert set(made) == {str(record_id) for record_id in ids}
        assert about["show one"] == f"`keepsake show {made[0]}`"


def test_nothing_that_was_said_or_written_is_in_what_dagster_keeps(
    location: Location, teller: Storyteller
) -> None:
    add(location.house, f"{TEXT} My password is Zanzibar.")
    teller.will("Wisdom", '{"wisdom": "Zanzibar"}')  # fails
    teller.will("Quotes", {"quotes": ["Zanzibar is best of all"]})
    log = location.log(location.run())
    assert "wisdom" in log
    private = ("Zanzibar", "afraid", "Songs against", "Sing", "The Marlows", "Rose", "k-test")
    assert [word for word in private if word in log] == []


def test_a_part_of_the_steps_can_be_chosen(location: Location) -> None:
    record_id = add(location.house)
    result = location.run("transcripts", "quotes")
    assert set(metadata(result)) == {"transcripts", "quotes"}
    assert {asset for asset, _ in checks(result)} == {"transcripts", "quotes"}
    ledger = location.house.ledger(record_id)
    assert {step for step, row in ledger.items() if row["status"] == "succeeded"} == {
        "transcripts",
        "quotes",
    }
    assert metadata(location.run("podcasts")) == {}  # it waits for the story
    podcast = location.house.ledger(record_id)["podcasts"]
    assert (podcast["wait_reason"], podcast["waits_for"]) == ("need", "stories")
    assert podcast["error_type"] is None


def test_a_range_of_days_is_one_run(location: Location) -> None:
    for ago in range(4):
        add(location.house, f"{TEXT} {ago}", recorded_at=NOON - timedelta(days=ago))
    tags = {FIRST: "2026-05-02", LAST: "2026-05-04"}
    result = location.run("transcripts", "tags", day=None, tags=tags)
    assert result.success
    assert location.days("tags") == {"2026-05-02", "2026-05-03", "2026-05-04"}
    assert len(location.house.rows("SELECT record_id FROM tags")) == 3


def by_day(result: dg.ExecuteInProcessResult, step: str, name: str) -> dict[str | None, Any]:
    """A number of a step's materialisations, by partition."""
    return {
        event.partition: event.materialization.metadata[name].value
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(step)
    }


def checks_by_day(
    result: dg.ExecuteInProcessResult, step: str
) -> dict[str | None, dg.AssetCheckEvaluation]:
    return {
        found.partition: found
        for found in result.get_asset_check_evaluations()
        if (found.asset_key, found.check_name) == (dg.AssetKey(step), "every_record_succeeded")
    }


def test_each_day_of_a_range_has_its_own_counts_and_checks(
    location: Location, teller: Storyteller
) -> None:
    """Three days: one with a record, one with two of which one fails, one with none."""
    teller.confused_by = "It fails."
    add(location.house, recorded_at=NOON - timedelta(days=2))
    bad = add(location.house, f"{TEXT} It fails.", recorded_at=NOON - timedelta(days=1))
    add(location.house, f"{TEXT} Again.", recorded_at=NOON - timedelta(days=1))
    tags = {FIRST: "2026-05-02", LAST: "2026-05-04"}
    result = location.run("transcripts", "quotes", day=None, tags=tags)
    assert result.success
    assert by_day(result, "transcripts", "made") == {
        "2026-05-02": 1, "2026-05-03": 2, "2026-05-04": 0,
    }  # fmt: skip
    assert by_day(result, "quotes", "failed") == {
        "2026-05-02": 0, "2026-05-03": 1, "2026-05-04": 0,
    }  # fmt: skip
    assert by_day(result, "quotes", "dagster/row_count") == {
        "2026-05-02": 1, "2026-05-03": 1, "2026-05-04": 0,
    }  # fmt: skip
    found = checks_by_day(result, "quotes")
    assert {day: check.passed for day, check in found.items()} == {
        "2026-05-02": True, "2026-05-03": False, "2026-05-04": True,
    }  # fmt: skip
    warned = found["2026-05-03"]
    assert warned.severity == dg.AssetCheckSeverity.WARN
    assert warned.metadata["ids"].value == str(bad)
    assert "1 of 2 records failed" in str(warned.description)


def test_a_day_on_which_all_failed_is_not_green(location: Location, teller: Storyteller) -> None:
    teller.confused_by = "It fails."
    add(location.house)
    bad = add(location.house, f"{TEXT} It fails.", recorded_at=NOON - timedelta(days=1))
    tags = {FIRST: "2026-05-03", LAST: "2026-05-04"}
    result = location.run("transcripts", "quotes", day=None, tags=tags)
    assert location.days("transcripts") == {"2026-05-03", "2026-05-04"}
    assert location.days("quotes") == {"2026-05-04"}
    check = checks_by_day(result, "quotes")["2026-05-03"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.metadata["ids"].value == str(bad)
    assert checks_by_day(result, "quotes")["2026-05-04"].passed
    # Dagster shows a day as failed if the run that was to make it failed without making it.
    assert not result.success
    assert f"quotes of 2026-05-03 (records {bad})" in location.log(result)


def test_an_older_failure_does_not_fail_a_run_that_did_not_meet_it(
    location: Location, teller: Storyteller
) -> None:
    teller.will("Quotes", "no")
    add(location.house)
    assert not location.run("transcripts", "quotes").success
    result = location.run("transcripts", "quotes", mode="due")
    assert result.success
    assert "quotes" not in metadata(result)
    assert not checks(result)["quotes", "every_record_succeeded"].passed


def test_what_a_partition_is_made_from_is_known_to_dagster(location: Location) -> None:
    """So a day whose transcripts are made anew with the same words leaves its quotes in sync."""

    def versions(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
        return {
            str(event.asset_key): event.materialization.tags or {}
            for event in result.get_asset_materialization_events()
        }

    add(location.house)
    first = versions(location.run("transcripts", "quotes"))
    transcripts, quotes = (first[str(dg.AssetKey(name))] for name in ("transcripts", "quotes"))
    assert transcripts["dagster/code_version"]
    assert quotes["dagster/input_data_version/transcripts"] == transcripts["dagster/data_version"]
    again = versions(location.run("transcripts", redo=True))
    assert (
        again[str(dg.AssetKey("transcripts"))]["dagster/data_version"]
        == (transcripts["dagster/data_version"])
    )
    add(location.house, f"{TEXT} More.")
    more = versions(location.run("transcripts"))
    assert (
        more[str(dg.AssetKey("transcripts"))]["dagster/data_version"]
        != (transcripts["dagster/data_version"])
    )


def test_the_same_day_again_asks_no_model(location: Location, teller: Storyteller) -> None:
    add(location.house)
    location.run()
    before = len(teller.seen)
    again = metadata(location.run())
    assert len(teller.seen) == before
    assert all(about["made"] == 0 for about in again.values())
    assert all(about["up to date"] == 1 for about in again.values())
    assert {about["model calls"] for name, about in again.items() if name != "podcasts"} == {0}
    assert {about["dagster/row_count"] for about in again.values()} == {1}
    assert not any("records made" in about for about in again.values())


def test_a_day_without_records_is_materialised_with_none(location: Location) -> None:
    result = location.run()
    assert result.success
    assert {about["dagster/row_count"] for about in metadata(result).values()} == {0}
    assert all(found.passed for found in checks(result).values())


def test_redo_makes_anew_what_is_up_to_date(location: Location, teller: Storyteller) -> None:
    add(location.house)
    location.run("transcripts", "tags")
    teller.will("Values", {"values": ["hope"]})
    assert metadata(location.run("tags", redo=True))["tags"]["made"] == 1
    assert location.house.rows("SELECT value FROM tags") == [{"value": "hope"}]


def test_a_run_that_a_sensor_asked_for_stays_within_its_bound(location: Location) -> None:
    for number in range(5):
        add(location.house, f"{TEXT} {number}")
    result = location.run("transcripts", mode="due", max_records=3)
    assert metadata(result)["transcripts"]["made"] == 3


def test_an_order_that_means_nothing_is_refused(location: Location) -> None:
    result = location.run(mode="some")
    assert not result.success
    assert "mode must be `due` or `all`" in location.log(result)


def test_what_waits_outside_a_run_is_woken_unless_a_schedule_has_it(
    house_with: OpensHouse, instance: dg.DagsterInstance
) -> None:
    house = house_with(STEPS_ON_SCHEDULE="podcasts")
    location = Location(house, instance, build_defs(house.settings))
    record_id = add(house)
    location.run("embeddings")  # waits for the transcript
    assert house.ledger(record_id)["embeddings"]["due_at"] is None
    location.run("transcripts")
    ledger = house.ledger(record_id)
    assert ledger["embeddings"]["due_at"] is not None
    assert ledger["podcasts"]["due_at"] is None


# -- while a run works ----------------------------------------------------------------------------


def test_a_day_is_reported_while_the_run_works_on_another() -> None:
    seen: list[datetime] = []
    told = asyncio.Event()

    async def carry(on_partition: OnPartition) -> Report:
        on_partition(NOON, {})
        await told.wait()
        on_partition(NOON - timedelta(days=1), {})
        return Report({})

    def report(complete: Complete) -> Iterator[Event]:
        for start in complete:
            seen.append(start)
            yield dg.AssetMaterialization("transcripts", partition=f"{start:%Y-%m-%d}")

    for event in events_as_they_complete(carry, report):
        assert isinstance(event, dg.AssetMaterialization)
        if event.partition == "2026-05-04":
            told.set()
    assert seen == [NOON, NOON - timedelta(days=1)]


def test_a_run_that_is_cancelled_while_a_day_is_reported_puts_back_what_is_unfinished() -> None:
    """The event loop rests then. Leaving the generator runs it until the clean-up is done."""
    put_back = False

    async def carry(on_partition: OnPartition) -> Report:
        nonlocal put_back
        try:
            on_partition(NOON, {})
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            put_back = True
            raise
        raise AssertionError

    events = events_as_they_complete(carry, lambda complete: iter([dg.Output(None)]))
    next(events)
    events.close()
    assert put_back


def test_a_run_that_is_cancelled_in_the_middle_of_a_task_puts_back_and_is_cancelled() -> None:
    """Dagster's handler raises, and what is raised within a task is taken for the task's error."""
    put_back = False

    class Interrupted(BaseException):
        pass

    def raise_interrupted(*_: object) -> None:
        raise Interrupted

    async def is_interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    async def carry(on_partition: OnPartition) -> Report:
        nonlocal put_back
        other = asyncio.create_task(is_interrupted())
        try:
            await asyncio.wait({other})
        finally:
            await asyncio.sleep(0)
            put_back = True
        return Report({})

    before = signal.signal(signal.SIGINT, raise_interrupted)
    try:
        with pytest.raises(Interrupted):
            list(events_as_they_complete(carry, lambda complete: iter([])))
        assert signal.getsignal(signal.SIGINT) is raise_interrupted
    finally:
        signal.signal(signal.SIGINT, before)
    assert put_back


def test_an_error_of_the_work_is_the_error_of_the_run() -> None:
    async def carry(on_partition: OnPartition) -> Report:
        raise psycopg.OperationalError("gone")

    with pytest.raises(psycopg.OperationalError, match="gone"):
        list(events_as_they_complete(carry, lambda complete: iter([])))


# -- an endpoint that is down ---------------------------------------------------------------------


def test_a_dead_endpoint_fails_the_run_and_leaves_what_it_has_no_part_in(
    location: Location, teller: Storyteller
) -> None:
    record_id = add(location.house)
    teller.next(*[error(401)] * 4)
    result = location.run()
    assert not result.success
    assert set(metadata(result)) == {"transcripts", "embeddings"}
    assert "chat endpoint refuses our key: check CHAT_API_KEY" in location.log(result)
    ledger = location.house.ledger(record_id)
    for step in ("tags", "wisdom", "stories", "quotes"):
        assert (ledger[step]["status"], ledger[step]["attempts"]) == ("pending", 0)
        assert ledger[step]["due_at"] is not None
    assert ledger["podcasts"]["status"] == "pending"


def test_a_dead_endpoint_hides_no_day_of_a_range_that_went_well(
    location: Location, teller: Storyteller
) -> None:
    for ago in range(2):
        add(location.house, f"{TEXT} {ago}", recorded_at=NOON - timedelta(days=ago))
    teller.next(*[error(401)] * 8)
    result = location.run(day=None, tags={FIRST: "2026-05-03", LAST: "2026-05-04"})
    assert not result.success
    assert location.days("embeddings") == {"2026-05-03", "2026-05-04"}
    assert location.days("stories") == set()


def test_once_it_is_mended_only_what_is_missing_is_made(
    location: Location, teller: Storyteller
) -> None:
    add(location.house)
    teller.next(*[error(401)] * 4)
    location.run()
    before = len(teller.seen)
    story = metadata(location.run())
    assert set(story) == set(STEPS)
    assert (story["transcripts"]["made"], story["embeddings"]["made"]) == (0, 0)
    assert len(teller.seen) - before == 4


# -- checks ---------------------------------------------------------------------------------------


def test_every_check_passes_on_a_day_that_went_well(location: Location) -> None:
    add(location.house)
    found = checks(location.run())
    assert len(found) == len(STEPS) + 4
    assert all(check.passed for check in found.values())
    assert found["quotes", "quotes_verbatim"].description == "1 checked, none bad."


def test_a_record_that_failed_is_named_with_how_to_recover(
    location: Location, teller: Storyteller
) -> None:
    teller.will("Quotes", "no")
    bad = add(location.house)
    result = location.run("transcripts", "quotes")
    check = checks(result)["quotes", "every_record_succeeded"]
    assert not check.passed
    assert check.metadata["failed"].value == 1
    assert check.metadata["ids"].value == str(bad)
    assert f"keepsake status {bad}" in str(check.description)
    assert "keepsake retry --step quotes" in str(check.description)
    assert checks(result)["transcripts", "every_record_succeeded"].passed


@pytest.mark.parametrize(
    ("asset", "name", "tamper"),
    [
        ("quotes", "quotes_verbatim", "UPDATE quotes SET text = 'Words that nobody said'"),
        ("podcasts", "episodes_audible", "UPDATE podcasts SET loudness = -60"),
        ("embeddings", "vectors_of_the_declared_size",
         "UPDATE passages SET embedding = array_fill(0, ARRAY[dimensions])::halfvec"),
    ],
)  # fmt: skip
def test_a_check_finds_content_that_was_tampered_with(
    location: Location, asset: str, name: str, tamper: str
) -> None:
    record_id = add(location.house)
    location.run("transcripts", "stories", asset)
    location.house.change(tamper)
    check = checks(location.run(asset))[asset, name]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.metadata["ids"].value == str(record_id)
    assert f"Materialise `{asset}` of this partition" in str(check.description)


def test_checks_look_at_their_own_day_only(location: Location, teller: Storyteller) -> None:
    teller.will("Quotes", "no")
    add(location.house, recorded_at=NOON - timedelta(days=1))
    location.run("transcripts", "quotes", day="2026-05-03")
    assert checks(location.run("quotes"))["quotes", "every_record_succeeded"].passed
