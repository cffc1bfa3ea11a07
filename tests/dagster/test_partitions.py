"""Lines have partitions from their oldest record on, and assets say what serves them."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from assets.line_assets import kinds_of
from assets.partitions import Calendar, read_calendar
from keepsake.database import connect
from keepsake.owners.owners import add_owner
from keepsake.records.first_days import first_days
from keepsake.settings import load_settings
from tests.given import given_record

ROOT = Path(__file__).parents[2]
LONG_AGO = datetime(2015, 3, 11, 1, tzinfo=UTC)  # in New York the evening before


def calendar() -> Calendar:
    """The partitions under the settings in force now."""
    return read_calendar(load_settings())


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database in force with an old run and a bookmark of last week."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    last_week = datetime.now(UTC) - timedelta(days=7)
    with connect(database_url) as db:
        owner = add_owner(db, "Ada", time_zone="America/New_York").id
        for line, moment in [("running", LONG_AGO), ("bookmarks", last_week)]:
            given_record(db, line=line, owner_id=owner, external_id=line, recorded_at=moment)
    return database_url


@pytest.mark.usefixtures("url")
def test_each_line_begins_with_its_oldest_record() -> None:
    assert calendar().months("running").get_first_partition_key() == "2015-03-01"
    last_week = (datetime.now(UTC) - timedelta(days=7)).date()
    assert calendar().days("bookmarks").get_first_partition_key() == last_week.isoformat()
    assert len(calendar().days("bookmarks").get_partition_keys()) == 8


@pytest.mark.usefixtures("url")
def test_what_has_weeks_and_months_of_its_owners_begins_one_before() -> None:
    assert calendar().calendar_months("running").get_first_partition_key() == "2015-02-01"
    assert calendar().weeks("running").get_first_partition_key() == "2015-03-02"


@pytest.mark.usefixtures("url")
def test_questions_have_the_weeks_since_somebody_is_there_to_be_asked() -> None:
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday())
    assert calendar().weeks_of_use().get_partition_keys() == [monday.isoformat()]


def test_a_line_without_records_has_the_days_of_a_year(url: str) -> None:
    year_ago = datetime.now(UTC).date() - timedelta(days=365)
    with connect(url) as db:
        assert first_days(db, load_settings().first_day)["family"] == year_ago


def test_nothing_before_the_first_day_has_a_partition(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRST_DAY", "2020-01-01")
    with connect(url) as db:
        assert first_days(db, load_settings().first_day)["running"] == date(2020, 1, 1)


@pytest.mark.parametrize("url", ["", "postgresql://127.0.0.1:9/nothing"])
def test_without_a_database_every_day_is_there(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    assert calendar().days("family").get_first_partition_key() == "2000-01-01"


def test_the_code_location_loads_with_the_partitions_of_its_records(url: str) -> None:
    shown = subprocess.run(
        [
            *(sys.executable, "-c"),
            "from definitions import defs\n"
            "graph = defs.resolve_asset_graph()\n"
            "print({k.to_user_string(): graph.get(k).partitions_def.get_first_partition_key()"
            " for k in graph.get_all_asset_keys() if graph.get(k).partitions_def})",
        ],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "'activities': '2015-03-01'" in shown.stdout
    assert "'trends': '2015-02-01'" in shown.stdout


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({}, {"postgres", "local", "folder"}),
        ({"S3_BUCKET": "kept"}, {"postgres", "local", "s3"}),
        (
            {"SPEECH_PROVIDER": "cartesia", "SPEECH_MODEL": "sonic", "SPEECH_VOICE": "a"},
            {"postgres", "cartesia", "folder"},
        ),
        (
            {"SPEECH_BASE_URL": "https://api.openai.com/v1", "SPEECH_MODEL": "tts-1"},
            {"postgres", "openai", "folder"},
        ),
        (
            {"SPEECH_BASE_URL": "http://10.0.0.7:8880/v1", "SPEECH_MODEL": "kokoro"},
            {"postgres", "openai-compatible", "folder"},
        ),
    ],
)
def test_kinds_say_what_serves_an_asset(
    settings: dict[str, str], kinds: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert kinds_of(load_settings(), "speech", objects=True) == kinds


def test_bedrock_is_named_and_what_calls_no_model_names_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHAT_PROVIDER", "bedrock")
    monkeypatch.setenv("CHAT_MODEL", "amazon.nova-lite-v1:0")
    assert kinds_of(load_settings(), "chat") == {"postgres", "bedrock"}
    assert kinds_of(load_settings()) == {"postgres"}
