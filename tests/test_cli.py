"""The `keepsake` command, on a real database and a folder of objects."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from keepsake.cli import app
from keepsake.database import connect
from keepsake.demo.memories import DATA
from keepsake.owners.owners import find_owner
from keepsake.records.batches import finish_batch, start_batch
from keepsake.records.deletion import delete_record
from keepsake.settings.embedding_models import USE
from tests.given import on_connection

STEPS = ["embeddings", "podcasts", "quotes", "stories", "tags", "transcripts", "wisdom"]


@pytest.fixture(autouse=True)
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    (tmp_path / "home").mkdir()
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
        assert (first["created"], second["created"]) == (True, False)
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

    def test_a_bookmark_that_is_there_gets_new_tags_and_what_it_lacks(self) -> None:
        said = ("add", "bookmark", "https://example.org/bread")
        first = answer(*said, "--title", "On bread", "--tag", "baking")["record_id"]
        again = keepsake(*said, "--title", "Another", "--tag", "slow").stdout
        assert f"Already there as record {first}: its tags were added" in again
        kept = answer("show", first)["made"]
        assert (kept["owner"], kept["title"]) == ("me", "On bread")
        assert {word["keyword"] for word in kept["keywords"]} == {"baking", "slow"}

    def test_bookmarks_of_a_file_come_in_and_what_is_none_is_listed(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("url,title\nhttps://example.org/,A\n,B\n")
        result = keepsake("import", "bookmarks", tmp_path / "a.csv")
        assert "1 bookmark created, 0 duplicates, 1 rejected." in result.stdout
        assert result.exit_code == 1
        assert "line 3: it has neither an address nor a text" in result.stderr
        none = keepsake("import", "bookmarks", DATA / "ellen.ogg")
        assert "no file of bookmarks" in none.stderr
        assert none.exit_code == 1

    def test_a_time_without_a_zone_is_the_familys_own(
        self, marlows: str, database_url: str
    ) -> None:
        said = ("--text", "We sang.", "--recorded-at", "2026-07-04T23:30")
        record = answer("add", "response", marlows, "Rose", *said)["record_id"]
        kept = answer("show", record)["made"]
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
            (
                ("--text", "We sang.", "--prompt", "7"),
                "no interview prompt 7: `keepsake prompts the-marlows` lists those it has",
            ),
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
        shown = keepsake("status").stdout
        assert "keepsake add" in shown
        assert "keepsake import" in shown

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

    def test_shows_why_there_was_nothing_to_make(self, record: int, database_url: str) -> None:
        with connect(database_url) as db:
            db.execute(
                "UPDATE ledger SET status = 'succeeded', due_at = NULL,"
                " nothing_reason = '1 word, a story needs 8' WHERE step = 'stories'"
            )
        assert "nothing to make" in keepsake("status", record).stdout
        steps = {step["step"]: step for step in answer("status", record)["steps"]}
        assert steps["stories"]["nothing_reason"] == "1 word, a story needs 8"

    def test_says_how_to_read_what_was_made(self, record: int) -> None:
        assert f"keepsake show {record}" in keepsake("status", record).stdout

    def test_a_record_shows_its_attempts_in_order_of_time(
        self, record: int, database_url: str
    ) -> None:
        assert "Attempts" not in keepsake("status", record).stdout
        with connect(database_url) as db:
            db.execute(
                "INSERT INTO step_attempts (record_id, owner_id, step, attempt, run_id, started_at,"
                " seconds, outcome, error_type, retryable, models, calls, tokens_in, cost)"
                " SELECT id, owner_id, 'stories', n, 'a-run', '2026-10-05T07:00:00Z'::timestamptz"
                "   + n * interval '2 seconds', 1.5, CASE n WHEN 2 THEN 'succeeded' ELSE 'retried'"
                "   END, CASE n WHEN 1 THEN 'RateLimited' END, n = 1, '{a-model}', 1, 40, 0.02"
                " FROM records, generate_series(1, 2) n WHERE id = %s",
                (record,),
            )
        attempts = answer("status", record)["attempts"]
        assert [(a["outcome"], a["error_type"]) for a in attempts] == [
            ("retried", "RateLimited"),
            ("succeeded", None),
        ]
        shown = keepsake("status", record).stdout
        assert shown.index("07:00:02") < shown.index("07:00:04")
        assert "RateLimited" in shown

    @pytest.mark.parametrize(
        ("reason", "need", "text"),
        [("need", "transcripts", "waits for transcripts"), ("budget", None, "budget")],
    )
    def test_a_step_that_waits_says_for_what(
        self, record: int, database_url: str, reason: str, need: str | None, text: str
    ) -> None:
        with connect(database_url) as db:
            db.execute(
                "UPDATE ledger SET due_at = NULL, wait_reason = %s, waits_for = %s"
                " WHERE step = 'stories'",
                (reason, need),
            )
        [step] = [s for s in answer("status", record)["steps"] if s["step"] == "stories"]
        assert (step["wait_reason"], step["waits_for"]) == (reason, need)
        assert text in " ".join(keepsake("status", record).stdout.split())
        assert text in " ".join(keepsake("show", record).stdout.split())

    def test_an_unknown_record_is_refused(self) -> None:
        result = keepsake("status", 7)
        assert result.exit_code == 2
        assert "there is no record 7 (there are none yet)" in result.stderr

    def test_an_unknown_line_is_refused_with_those_there_are(self) -> None:
        for command in ("status", "costs", "retry", "records"):
            result = keepsake(command, "--line", "cooking")
            assert result.exit_code == 2
            assert "no line 'cooking' (known: bookmarks, family, running)" in result.stderr


class TestProgress:
    """`keepsake status` of a part, `status --watch` and `batches`"""

    @pytest.fixture
    def imported(self, record: int, database_url: str) -> int:
        """Rose's record and two of Ada's that were imported; the id of the batch."""
        answer("add", "owner", "Ada")
        with connect(database_url) as db:
            batch = on_connection(
                db, start_batch, find_owner(db, "ada").id, "running", "export.zip"
            )
            db.execute(
                "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash,"
                " batch_id) SELECT 'running', owner_id, given, '2026-05-04', '', id"
                " FROM batches, unnest(ARRAY['a', 'b']) AS given"
            )
            db.execute(
                "INSERT INTO activity_files (record_id, owner_id, file_key, file_name, format,"
                " sha256, title) SELECT id, owner_id, 'running/a.gpx', 'a.gpx', 'gpx', '',"
                " 'Lunch run' FROM records WHERE line = 'running'"
            )
            db.execute(
                "INSERT INTO ledger (record_id, owner_id, step, line, due_at)"
                " SELECT r.id, r.owner_id, s.name, s.line, now() FROM records r"
                " JOIN steps s USING (line) WHERE line = 'running'"
            )
            on_connection(
                db,
                finish_batch,
                find_owner(db, "ada").id,
                batch,
                created=2,
                duplicates=0,
                rejected=1,
            )
        return batch

    @pytest.mark.parametrize("part", [("--line", "running"), ("--owner", "ada")])
    def test_a_line_or_an_owner_by_itself(self, imported: int, part: tuple[str, str]) -> None:
        status = answer("status", *part)
        assert status["records"] == [{"line": "running", "status": "PENDING", "records": 2}]
        assert {step["line"] for step in status["steps"]} == {"running"}

    def test_what_is_held_is_told_apart(self, imported: int, database_url: str) -> None:
        assert "beyond the tier" not in keepsake("status").stdout
        with connect(database_url) as db:
            db.execute(
                "UPDATE ledger SET hold_reason = 'tier', due_at = NULL WHERE step = 'letters'"
                " AND record_id = (SELECT max(id) FROM records)"
            )
            record = db.execute("SELECT max(id) FROM records").fetchone()
        steps = {step["step"]: step for step in answer("status", "--line", "running")["steps"]}
        assert (steps["letters"]["pending"], steps["letters"]["beyond_tier"]) == (1, 1)
        assert "beyond" in keepsake("status", "--line", "running").stdout
        assert record is not None
        assert "beyond the tier" in keepsake("status", record[0]).stdout

    def test_a_record_of_a_line_that_shows_its_steps_only(
        self, marlows: str, database_url: str
    ) -> None:
        with connect(database_url) as db:
            db.execute(
                "WITH added AS (INSERT INTO records (line, owner_id, external_id, recorded_at,"
                " content_hash) SELECT 'toy', id, 'a', '2026-05-04', '' FROM owners"
                " RETURNING id, owner_id) INSERT INTO ledger (record_id, owner_id, step, line)"
                " SELECT id, owner_id, 'hear', 'toy' FROM added"
            )
            (record,) = db.execute("SELECT max(id) FROM records").fetchone() or (0,)
        assert [step["step"] for step in answer("status", record)["steps"]] == ["hear"]
        assert answer("show", record)["made"] is None
        assert "left to its schedule" in keepsake("status", record).stdout

    def test_watching_ends_when_nothing_is_open(self, imported: int, database_url: str) -> None:
        with connect(database_url) as db:
            db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
        assert "0 open, 6 done, 0 failed; 0 s left" in keepsake("status", "--watch", "--owner",
                                                                "ada").stdout  # fmt: skip

    def test_watching_is_for_people(self, imported: int) -> None:
        assert keepsake("status", "--watch", "--json").exit_code == 2
        assert keepsake("status", 1, "--watch").exit_code == 2

    def test_batches_show_what_they_brought_and_how_far_it_is(
        self, imported: int, database_url: str
    ) -> None:
        with connect(database_url) as db:
            db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL"
                       " WHERE step = 'activities'")  # fmt: skip
        [found] = answer("batches")
        assert (found["batch"]["created"], found["batch"]["rejected"]) == (2, 1)
        assert {step["step"]: step["done"] for step in found["steps"]} == {
            "activities": 2, "letters": 0, "coaching_insights": 0,
        }  # fmt: skip
        assert "export.zip" in keepsake("batches").stdout

    def test_without_batches_it_says_how_to_import(self) -> None:
        assert "keepsake import" in keepsake("batches").stdout


class TestMessages:
    """`keepsake messages`"""

    def test_without_messages_it_says_where_addresses_are_set(self) -> None:
        assert "NOTIFY_URLS" in keepsake("messages").stdout

    def test_messages_are_listed_without_what_they_say(
        self, marlows: str, database_url: str
    ) -> None:
        with connect(database_url) as db:
            db.execute(
                "INSERT INTO outbox (owner_id, kind, idempotency_key, title, body, attempts,"
                " detail) SELECT id, 'daily_quote', 'daily_quote/2026-05-0' || day, 'A title',"
                " 'Sing.', 1, '0 of 1 address took it'"
                " FROM owners, generate_series(1, 2) AS day ORDER BY day"
            )
        found = answer("messages")
        assert [message["key"][-1] for message in found] == ["2", "1"]
        assert (found[0]["owner"], found[0]["status"], found[0]["attempts"]) == (
            "the-marlows", "pending", 1,
        )  # fmt: skip
        assert len(answer("messages", "--limit", 1)) == 1
        shown = keepsake("messages").stdout
        assert "0 of 1 address took it" in shown
        assert not any(word in shown for word in ("Sing", "A title"))


class TestOwners:
    """`keepsake add owner`, `owner` and `owners`"""

    def test_an_owner_has_a_tier_and_its_limits(self) -> None:
        answer("add", "owner", "Ada Lovelace", "--time-zone", "Europe/London", "--tier", "free")
        found = answer("owner", "ada-lovelace")
        assert (found["owner"]["tier"], found["owner"]["budget"]) == ("free", None)
        assert {"line": "running", "newest": 20, "batch": 5, "pause_seconds": 2} in found["limits"]
        shown = keepsake("owner", "Ada Lovelace").stdout
        assert "running: the newest 20 records, 5 at once, 2 s apart" in shown
        assert "Spent this month: USD 0.00; no bound" in shown

    def test_tier_and_budget_can_be_changed(self) -> None:
        answer("add", "owner", "Ada")
        changed = answer("owner", "ada", "--tier", "premium", "--budget", "2.50")["owner"]
        assert (changed["tier"], changed["budget"], changed["own_budget"]) == ("premium", 2.5, True)
        assert "of a budget of USD 2.50, its own" in keepsake("owner", "ada").stdout
        assert answer("owner", "ada", "--budget", "none")["owner"]["budget"] is None

    @pytest.mark.parametrize(
        ("wrong", "because"),
        [
            (("--tier", "gold"), "known: free, premium"),
            (("--budget", "much"), "is no amount"),
            (("--budget", "-1"), "from 0 to 999,999"),
        ],
    )
    def test_what_is_no_good_changes_nothing(self, wrong: tuple[str, str], because: str) -> None:
        answer("add", "owner", "Ada")
        result = keepsake("owner", "ada", "--tier", "premium", *wrong)
        assert (result.exit_code, because in result.stderr) == (2, True)
        assert answer("owner", "ada")["owner"]["tier"] == "free"

    def test_all_owners_in_a_table(self, marlows: str) -> None:
        answer("add", "owner", "Ada", "--tier", "premium")
        assert [owner["slug"] for owner in answer("owners")] == ["ada", marlows]
        assert "premium" in keepsake("owners").stdout

    def test_without_owners_it_says_how_to_add_one(self) -> None:
        assert "keepsake add owner" in keepsake("owners").stdout


class TestCosts:
    """`keepsake costs`"""

    @pytest.fixture
    def spent(self, marlows: str, database_url: str) -> None:
        with connect(database_url) as db:
            db.execute(
                "INSERT INTO spending (owner_id, day, line, step, model, calls, cost)"
                " SELECT id, '2026-10-01', 'family', 'stories', model, 1, cost FROM owners,"
                " (VALUES ('big', 0.5), ('home-made', NULL)) AS used(model, cost)"
            )

    def test_when_no_model_was_called(self) -> None:
        assert keepsake("costs").stdout == "No model was called.\n"

    @pytest.mark.usefixtures("spent")
    def test_what_is_unknown_is_named_and_how_to_mend_it(self) -> None:
        shown = keepsake("costs", "--by", "model").stdout
        assert "0.50 + unknown" in shown
        assert "no price for home-made" in shown
        assert "PRICES_FILE" in shown
        document = answer("costs", "--by", "model")
        assert document["models_unpriced"] == ["home-made"]
        assert (document["total"]["known"], document["total"]["cost"]) == (0.5, None)

    @pytest.mark.usefixtures("spent")
    def test_a_part_of_it(self) -> None:
        assert answer("costs", "--since", "2026-10-02")["costs"] == []
        assert [row["name"] for row in answer("costs", "--by", "day")["costs"]] == ["2026-10-01"]
        assert answer("costs", "--owner", "the-marlows", "--line", "running")["costs"] == []

    @pytest.mark.parametrize("wrong", [("--by", "year"), ("--since", "soon"), ("--owner", "bob")])
    def test_what_is_no_good_is_refused(self, wrong: tuple[str, str]) -> None:
        assert keepsake("costs", *wrong).exit_code == 2


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

    @pytest.mark.parametrize(
        ("wrong", "because"),
        [
            (("retry", "--record", "77"), "no record 77"),
            (("retry", "--step", "poems"), "no step 'poems' (known: activities, "),
            (("retry", "--line", "family", "--step", "letters"), "family has no step 'letters'"),
            (("retry", "--line", "running", "--record", "{record}"), "is of the line family"),
            (("redo", "77", "stories"), "no record 77"),
            (("redo", "{record}", "letters"), "has no step 'letters' (known: embeddings, "),
        ],
    )
    def test_what_does_not_exist_is_refused_with_what_does(
        self, record: int, wrong: tuple[str, ...], because: str
    ) -> None:
        result = keepsake(*(word.format(record=record) for word in wrong))
        assert (result.exit_code, because in result.stderr) == (2, True), result.stderr

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
        assert answer("show", record)["made"]["tags"] == [{"value": "courage", "source": "human"}]


class TestByHand:
    """`keepsake untag`, `edit` and `vocabulary`"""

    def test_a_mistyped_tag_goes_and_its_value_with_it(self, marlows: str, record: int) -> None:
        keepsake("tag", record, "Curage")
        keepsake("tag", record, "hope")
        shown = keepsake("untag", record, "curage", "hope").stdout
        assert shown == (
            f"Took curage, hope off record {record}.\n"
            "Nothing else has curage: out of the vocabulary.\n"
        )
        assert answer("show", record)["made"]["tags"] == []

    def test_a_title_and_a_transcript_are_changed_at_once(
        self, record: int, database_url: str, tmp_path: Path
    ) -> None:
        with connect(database_url) as db:
            db.execute(
                "INSERT INTO stories (record_id, owner_id, title, summary, text)"
                " SELECT id, owner_id, 'Home', 'They sang.', '' FROM records WHERE id = %s",
                (record,),
            )
            db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
        (tmp_path / "words.txt").write_text("We sang all the way home.\n")
        done = keepsake("edit", record, "--title", "Singing", "--transcript", "words.txt")
        assert done.stdout.startswith(f"Changed transcript and title of record {record}.")
        assert due_steps(database_url, record) == set(STEPS)
        document = answer("show", record)
        assert document["made"]["story"]["title"] == "Singing"
        assert [(edit["field"], edit["value"]) for edit in document["edits"]] == [
            ("title", "Singing"), ("transcript", "We sang all the way home."),
        ]  # fmt: skip
        assert "title edited, " in keepsake("show", record).stdout
        assert "podcasts: to be made again: due" in keepsake("show", record).stdout
        assert "to be made again" in keepsake("status", record).stdout
        assert answer("records", "--search", "sang")[0]["title"] == "Singing"
        assert "--before" not in keepsake("records", "--limit", 1).stdout
        assert keepsake("edit", record, "--title", "Singing").stdout.startswith("Nothing changed")
        keepsake("edit", record, "--revert", "title")
        assert answer("show", record)["made"]["story"]["title"] == "Home"

    def test_an_activity_may_have_another_title(self, marlows: str, database_url: str) -> None:
        with connect(database_url) as db:
            db.execute(
                "WITH r AS (INSERT INTO records (line, owner_id, external_id, recorded_at,"
                " content_hash) SELECT 'running', id, 'a', '2026-05-04', '' FROM owners RETURNING"
                " id, owner_id), l AS (INSERT INTO ledger (record_id, owner_id, step, line, status)"
                " SELECT id, owner_id, name, line, 'succeeded' FROM r, steps"
                " WHERE line = 'running') INSERT INTO activity_files (record_id, owner_id,"
                " file_key, file_name, format, sha256)"
                " SELECT id, owner_id, 'k', 'a.gpx', 'gpx', '' FROM r"
            )
            (record,) = db.execute("SELECT max(id) FROM records").fetchone() or (0,)
        keepsake("edit", record, "--title", "Lunch run")
        assert answer("show", record)["made"]["title"] == "Lunch run"
        assert due_steps(database_url, record) == {"letters", "coaching_insights"}

    @pytest.mark.parametrize(
        ("wrong", "because"),
        [
            (("edit", "77", "--title", "A"), "there is no record 77"),
            (("edit", "{record}"), "say what to change"),
            (("edit", "{record}", "--title", " "), "the name is empty"),
            (("edit", "{record}", "--revert", "title"), "was not edited"),
            (("edit", "{record}", "--revert", "wisdom"), "not 'wisdom'"),
            (("edit", "{record}", "--title", "A", "--revert", "title"), "not both"),
            (("untag", "{record}", "hope"), "has no tag 'hope' (it has: none)"),
            (("tag", "77", "hope"), "there is no record 77"),
            (("vocabulary", "nobody"), "known: the-marlows"),
        ],
    )
    def test_what_cannot_be_done_is_refused(
        self, record: int, wrong: tuple[str, ...], because: str
    ) -> None:
        result = keepsake(*(word.format(record=record) for word in wrong))
        assert (result.exit_code, because in result.stderr) == (2, True), result.stderr

    def test_a_vocabulary_is_shown_and_changed(self, marlows: str, record: int) -> None:
        keepsake("tag", record, "hope")
        values = {row["value"]: row for row in answer("vocabulary", marlows, "--add", "Singing")}
        assert (len(values), values["hope"]["records"]) == (25, 1)
        shown = keepsake("vocabulary", marlows, "--remove", "hope").stdout
        assert "Took hope out, and off 1 record." in shown
        assert "hope" not in {row["value"] for row in answer("vocabulary", marlows)}


class TestDelete:
    """`keepsake delete`"""

    @pytest.fixture
    def spoken(self, marlows: str) -> int:
        added: int = answer("add", "response", marlows, "Rose", "--audio", DATA / "ellen.ogg")[
            "record_id"
        ]
        return added

    def test_says_what_goes_and_asks_on_a_terminal_only(self, spoken: int) -> None:
        result = keepsake("delete", spoken)
        assert result.exit_code == 2
        assert result.stdout == (
            f"Record {spoken} of the-marlows, family: spoken by Rose\nWith 1 object.\n"
        )
        assert "give --yes" in result.stderr
        assert keepsake("delete", spoken, "--dry-run").exit_code == 0
        assert len(answer("records")) == 1

    def test_tells_objects_that_were_left_before_apart(
        self, spoken: int, database_url: str
    ) -> None:
        with connect(database_url) as db:
            db.execute(
                "INSERT INTO loose_objects (key, owner_id, record_id)"
                " SELECT 'family/1/clips/old.mp3', owner_id, id + 1 FROM records"
            )
        shown = keepsake("delete", spoken, "--yes").stdout
        assert shown.endswith(
            "Deleted 1 record and 1 object, and 1 object left by earlier results or deletions.\n"
        )

    def test_deletes_the_record_and_its_file(self, spoken: int, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir(exist_ok=True)
        page = Path(keepsake("show", spoken, "--html").stdout.strip())
        assert page.is_file()
        shown = keepsake("delete", spoken, "--yes").stdout
        assert not page.exists()
        assert shown.endswith("Deleted 1 record and 1 object.\n")
        assert answer("records") == []
        assert not [p for p in (tmp_path / "home/objects").rglob("*") if p.is_file()]

    def test_one_unknown_record_deletes_none(self, spoken: int) -> None:
        result = keepsake("delete", spoken, 77, "--yes")
        assert (result.exit_code, "there is no record 77" in result.stderr) == (2, True)
        assert len(answer("records")) == 1

    def test_without_ids_what_is_left_of_earlier_ones_goes(
        self, spoken: int, database_url: str
    ) -> None:
        with connect(database_url) as db:
            delete_record(db, 1, spoken)
        assert answer("delete") == {
            "deleted": [], "objects": {"deleted": 1, "left": 0, "reason": None},
        }  # fmt: skip


class TestPrompts:
    """`keepsake prompts`, and answering one"""

    @pytest.fixture
    def prompt(self, marlows: str, database_url: str) -> int:
        """A prompt of the Marlows' own."""
        with connect(database_url) as db:
            row = db.execute(
                "INSERT INTO interview_prompts (owner_id, question, question_key, week, source)"
                " SELECT owner_id, 'Who sang?', 'who sang', '2026-05-04', 'ai' FROM families"
                " RETURNING id"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def test_none_yet(self, marlows: str) -> None:
        assert "no interview prompts yet" in keepsake("prompts", marlows).stdout
        assert answer("prompts", marlows) == []

    def test_one_is_listed_answered_by_id_and_listed_as_answered(
        self, marlows: str, prompt: int
    ) -> None:
        assert "Who sang?" in keepsake("prompts", marlows).stdout
        added = answer(
            "add", "response", marlows, "Rose", "--text", "My father.", "--prompt", str(prompt)
        )
        [listed] = answer("prompts", marlows)
        assert (listed["id"], listed["week"]) == (prompt, "2026-05-04")
        assert listed["answered_by"] == [added["record_id"]]

    def test_that_of_another_family_is_refused(self, marlows: str, prompt: int) -> None:
        keepsake("add", "family", "The Others")
        keepsake("add", "member", "the-others", "Kim")
        result = keepsake(
            "add", "response", "the-others", "Kim", "--text", "Me.", "--prompt", str(prompt)
        )
        assert result.exit_code == 2
        assert f"The Others has no interview prompt {prompt}" in result.stderr


class TestSearch:
    """`keepsake search`, with the real embedded model"""

    @pytest.fixture(autouse=True)
    def models(self, models_url: str, tmp_path: Path) -> None:
        (tmp_path / "home" / "up.json").write_text(json.dumps({"models_url": models_url}))

    def test_with_nothing_kept_it_says_so(self, marlows: str) -> None:
        assert "has nothing to search yet" in keepsake("search", marlows, "courage").stdout
        assert answer("search", marlows, "courage") == []

    @pytest.fixture
    def embedded(self, record: int, database_url: str, models_url: str) -> int:
        """The record with its passage, by the embedded model."""
        with connect(database_url) as db:
            (text,) = db.execute("SELECT text FROM responses").fetchone() or ("",)
            body = {"model": USE, "input": text}
            answer = httpx.post(f"{models_url}/embeddings", json=body, timeout=60).json()
            db.execute(
                "INSERT INTO passages (record_id, position, owner_id, text, model, dimensions,"
                " embedding) SELECT record_id, 0, owner_id, text, %s, 512, %s::text::halfvec"
                " FROM responses",
                (USE, str(answer["data"][0]["embedding"])),
            )
            db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
        return record

    def test_finds_a_passage(self, marlows: str, embedded: int) -> None:
        (hit,) = answer("search", marlows, "songs on the road")
        assert hit["record_id"] == embedded
        assert hit["similarity"] > 0.2
        assert "We sang on the way home." in keepsake("search", marlows, "Lieder").stdout

    def test_what_means_nothing_has_no_hit(self, marlows: str, embedded: int) -> None:
        assert answer("search", marlows, "zzzzqqq") == []
        assert "`--all` shows the nearest" in keepsake("search", marlows, "zzzzqqq").stdout
        assert len(answer("search", marlows, "zzzzqqq", "--all")) == 1

    def test_words_are_marked_and_scores_shown_on_demand(self, marlows: str, embedded: int) -> None:
        shown = keepsake("search", marlows, "way home").stdout
        assert "We sang on the *way* *home*." in shown
        assert "similarity" not in shown
        assert "similarity 0." in keepsake("search", marlows, "way home", "--scores").stdout
        (hit,) = answer("search", marlows, "way home")
        assert [hit["text"][start:end] for start, end in hit["marks"]] == ["way", "home"]

    def test_what_was_just_added_is_found_by_words_and_said_to_be_under_way(
        self, marlows: str, record: int
    ) -> None:
        nothing = keepsake("search", marlows, "courage").stdout
        assert nothing.startswith("1 record of The Marlows is still being processed")
        assert "We *sang* on the way home." in keepsake("search", marlows, "sang").stdout

    def test_passages_of_another_model_are_said_to_be_left_out(
        self, marlows: str, embedded: int, database_url: str
    ) -> None:
        with connect(database_url) as db:
            db.execute("UPDATE passages SET model = 'another'")
        shown = keepsake("search", marlows, "songs").stdout
        assert "embedded by another model" in shown
        assert "nothing to search" not in shown

    def test_an_empty_query_is_refused(self, marlows: str) -> None:
        assert keepsake("search", marlows, " ").exit_code == 2

    def test_filters_leave_out_what_does_not_match(self, marlows: str, embedded: int) -> None:
        for name, matching, other in (
            ("--line", "family", "running"),
            ("--person", "Rose", "Ellen"),
            ("--since", "2026-01-01", "2036-01-01"),
            ("--until", "2036-01-01", "2016-01-01"),
            ("--kind", "passage", "story"),
        ):
            assert len(answer("search", marlows, "sang", name, matching)) == 1, name
            assert answer("search", marlows, "sang", name, other) == [], name
        assert answer("search", marlows, "sang", "--tag", "love") == []
        assert (
            "there is no kind 'song'" in keepsake("search", marlows, "x", "--kind", "song").stderr
        )

    def test_without_a_model_it_searches_by_words_and_says_so(
        self, marlows: str, embedded: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EMBEDDINGS_BASE_URL", "http://127.0.0.1:9/v1")
        monkeypatch.setenv("EMBEDDINGS_MODEL", USE)
        shown = keepsake("search", marlows, "sang").stdout
        assert "We *sang* on the way home." in shown
        assert "does not answer, so this was searched by words alone" in shown


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


@pytest.mark.parametrize(
    "command",
    ["", "add", "add response", "add owner", "status", "records", "show", "batches", "search",
     "retry", "owner",
     "owners", "costs", "up"],
)  # fmt: skip
def test_every_command_has_help(command: str) -> None:
    result = keepsake(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
