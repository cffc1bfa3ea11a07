"""Alerts over HTTP, and the rules by which people are told of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import Door

RULES = "/api/alert-rules"
MANY = {"name": "Many fail", "metric": "failure_rate", "threshold": 0.25}


def make(client: httpx.Client, **rule: Any) -> str:
    """The address of a rule."""
    answer = client.post(RULES, json={**MANY, **rule})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


def fire(door: Door, address: str, owner_id: int | None, **columns: Any) -> None:
    row = {"state": "firing", "value": 0.5, "subject": "tags", **columns}
    door.db.execute(
        "INSERT INTO alerts (owner_id, rule_id, state, value, subject, since, fired_at)"
        " VALUES (%s, %s, %s, %s, %s, now(), now())",
        (owner_id, int(address.rsplit("/", 1)[1]), row["state"], row["value"], row["subject"]),
    )


def test_a_rule_is_added_changed_muted_and_removed(door: Door, rose: httpx.Client) -> None:
    address = make(rose, clear_at=0.2)
    made = rose.get(address).json()
    assert (made["clear_at"], made["comparison"], made["built_in"]) == (0.2, "above", False)
    assert rose.get(RULES).json() == {"rules": [made]}
    changed = rose.patch(address, json={"threshold": 0.5, "clear_at": None, "enabled": False})
    assert changed.json() == {**made, "threshold": 0.5, "clear_at": None, "enabled": False}
    until = datetime.now(UTC) + timedelta(hours=1)
    muted = rose.post(f"{address}/mute", json={"until": until.isoformat()}).json()
    assert datetime.fromisoformat(muted["muted_until"]) == until
    assert rose.post(f"{address}/unmute").json()["muted_until"] is None
    assert rose.delete(address).status_code == 204
    assert rose.get(address).status_code == 404
    written = door.db.execute(
        "SELECT action, owner_id FROM audit_log WHERE action LIKE 'alert%' ORDER BY id"
    ).fetchall()
    actions = ["add", "change", "mute", "unmute", "remove"]
    assert written == [(f"alert_rule.{what}", door.marlows.id) for what in actions]
    events = rose.get("/api/alerts/history").json()["events"]
    assert [event["detail"].split()[0] for event in events] == [
        "deleted", "unmuted", "muted", "threshold", "added",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "mood"}, "body.metric"),
        ({"metric": "database_bytes"}, "metric 'database_bytes' is none of failure_rate"),
        ({"clear_at": 0.9}, "clear_at is where an alert ends"),
        ({"severity": "dire"}, "body.severity"),
        ({"for_seconds": -1}, "body.for_seconds"),
        ({"window_seconds": 0}, "window_seconds is a number from 1"),
        ({"name": ""}, "name"),
        ({"mood": 1}, "body.mood"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_cannot_be_a_rule_is_a_problem(
    rose: httpx.Client, change: dict[str, Any], says: str
) -> None:
    address = make(rose, name="there")
    for answer in (rose.post(RULES, json={**MANY, **change}), rose.patch(address, json=change)):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert says in answer.json()["detail"]
    assert rose.patch(address, json={"threshold": None}).status_code == 422
    assert len(rose.get(RULES).json()["rules"]) == 1


def test_the_same_request_twice_adds_one_rule(rose: httpx.Client) -> None:
    key = {"Idempotency-Key": "a-rule"}
    first, second = (rose.post(RULES, json=MANY, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert rose.post(RULES, json=MANY).status_code == 422, "there is one of that name"


def test_alerts_are_seen_by_those_of_their_owner(
    door: Door, rose: httpx.Client, otto: httpx.Client
) -> None:
    fire(door, make(rose), door.marlows.id)
    [alert] = rose.get("/api/alerts").json()["alerts"]
    assert (alert["state"], alert["subject"], alert["rule_name"]) == ("firing", "tags", "Many fail")
    assert "50 %, above 25 %" in alert["message"]
    assert otto.get("/api/alerts").json() == {"alerts": []}
    assert otto.get("/api/alerts/history").json() == {"events": [], "next": None}
    door.db.execute("UPDATE alerts SET state = 'resolved', resolved_at = now()")
    assert rose.get("/api/alerts").json() == {"alerts": []}
    [ended] = rose.get("/api/alerts", params={"which": "all"}).json()["alerts"]
    assert ended["state"] == "resolved"


def test_history_is_read_page_by_page(rose: httpx.Client) -> None:
    for number in range(3):
        make(rose, name=f"Rule {number}")
    first = rose.get("/api/alerts/history", params={"limit": 2}).json()
    assert [event["rule_name"] for event in first["events"]] == ["Rule 2", "Rule 1"]
    rest = rose.get("/api/alerts/history", params={"limit": 2, "before": first["next"]}).json()
    assert ([event["rule_name"] for event in rest["events"]], rest["next"]) == (["Rule 0"], None)


def test_another_owners_rule_is_answered_like_one_that_is_not_there(
    rose: httpx.Client, otto: httpx.Client
) -> None:
    address = make(rose)
    until = {"until": "2030-01-01T00:00:00Z"}
    for asked in (address, f"{RULES}/123456"):
        foreign = [
            otto.get(asked),
            otto.patch(asked, json={"threshold": 1}),
            otto.delete(asked),
            otto.post(f"{asked}/mute", json=until),
            otto.post(f"{asked}/unmute"),
        ]
        assert [answer.status_code for answer in foreign] == [404] * 5
        assert {answer.json()["detail"] for answer in foreign} == {"there is no such rule here"}
    assert rose.get(address).json()["threshold"] == 0.25


def test_who_reads_changes_no_rule(door: Door, rose: httpx.Client) -> None:
    address, reader = make(rose), door.client("read")
    assert reader.get(address).status_code == 200
    for answer in (
        reader.post(RULES, json=MANY),
        reader.patch(address, json={}),
        reader.post(f"{address}/unmute"),
        reader.delete(address),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_rules_about_the_system_are_for_operators(door: Door, rose: httpx.Client) -> None:
    operator = door.operator()
    address = make(operator, metric="database_bytes", threshold=1e12)
    fire(door, address, None)
    assert rose.get(address).status_code == 404
    assert [alert["subject"] for alert in operator.get("/api/alerts").json()["alerts"]] == ["tags"]
    assert rose.get("/api/alerts").json() == {"alerts": []}
    theirs = make(rose)
    assert operator.get(theirs, params={"owner": "the-marlows"}).json()["name"] == "Many fail"
    assert operator.get(theirs).status_code == 404, "it is not the system's"


def test_the_metrics_say_what_they_measure_and_in_which_unit(rose: httpx.Client) -> None:
    metrics = {each["name"]: each for each in rose.get(f"{RULES}/metrics").json()["metrics"]}
    assert (metrics["failure_rate"]["unit"], metrics["failure_rate"]["of_owners"]) == (
        "ratio", True,
    )  # fmt: skip
    assert metrics["database_bytes"]["of_owners"] is False
