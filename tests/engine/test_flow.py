"""Records flow through a line without a barrier, in order of need, within bounds."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest

from keepsake.errors import PermanentError
from keepsake.owners import usage
from keepsake.pipeline.limits import EndpointLimiter
from keepsake.pipeline.reports import SAMPLE, Report, StepReport
from keepsake.pipeline.window import Window

from .toy import DAY, NOON, STEPS, TOY, Source, World, toy_step


async def test_every_step_of_every_record_is_made_and_stored(world: World) -> None:
    world.add("x", "y")
    report = await world.run()
    assert world.results("x") == {
        "hear": "hear(x)",
        "tell": "tell(hear(x))",
        "tag": "tag(hear(x))",
        "bind": "bind(tell(hear(x)),tag(hear(x)))",
    }
    assert world.statuses("y") == dict.fromkeys(STEPS, "succeeded")
    assert (report.records, report.expected, report.busy) == (2, 2, 0)
    assert {name: step.made for name, step in report.steps.items()} == dict.fromkeys(STEPS, 2)


async def test_a_fast_record_is_finished_while_another_is_in_its_first_step(world: World) -> None:
    world.add("slow", "fast")
    fast_is_bound = asyncio.Event()

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if source.text == "slow":
            await fast_is_bound.wait()

    @world.stage.act("bind")
    async def bind(source: Source) -> None:
        fast_is_bound.set()

    await world.run()
    assert world.calls.index(("bind", "fast")) < world.calls.index(("tell", "slow"))


async def test_independent_steps_of_a_record_run_side_by_side(world: World) -> None:
    world.add("x")
    both = asyncio.Barrier(2)

    @world.stage.act("tell", "tag")
    async def meet(source: Source) -> None:
        await both.wait()

    report = await world.run()
    assert report.steps["bind"].made == 1


async def test_results_arrive_in_the_order_of_the_needs(world: World) -> None:
    world.add("x")
    world.line = replace(TOY, steps=(*TOY.steps[:3], toy_step("bind", "tag", "hear", "tell")))
    await world.run()
    assert world.results("x")["bind"] == "bind(tag(hear(x)),hear(x),tell(hear(x)))"


async def test_a_step_alone_is_made_from_what_is_stored(world: World) -> None:
    world.add("x")
    await world.run("hear", "tell", "tag")
    await world.run("bind")
    assert world.results("x")["bind"] == "bind(tell(hear(x)),tag(hear(x)))"


@pytest.mark.parametrize("mode", ["due", "all"])
async def test_urgent_records_come_first_then_the_newest(world: World, mode: str) -> None:
    world.with_config(records_in_memory=1)
    world.add("old")
    world.add("urgent", priority="urgent")
    world.add("later", priority="low")
    world.add("new")
    await world.run("hear", mode=mode)
    assert [text for _, text in world.calls] == ["urgent", "new", "old", "later"]


async def test_an_urgent_record_that_arrives_meanwhile_is_next(world: World) -> None:
    world.with_config(records_in_memory=2)
    world.add(*"abcdef")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if source.text == "f":
            world.add("urgent", priority="urgent")

    await world.run("hear", mode="due")
    assert [text for _, text in world.calls] == ["f", "e", "urgent", "d", "c", "b", "a"]


async def test_a_slow_record_is_not_taken_again_while_others_pass_it(world: World) -> None:
    world.with_config(records_in_memory=2)
    world.add("last", "b", "c", "d", "slow")
    last_is_heard = asyncio.Event()

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if source.text == "last":
            last_is_heard.set()
        elif source.text == "slow":
            await last_is_heard.wait()

    await world.run("hear", mode="due")
    assert [text for _, text in world.calls] == ["slow", "d", "c", "b", "last"]


async def test_the_window_bounds_the_records_in_memory(world: World) -> None:
    world.with_config(records_in_memory=6)
    world.with_config(records_a_page=4)
    world.add(*map(str, range(18)))
    window_is_full = asyncio.Barrier(6)
    most = 0

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        nonlocal most
        begun = {text for _, text in world.calls}
        finished = world.db.execute("SELECT count(*) FROM toy WHERE step = 'bind'").fetchone()
        most = max(most, len(begun) - (finished or (0,))[0])
        await window_is_full.wait()

    report = await world.run()
    assert report.steps["bind"].made == 18
    assert most == 6


async def test_a_run_takes_no_more_records_than_it_may(world: World) -> None:
    world.add(*"abc")
    report = await world.run("hear", mode="due", max_records=2)
    assert [text for _, text in world.calls] == ["c", "b"]
    assert (report.records, report.expected) == (2, 2)


async def test_a_run_keeps_to_its_window(world: World) -> None:
    world.add("before", at=NOON.replace(day=3))
    world.add("in")
    world.add("at its end", at=NOON.replace(day=5, hour=0))
    for mode in ("due", "all"):
        await world.run("hear", mode=mode)
    assert world.calls == [("hear", "in")]


async def test_what_a_step_used_is_counted_in_the_ledger(world: World) -> None:
    world.add("x", "y")

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        usage.record("big", tokens_in=100, tokens_out=10)
        await asyncio.to_thread(usage.record, "small", tokens_in=5, audio_seconds=2.5)

    report = await world.run()
    row = world.rows("x")["tell"]
    assert (row["calls"], row["tokens_in"], row["tokens_out"]) == (2, 105, 10)
    assert (row["models"], row["audio_seconds"]) == (["big", "small"], 2.5)
    assert world.rows("x")["tag"]["calls"] == 0
    assert report.steps["tell"].usage.tokens_in == 210


async def test_use_adds_up_over_runs(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("model", tokens_in=100, tokens_out=10)

    await world.run("hear")
    await world.run("hear", redo=True)
    row = world.rows("x")["hear"]
    assert (row["calls"], row["tokens_in"], row["tokens_out"]) == (2, 200, 20)


async def test_a_report_holds_counts_and_nothing_of_the_records(world: World) -> None:
    world.add("a-very-private-word")
    report = await world.run()
    assert "private" not in json.dumps(asdict(report), default=str) + report.line()


async def test_progress_is_shown_during_the_run(world: World) -> None:
    world.with_config(progress_seconds=0.005)
    world.add("slow", "fast")
    shown: list[str] = []
    fast_was_shown = asyncio.Event()

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if source.text == "slow":
            await fast_was_shown.wait()

    def show(report: Report) -> None:
        shown.append(report.line())
        if report.records:
            fast_was_shown.set()

    await world.run("hear", on_progress=show)
    line = r"1 of 2 records in \d+ s: hear 1 made, 1 in progress"
    assert any(re.fullmatch(line, text) for text in shown)


async def test_progress_says_what_is_under_way_and_whom_it_waits_for(world: World) -> None:
    world.with_config(progress_seconds=0.005)
    world.add("x", "y", "z")
    limiter = EndpointLimiter("ears", 1)
    shown: list[str] = []
    was_shown = asyncio.Event()

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        async with limiter:
            await was_shown.wait()

    def show(report: Report) -> None:
        shown.append(report.state())
        if "queued" in shown[-1]:
            was_shown.set()

    report = await world.run("hear", on_progress=show)
    assert "hear 3 in progress (1 calling ears, 2 queued for ears)" in shown
    assert report.state() == "hear 3 made"


async def test_progress_is_shown_when_it_has_changed(world: World) -> None:
    world.with_config(progress_seconds=0.002)
    world.add("x")
    shown: list[str] = []

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        await asyncio.sleep(0.1)  # fifty looks

    await world.run("hear", on_progress=lambda report: shown.append(report.state()))
    assert len(shown) == len(set(shown)) <= 3


# -- partitions ------------------------------------------------------------------------------------

DAYS = (DAY.start - timedelta(days=1), DAY.start, DAY.end)
THREE_DAYS = Window("toy", DAYS[0], DAY.end + timedelta(days=1))


async def test_each_partition_has_its_own_counts(world: World) -> None:
    world.add("a", "b", at=NOON - timedelta(days=1))
    world.add("bad", "c")

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        if source.text == "bad":
            raise PermanentError("no")

    parts: dict[datetime, Mapping[str, StepReport]] = {}
    for mode in ("due", "all"):
        parts.clear()
        await world.run(
            window=THREE_DAYS, partitions=DAYS, mode=mode, on_partition=parts.__setitem__
        )
        assert set(parts) == set(DAYS[:2])  # on the third there are no records
        counts = {
            day: (p["tell"].made, p["tell"].up_to_date, p["tell"].failed)
            for day, p in parts.items()
        }
        if mode == "due":
            assert counts == {DAYS[0]: (2, 0, 0), DAYS[1]: (1, 0, 1)}
    assert counts == {DAYS[0]: (0, 2, 0), DAYS[1]: (0, 1, 1)}
    assert len(parts[DAYS[1]]["tell"].failed_ids) == 1


async def test_a_partition_is_complete_before_the_run_is(world: World) -> None:
    world.add("slow", at=NOON - timedelta(days=1))
    world.add("fast")
    complete: list[datetime] = []
    fast_day = asyncio.Event()

    @world.stage.act("bind")
    async def bind(source: Source) -> None:
        if source.text == "slow":
            await fast_day.wait()

    def on_partition(start: datetime, steps: Mapping[str, StepReport]) -> None:
        complete.append(start)
        assert world.statuses("fast")["bind"] == "succeeded"  # written, not only made
        fast_day.set()

    await world.run(window=THREE_DAYS, partitions=DAYS, on_partition=on_partition)
    assert complete == [DAYS[1], DAYS[0]]


async def test_a_report_does_not_grow_with_the_records(world: World) -> None:
    world.add(*map(str, range(60)))
    parts: list[Mapping[str, StepReport]] = []
    await world.run("hear", on_partition=lambda start, steps: parts.append(steps))
    [steps] = parts
    assert (steps["hear"].made, len(steps["hear"].made_ids)) == (60, SAMPLE)


async def test_every_failure_is_logged_with_its_reason_up_to_a_number(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.with_config(failures_logged=2)
    ids = [world.add(text) for text in "abc"]

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise PermanentError("the file is no audio")

    await world.run("hear")
    ours = [r for r in caplog.records if r.name == "keepsake.pipeline.reports"]
    warned = [(r.levelname, r.getMessage()) for r in ours]
    assert [level for level, _ in warned] == ["WARNING"] * 3
    lines = [line for _, line in warned]
    one = r"hear of record (\d+) failed: PermanentError: the file is no audio"
    named = [match[1] for line in lines[:2] if (match := re.fullmatch(one, line))]
    assert len({*named} & {str(record_id) for record_id in ids}) == 2
    assert lines[2] == "hear: 1 more records failed"


def test_a_step_cannot_stand_before_one_it_needs() -> None:
    with pytest.raises(ValueError, match=r"step tell comes before \['hear'\]"):
        replace(TOY, steps=(TOY.step("tell"), TOY.step("hear")))
