"""The `keepsake` command, on a real database and a folder of objects."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from keepsake.cli import app
from keepsake.database import connect
from keepsake.demo.memories import DATA

STEPS = ["passages", "podcasts", "quotes", "stories", "transcripts", "value_tags", "wisdom"]


@pytest.fixture(autouse=True)
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def keepsake(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)


def answer(*arguments: object) -> Any:
    """What the command prints as JSON, when it ends well and prints nothing else."""
    result = keepsake(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def marlows() -> str:
    answer("add", "family", "The Marlows", "--time-zone", "America/New_York")
    answer("add", "member", "the-marlows", "Rose")
    return "the-marlows"


@pytest.fixture
def record(marlows: str) -> int:
    said = ("--text", "We sang on the way home.", "--recorded-at", "2026-10-04T19:30:00Z")
    added: int = answer("add", "response", marlows, "Rose", *said)["record_id"]
    return added


def fail(database_url: str, record: int, step: str) -> None:
    with connect(database_url) as db:
        db.execute(
            "UPDATE ledger SET status = 'failed', due_at = NULL, attempts = 3,"
            " error_type = 'PermanentError', error_message = 'the model is gone'"
            " WHERE record_id = %s AND step = %s",
            (record, step),
        )


def due_steps(database_url: str, record: int) -> set[str]:
    with connect(database_url) as db:
        rows = db.execute(
            "SELECT step FROM ledger WHERE record_id = %s AND due_at <= now()", (record,)
        ).fetchall()
    return {row[0] for row in rows}


class TestAdd:
    """`keepsake add`"""

    def test_a_family_gets_a_short_name(self) -> None:
        added = answer("add", "family", "Familie Müller", "--time-zone", "Europe/Berlin",
                       "--language", "de", "--value", "Heimat")  # fmt: skip
        assert added["slug"] == "familie-muller"

    def test_the_same_response_is_added_once(self, marlows: str) -> None:
        said = ("add", "response", marlows, "rose", "--text", "We sang.")
        first, second = answer(*said), answer(*said)
        assert (first["new"], second["new"]) == (True, False)
        assert first["record_id"] == second["record_id"]

    def test_an_id_of_ones_own_tells_the_same_words_apart(self, marlows: str) -> None:
        said = ("add", "response", marlows, "Rose", "--text", "We sang.", "--id")
        assert answer(*said, "monday")["record_id"] != answer(*said, "tuesday")["record_id"]

    def test_a_recording_is_kept_in_the_object_store(self, marlows: str, tmp_path: Path) -> None:
        answer("add", "response", marlows, "Rose", "--audio", DATA / "ellen.ogg")
        (stored,) = (tmp_path / "home" / "objects").rglob("*.ogg")
        assert stored.read_bytes() == (DATA / "ellen.ogg").read_bytes()

    def test_a_text_may_come_from_a_file_or_from_stdin(self, marlows: str, tmp_path: Path) -> None:
        (tmp_path / "letter.txt").write_text("\ufeffÜber die Straße.", "utf-8")
        first = answer("add", "response", marlows, "Rose", "--file", tmp_path / "letter.txt")
        piped = keepsake(
            "add", "response", marlows, "Rose", "--file", "-", stdin="Über die Straße.".encode()
        )
        assert f"Already there as record {first['record_id']}" in piped.stdout

    def test_a_time_without_a_zone_is_the_familys_own(
        self, marlows: str, database_url: str
    ) -> None:
        said = ("--text", "We sang.", "--recorded-at", "2026-07-04T23:30")
        record = answer("add", "response", marlows, "Rose", *said)["record_id"]
        kept = answer("status", record)["kept"]
        assert kept["record"]["recorded_at"] == "2026-07-05T03:30:00+00:00"

    @pytest.mark.parametrize(
        ("wrong", "because"),
        [
            (("--text", " ... "), "the text is empty"),
            (("--text", "We sang.", "--audio", DATA / "rose.mp3"), "either written or spoken"),
            ((), "either written or spoken"),
            (("--text", "We sang.", "--recorded-at", "yesterday"), "'yesterday' is no time"),
            (("--text", "We sang.", "--recorded-at", "2999-01-01"), "is in the future"),
            (("--text", "We sang.", "--recorded-at", "1999-12-31"), "FIRST_DAY"),
            (("--text", "We sang.", "--priority", "high"), "low, normal, urgent"),
            (("--text", "We sang.", "--question", "7"), "no interview prompt 7"),
            (("--audio", __file__), "no audio"),
        ],
    )
    def test_what_is_no_good_is_refused_in_one_line(
        self, marlows: str, wrong: tuple[object, ...], because: str
    ) -> None:
        result = keepsake("add", "response", marlows, "Rose", *wrong)
        assert result.exit_code == 2
        assert because in result.stderr
        assert result.stderr.count("\n") == 1
        assert not result.stdout

    def test_a_file_in_another_encoding_is_refused(self, marlows: str) -> None:
        latin = "Über die Straße.".encode("latin-1")
        result = keepsake("add", "response", marlows, "Rose", "--file", "-", stdin=latin)
        assert result.exit_code == 2
        assert "is not UTF-8 text (byte 0 of 16)" in result.stderr

    def test_an_unknown_family_or_member_is_refused_with_those_there_are(
        self, marlows: str
    ) -> None:
        for names in (("nobody", "Rose"), (marlows, "Nobody")):
            result = keepsake("add", "response", *names, "--text", "We sang.")
            assert result.exit_code == 2
            assert "known: " in result.stderr


class TestStatus:
    """`keepsake status`"""

    def test_without_records_it_says_what_to_do(self) -> None:
        assert "keepsake add response" in keepsake("status").stdout

    def test_counts_records_and_steps(self, record: int) -> None:
        status = answer("status")
        assert status["records"] == [{"line": "family", "status": "PENDING", "records": 1}]
        assert {step["step"]: step["pending"] for step in status["steps"]} == dict.fromkeys(
            STEPS, 1
        )

    def test_shows_why_a_step_failed(self, record: int, database_url: str) -> None:
        fail(database_url, record, "stories")
        shown = keepsake("status", record).stdout
        assert "the model is gone" in shown
        steps = {step["step"]: step for step in answer("status", record)["steps"]}
        assert steps["stories"]["status"] == "failed"

    def test_shows_what_was_made_and_where_its_files_are(
        self, record: int, database_url: str, tmp_path: Path
    ) -> None:
        with connect(database_url) as db:
            db.execute(
                "INSERT INTO stories VALUES (%s, 'The Way Home', 'They sang.', '')", (record,)
            )
            db.execute(
                "INSERT INTO quotes VALUES (%s, 0, 'We sang', 1, 2, 'a/clip.mp3')", (record,)
            )
            db.execute(
                "INSERT INTO podcasts (record_id, audio_key, vtt_key, chapters_key, duration,"
                " loudness, size_bytes) VALUES (%s, 'a/e.mp3', 'a/e.vtt', 'a/e.json', 61, -16, 9)",
                (record,),
            )
        objects = tmp_path / "home" / "objects"
        status = answer("status", record)
        assert status["kept"]["story"]["title"] == "The Way Home"
        assert status["files"]["clips"] == [str(objects / "a/clip.mp3")]
        shown = keepsake("status", record).stdout
        assert "The Way Home" in shown
        assert str(objects / "a/e.mp3") in shown

    def test_an_unknown_record_is_refused(self) -> None:
        result = keepsake("status", 7)
        assert (result.exit_code, result.stderr) == (2, "keepsake: there is no record 7\n")


class TestAgain:
    """`keepsake retry`, `redo` and `tag`"""

    def test_retry_makes_due_what_failed(self, record: int, database_url: str) -> None:
        fail(database_url, record, "stories")
        assert due_steps(database_url, record) == set(STEPS) - {"stories"}
        assert answer("retry", "--record", record) == {"records": 1}
        assert due_steps(database_url, record) == set(STEPS)

    def test_retry_may_be_of_one_step_only(self, record: int, database_url: str) -> None:
        fail(database_url, record, "stories")
        fail(database_url, record, "wisdom")
        answer("retry", "--step", "wisdom")
        assert due_steps(database_url, record) == set(STEPS) - {"stories"}

    def test_retry_says_when_nothing_has_failed(self, record: int) -> None:
        assert keepsake("retry").stdout == "Nothing has failed.\n"

    def test_redo_makes_a_step_due(self, record: int, database_url: str) -> None:
        with connect(database_url) as db:
            db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
        assert keepsake("redo", record, "quotes").exit_code == 0
        assert due_steps(database_url, record) == {"quotes"}

    def test_redo_of_an_unknown_step_names_those_there_are(self, record: int) -> None:
        result = keepsake("redo", record, "poems")
        assert result.exit_code == 2
        assert "wisdom" in result.stderr

    def test_a_tag_by_hand_stands(self, record: int) -> None:
        keepsake("tag", record, "Courage")
        assert answer("status", record)["kept"]["tags"] == ["courage"]


class TestSearch:
    """`keepsake search`, with the real embedded model"""

    @pytest.fixture(autouse=True)
    def models(self, models_url: str, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        (home / "up.json").write_text(json.dumps({"models_url": models_url}))

    def test_without_memories_it_says_so(self, marlows: str) -> None:
        assert "no memories to search yet" in keepsake("search", marlows, "courage").stdout
        assert answer("search", marlows, "courage") == []

    def test_finds_a_passage(self, marlows: str, record: int, database_url: str) -> None:
        with connect(database_url) as db:
            db.execute(
                "INSERT INTO passages (record_id, position, owner_id, text, model, dimensions,"
                " embedding) SELECT record_id, 0, family_id, text, 'wordllama-l2-supercat-256',"
                " 256, array_fill(0.1, ARRAY[256])::real[]::halfvec FROM responses"
            )
        (hit,) = answer("search", marlows, "singing")
        assert hit["record_id"] == record
        assert "We sang on the way home." in keepsake("search", marlows, "singing").stdout

    def test_an_empty_query_is_refused(self, marlows: str) -> None:
        assert keepsake("search", marlows, " ").exit_code == 2


class TestTrouble:
    """What the command says when it cannot work"""

    def test_a_database_out_of_reach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/keepsake")
        for command in (("status",), ("db", "migrate")):
            result = keepsake(*command)
            assert result.exit_code == 1
            assert result.stderr.startswith("keepsake: the database cannot be reached: ")
            assert "keepsake doctor" in result.stderr

    def test_wrong_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHAT_CONCURRENCY", "many")
        result = keepsake("status")
        assert result.exit_code == 2
        assert "CHAT_CONCURRENCY" in result.stderr

    def test_missing_migrations(self, database_url: str) -> None:
        with connect(database_url) as db:
            db.execute("DROP SCHEMA keepsake CASCADE")
        result = keepsake("status")
        assert result.exit_code == 1
        assert "keepsake db migrate" in result.stderr

    def test_migrate_applies_them_once(self, database_url: str) -> None:
        with connect(database_url) as db:
            db.execute("DROP SCHEMA keepsake CASCADE")
        assert len(answer("db", "migrate")["applied"]) >= 2
        assert answer("db", "migrate") == {"applied": []}


def test_help_loads_nothing_heavy() -> None:
    heavy = {"psycopg", "pydantic", "openai", "httpx", "av", "numpy", "dagster"}
    code = f"import sys, keepsake.cli; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("command", ["", "add", "add response", "status", "search", "retry", "up"])
def test_every_command_has_help(command: str) -> None:
    result = keepsake(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
