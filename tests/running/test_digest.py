"""A week as a row and a page, a month as a row: what the assets make of runs, and when."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from assets.partitions import Calendar
from assets.running.trends import trends
from assets.running.weekly_digests import weekly_digests
from keepsake.cli import app
from keepsake.database import connect
from keepsake.running.digest import Digest
from keepsake.running.history import monday, outdated_weeks
from keepsake.running.months import Month
from keepsake.running.weekly import week_named
from keepsake.settings import load_settings
from resources.database import DatabaseResource
from resources.objects import objects_resource
from schedules.digests import nightly_digests, nightly_trends
from tests.browser import opened

from .runner import Runner, new_runner

WEEK = "2026-05-04"
NIGHT = datetime(2026, 5, 11, 4, 30, tzinfo=UTC)
CALENDAR = Calendar(date(2000, 1, 1))
TRENDS = trends(load_settings(), CALENDAR)
DIGESTS = weekly_digests(load_settings(), CALENDAR)
VOID = {"meta", "br", "line", "rect", "circle", "polyline"}


class Page(HTMLParser):
    """A page taken apart; every element must be closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words += f" {data}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such element."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def ada(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    return new_runner(database_url)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialize(
    instance: dg.DagsterInstance, asset: dg.AssetsDefinition, first: str, last: str | None = None
) -> dg.ExecuteInProcessResult:
    """Materialise a partition, or the range up to `last` in one run."""
    settings = load_settings()
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last or first,
    }
    return dg.materialize(
        [asset],
        partition_key=None if last else first,
        tags=tags if last else None,
        resources={
            "database": DatabaseResource(settings=settings),
            "objects": objects_resource(settings),
        },
        instance=instance,
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    event = result.get_asset_materialization_events()[0]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def stored(runner: Runner, week: str = WEEK) -> tuple[Digest, Page, str]:
    """The digest of a week, its page, and the page as it is written."""
    [(facts, key)] = runner.rows(
        "SELECT facts, page_key FROM weekly_digests WHERE owner_id = %s AND week = %s",
        runner.owner.id,
        week,
    )
    html = (load_settings().objects_folder / key).read_text()
    return Digest.model_validate(facts), Page(html), html


def full_week(runner: Runner) -> int:
    """Five even weeks, the last with everything a page can show; its last run."""
    for start in ("2026-04-06", "2026-04-13", "2026-04-20", "2026-04-27"):
        runner.ran(f"{start}T07:00", 10, best_efforts={"5000": 1500.0, "10000": 3200.0})
    return runner.ran(
        "2026-05-09T08:00",
        10,
        pace=310,
        title="Over the <b>hill</b> & back",
        zones=(60, 600, 1200, 600, 60),
        best_efforts={"1000": 280.0, "5000": 1450.0},
    )


def test_a_week_becomes_a_row_and_a_page(ada: Runner, instance: dg.DagsterInstance) -> None:
    full_week(ada)
    result = materialize(instance, DIGESTS, WEEK)
    assert metadata(result) == {"dagster/row_count": 1, "runners": 1, "made": 1, "failed": 0}
    digest, page, _ = stored(ada)
    assert (digest.total.runs, digest.total.distance, digest.before4) == (1, 10_000, 10_000)
    assert digest.weeks_in_a_row == 5
    assert digest.runs[0].comparison is not None
    assert [p.race for p in digest.predictions] == ["5 km", "10 km", "Half marathon", "Marathon"]
    assert "Fastest of 5 like runs, 0:20 /km faster than their median" in page.words
    assert "Marathon" in page.words


def test_the_page_stands_by_itself_and_can_be_heard(
    ada: Runner, instance: dg.DagsterInstance
) -> None:
    full_week(ada)
    materialize(instance, DIGESTS, WEEK)
    _, page, html = stored(ada)
    assert page.all("html") == [{"lang": "en"}]
    assert {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe"} == set()
    assert "http" not in html
    assert "url(" not in html
    charts = page.all("svg")
    assert len(charts) == 3
    labels = {title.get("id") for title in page.all("title")}
    assert all(c["role"] == "img" and c["aria-labelledby"] in labels for c in charts)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [360, 1200])
def test_a_browser_shows_all_of_it_on_phones_and_desks(
    ada: Runner, instance: dg.DagsterInstance, width: int
) -> None:
    full_week(ada)
    materialize(instance, DIGESTS, WEEK)
    [(key,)] = ada.rows("SELECT page_key FROM weekly_digests")
    file = load_settings().objects_folder / key
    with opened(file, width=width) as shown:
        assert shown.page.title() == "Ada: the week of 4 May 2026"
        assert shown.page.get_by_text("Over the <b>hill</b> & back").first.is_visible()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
        charts = [chart.bounding_box() for chart in shown.page.locator("svg").all()]
        assert all(box and box["width"] > 200 and box["height"] > 60 for box in charts)
        assert len(charts) == 3
    assert (shown.fetched, shown.complaints) == ([file.as_uri()], [])


def test_words_without_an_end_break_and_do_not_widen_the_page(
    instance: dg.DagsterInstance, ada: Runner
) -> None:
    long = new_runner(ada.url, "Ada" * 40)
    long.wrote(long.ran("2026-05-05T07:00", title="Along" * 50), "wind" * 100)
    materialize(instance, DIGESTS, WEEK)
    [(key,)] = long.rows("SELECT page_key FROM weekly_digests")
    with opened(load_settings().objects_folder / key, width=360) as shown:
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_people_and_models_wrote_stays_text(ada: Runner, instance: dg.DagsterInstance) -> None:
    run = full_week(ada)
    ada.wrote(run, "Dear Ada,\n<script>alert(1)</script>")
    materialize(instance, DIGESTS, WEEK)
    _, page, html = stored(ada)
    assert "Over the <b>hill</b> & back" in page.words
    assert "<script>alert(1)</script>" in page.words
    assert page.all("script") == page.all("b") == []
    assert "&lt;script&gt;" in html


def test_the_same_week_gives_the_same_page_whatever_came_later(
    ada: Runner, instance: dg.DagsterInstance
) -> None:
    full_week(ada)
    materialize(instance, DIGESTS, WEEK)
    first = stored(ada)
    ada.ran("2026-05-12T07:00", 42.195, pace=200, best_efforts={"5000": 900.0})
    materialize(instance, DIGESTS, WEEK)
    again = stored(ada)
    assert (first[0], first[2]) == (again[0], again[2])


def test_one_run_without_heart_rate_or_history_is_a_week_too(
    ada: Runner, instance: dg.DagsterInstance
) -> None:
    ada.ran("2026-05-10T23:30", 5, heart_rate=None, ascent=None)  # Sunday night in Berlin
    materialize(instance, DIGESTS, WEEK)
    digest, page, _ = stored(ada)
    assert (digest.before4, digest.load_ratio, digest.efficiency_trend) == (None, None, None)
    assert (digest.predictions, digest.suggestions, digest.runs[0].comparison) == ((), (), None)
    assert len(page.all("svg")) == 1
    assert "Nothing in the numbers asks for a change" in page.words


def test_a_run_without_distance_does_not_break_the_page(
    ada: Runner, instance: dg.DagsterInstance
) -> None:
    ada.ran("2026-05-05T07:00", 0)
    materialize(instance, DIGESTS, WEEK)
    digest, _, _ = stored(ada)
    assert (digest.total.distance, digest.runs[0].pace) == (0, None)


def test_a_week_without_runs_has_no_digest(ada: Runner, instance: dg.DagsterInstance) -> None:
    ada.ran("2026-05-11T00:10")
    assert metadata(materialize(instance, DIGESTS, WEEK))["made"] == 0
    assert ada.rows("SELECT FROM weekly_digests") == []


def test_many_weeks_in_one_run(ada: Runner, instance: dg.DagsterInstance) -> None:
    full_week(ada)
    ada.ran("2026-03-23T07:00")
    result = materialize(instance, DIGESTS, "2026-03-23", WEEK)
    assert metadata(result)["made"] == 6  # none for the week without a run


def test_one_runner_who_fails_does_not_stop_the_others(
    ada: Runner,
    instance: dg.DagsterInstance,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = new_runner(database_url, "Sam")
    broken.ran("2026-05-05T07:00", best_efforts={"a secret": 1.0})
    ada.ran("2026-05-05T07:00")
    result = materialize(instance, DIGESTS, WEEK)
    assert not result.success
    [failure] = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert told.description is not None
    assert f"1 of 2 runners got no digests (ids [{broken.owner.id}])" in told.description
    assert "secret" not in caplog.text
    assert stored(ada)[0].owner == "Ada"


def test_a_month_becomes_a_row(ada: Runner, instance: dg.DagsterInstance) -> None:
    ada.ran("2026-04-30T23:30", 20)
    ada.ran("2026-05-01T00:10", 10, zones=(0, 0, 900, 100, 0), best_efforts={"5000": 1500.0})
    ada.ran("2026-05-31T23:30", 5)
    result = materialize(instance, TRENDS, "2026-05-01")
    assert metadata(result)["made"] == 1
    [(facts,)] = ada.rows("SELECT facts FROM trends")
    month = Month.model_validate(facts)
    assert (month.runs, month.distance, month.change_to_last_month) == (2, 15_000, -25)
    assert (month.change_to_last_year, month.intensity.hard) == (None, 0.1)
    assert month.predictions[0].race == "5 km"


def test_every_night_what_is_out_of_date_is_asked_for(
    ada: Runner, instance: dg.DagsterInstance
) -> None:
    def asked(schedule: dg.ScheduleDefinition) -> list[str | None]:
        resources = {"database": DatabaseResource(settings=load_settings())}
        with dg.build_schedule_context(
            scheduled_execution_time=NIGHT, resources=resources
        ) as context:
            found: Any = schedule(context)
            return [ask.partition_key for ask in found if isinstance(ask, dg.RunRequest)]

    assert asked(nightly_digests(CALENDAR)) == asked(nightly_trends(CALENDAR)) == []
    ada.ran("2026-05-10T23:30")
    ada.ran("2026-04-20T07:00")
    assert asked(nightly_digests(CALENDAR)) == [WEEK, "2026-04-20"]
    assert asked(nightly_trends(CALENDAR)) == ["2026-05-01", "2026-04-01"]
    materialize(instance, DIGESTS, WEEK)
    assert asked(nightly_digests(CALENDAR)) == ["2026-04-20"]


def test_the_command_shows_a_week_and_its_page(ada: Runner, instance: dg.DagsterInstance) -> None:
    full_week(ada)
    materialize(instance, DIGESTS, WEEK)
    shown = CliRunner().invoke(app, ["digest", "--owner", "ada", "--week", "2026-05-10"])
    assert shown.exit_code == 0, shown.output
    assert "1 run, 10.0 km, usually 10.0 km, 51:40 moving" in shown.output
    assert "from 5 km in 24:10 on 9 May" in shown.output
    assert Path(shown.output.splitlines()[-1]).is_file()
    as_json = CliRunner().invoke(app, ["digest", "--owner", "ada", "--json"])
    assert Digest.model_validate(json.loads(as_json.output)["facts"]) == stored(ada)[0]


def test_a_race_a_little_short_is_predicted_as_it_was_run(
    ada: Runner, instance: dg.DagsterInstance
) -> None:
    ada.ran("2026-05-09T08:00", 4.998, pace=1450 / 4.998, best_efforts={"5000": 1450.0})
    materialize(instance, DIGESTS, WEEK)
    _, page, _ = stored(ada)
    assert "from 5 km (4998 m measured) in 24:10 on 9 May" in page.words
    shown = CliRunner().invoke(app, ["digest", "--owner", "ada"])
    assert "1 run, 5.0 km, 24:10 moving" in shown.output
    assert "  5 km: 24:10, from 5 km (4998 m measured) in 24:10 on 9 May" in shown.output


def test_the_page_says_what_its_zones_rest_on(ada: Runner, instance: dg.DagsterInstance) -> None:
    zones = (60, 600, 1200, 600, 60)
    ada.ran("2026-05-09T08:00", zones=zones, zone_maximum=187, zone_activities=24)
    materialize(instance, DIGESTS, WEEK)
    _, page, _ = stored(ada)
    assert (
        "the zones are counted with 187 bpm as your highest heart rate, the most that 24 "
        "activities have shown" in page.words
    )


def test_without_zones_the_page_says_why(ada: Runner, instance: dg.DagsterInstance) -> None:
    ada.ran("2026-05-09T08:00")
    materialize(instance, DIGESTS, WEEK)
    _, page, _ = stored(ada)
    assert "No heart-rate zones: no highest heart rate is stated" in page.words


def test_the_command_says_when_there_is_no_digest(ada: Runner) -> None:
    shown = CliRunner().invoke(app, ["digest", "--owner", "ada", "--week", WEEK])
    assert shown.exit_code == 2
    assert "ada has no digest of the week of 2026-05-04" in shown.output


def shown(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["digest", "--owner", "ada", *arguments])


class TestMadeNow:
    """`keepsake digest --make`."""

    def test_is_the_same_digest_and_page_as_the_schedule_makes(
        self, ada: Runner, instance: dg.DagsterInstance
    ) -> None:
        full_week(ada)
        made = shown("--make", "--week", "2026-W19")
        assert made.exit_code == 0, made.output
        assert "1 run, 10.0 km, usually 10.0 km, 51:40 moving" in made.output
        by_hand = stored(ada)
        materialize(instance, DIGESTS, WEEK)
        assert (by_hand[0], by_hand[2]) == (stored(ada)[0], stored(ada)[2])

    def test_is_that_of_the_newest_week_with_a_run(self, ada: Runner) -> None:
        ada.ran("2026-04-20T07:00", 8)
        ada.ran("2026-05-10T23:30", 9)  # Sunday night in Berlin
        assert "4 May to 10 May 2026" in shown("--make").output
        assert "20 April to 26 April 2026" in shown("--make", "--week", "2026-04-22").output

    def test_of_a_week_that_is_not_over_says_so_far(self, ada: Runner) -> None:
        today = datetime.now(UTC).astimezone(ada.owner.zone)
        ada.ran(f"{today:%Y-%m-%d}T00:00")
        told = f"so far: as of {today.day} {today:%B}"
        assert told in shown("--make").output
        digest, page, _ = stored(ada, f"{monday(today.date())}")
        assert digest.so_far == today.date()
        assert told in page.words
        assert "asks for a change so far" in page.words

    def test_says_what_is_newer_and_what_is_still_to_come(self, ada: Runner) -> None:
        ada.ran("2026-05-05T07:00")
        shown("--make")
        assert "newer than" not in shown().output
        late = ada.ran("2026-05-06T07:00", known_for=-timedelta(hours=1))
        assert "1 run is newer than this digest: --make makes it again" in shown().output
        ada.rows("UPDATE ledger SET due_at = now() WHERE record_id = %s RETURNING 1", late)
        assert "1 activity of this week still to be computed" in shown().output

    @pytest.mark.parametrize(
        ("week", "said"),
        [
            ("2026-W20", "ada has no run in the week of 2026-05-11"),
            ("soon", "is no week: write 2026-W46"),
            ("2026-W60", "is no week"),
        ],
    )
    def test_is_refused_where_there_is_nothing_to_tell(
        self, ada: Runner, week: str, said: str
    ) -> None:
        ada.ran("2026-05-05T07:00")
        refused = shown("--make", "--week", week)
        assert (refused.exit_code, said in refused.output) == (2, True)

    def test_is_refused_without_runs(self, ada: Runner) -> None:
        assert "ada has no runs" in shown("--make").output

    def test_comes_by_itself_too_and_the_command_says_when(self, ada: Runner) -> None:
        said = shown("--week", "2026-W19").output
        assert "at 04:30 UTC" in said
        assert "`keepsake digest --make --owner ada --week 2026-05-04` makes it now" in said


@pytest.mark.parametrize(
    ("named", "week"),
    [
        ("2026-W19", "2026-05-04"),
        ("2026-05-10", "2026-05-04"),
        ("last", "2026-05-04"),
        ("2020-W53", "2020-12-28"),
    ],
)
def test_a_week_is_named_by_its_number_a_day_or_as_the_last(named: str, week: str) -> None:
    assert week_named(named, date(2026, 5, 12)).isoformat() == week


def test_a_week_that_was_told_so_far_is_told_once_more_when_it_is_over(ada: Runner) -> None:
    ada.ran("2026-05-05T07:00")
    shown("--make")
    with connect(ada.url) as db:
        assert outdated_weeks(db, limit=9) == []
        db.execute('UPDATE weekly_digests SET facts = facts || \'{"so_far": "2026-05-06"}\'')
        assert outdated_weeks(db, limit=9) == [date(2026, 5, 4)]
