"""`keepsake alerts`, on a real database."""

from collections.abc import Iterator
from functools import partial

import pytest

from keepsake.database import Connection, connect
from keepsake.owners.owners import add_owner
from tests import commands
from tests.doubles.server import serving
from tests.doubles.slack import PATH, Slack

keepsake = partial(commands.keepsake, "alerts")
answer = partial(commands.answer, "alerts")
refused = partial(commands.refused, "alerts")

MINE = ("add", "Many fail", "--metric", "failure_rate", "--threshold", "25%")


@pytest.fixture(autouse=True)
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """The command's database, with an owner."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with connect(database_url) as connection:
        add_owner(connection, "Ada")
        yield connection


def test_a_rule_is_added_changed_muted_and_removed(db: Connection) -> None:
    said = ("--clear-at", "20%", "--window", "10m", "--for", "1m", "--severity", "high")
    rule = answer(*MINE, *said, "--owner", "ada", "--least-events", 5)
    assert (rule["threshold"], rule["clear_at"], rule["window_seconds"]) == (0.25, 0.2, 600)
    assert (rule["for_seconds"], rule["severity"], rule["owner_id"]) == (60, "high", 1)
    changed = answer("change", rule["id"], "--threshold", "30 %", "--below", "--clear-at", "0.4")
    assert (changed["threshold"], changed["comparison"]) == (0.3, "below")
    assert "is muted until" in keepsake("mute", rule["id"], "--for", "2d").output
    assert answer("unmute", rule["id"])["muted_until"] is None
    assert not answer("change", rule["id"], "--disable")["enabled"]
    [listed] = answer("rules", "--owner", "ada")
    assert (listed["id"], listed["enabled"]) == (rule["id"], False)
    assert "below 30 %" in keepsake("rules", "--owner", "ada").output
    assert "is removed" in keepsake("remove", rule["id"]).output
    assert answer("rules", "--owner", "ada") == []
    told = [entry["detail"] for entry in answer("history", "--owner", "ada")]
    assert (told[-1], told[0]) == ("added", "deleted")
    audited = db.execute("SELECT action, owner_id FROM audit_log ORDER BY id").fetchall()
    assert audited[0] == ("alert_rule.add", 1)
    assert {action for action, _ in audited} == {
        f"alert_rule.{what}" for what in ("add", "change", "mute", "unmute", "remove")
    }


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (("--metric", "mood", "--threshold", "1"), "there is no metric 'mood'. There are: failure"),
        (("--metric", "queue_depth", "--threshold", "10%"), "--threshold '10%' cannot be read"),
        (("--metric", "backup_age", "--threshold", "soon"), "--threshold 'soon' is no span"),
        (
            ("--metric", "failure_rate", "--threshold", "10%", "--clear-at", "20%"),
            "clear_at is where an alert ends, so it is not above the threshold 0.1",
        ),
        (("--metric", "workers", "--threshold", "1", "--severity", "dire"), "severity 'dire' is"),
        (("--metric", "workers", "--threshold", "1", "--window", "5"), "--window '5' is no span"),
    ],
    ids=["metric", "unit", "span", "wrong side", "severity", "window"],
)
def test_what_cannot_be_a_rule_is_refused_with_why(said: tuple[str, ...], complaint: str) -> None:
    assert complaint in refused("add", "Mine", *said)
    assert "Mine" not in [rule["name"] for rule in answer("rules")]


def test_a_rule_of_a_name_that_is_there_and_one_that_is_not_there() -> None:
    answer(*MINE)
    assert "there is already a rule 'Many fail'" in refused(*MINE)
    assert "there is no rule 99" in refused("mute", 99)


def test_alerts_are_listed_until_they_end(db: Connection) -> None:
    rule_id = answer(*MINE)["id"]
    assert "Nothing is wrong that a rule looks at." in keepsake("list").output
    db.execute(
        "INSERT INTO alerts (rule_id, subject, state, value, since, fired_at)"
        " VALUES (%s, 'tags', 'firing', 0.5, now(), now())",
        (rule_id,),
    )
    [alert] = answer("list")
    assert (alert["state"], alert["subject"], alert["rule_name"]) == ("firing", "tags", "Many fail")
    assert "50 %, above 25 %" in keepsake("list").output
    assert answer("list", "--owner", "ada") == []
    db.execute("UPDATE alerts SET state = 'resolved', resolved_at = now()")
    assert answer("list") == []
    assert [alert["state"] for alert in answer("list", "--all")] == ["resolved"]


def test_a_test_alert_says_what_each_channel_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    none = keepsake("test")
    assert none.exit_code == 1
    assert "alerts reach no one: set ALERT_URLS" in none.stderr
    slack = Slack()
    with serving(slack) as address:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", address + PATH)
        assert answer("test") == [{"channel": "slack", "status": "sent", "detail": "Slack took it"}]
        monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{address}/services/SeCrEt")
        failed = keepsake("test")
    assert failed.exit_code == 1
    assert "slack: failed (Slack refused it, for good: 404 no_service)" in failed.output
    assert "SeCrEt" not in failed.output
    assert [len(seen.json["blocks"]) for seen in slack.seen] == [4, 4]
