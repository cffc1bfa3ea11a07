"""Jobs over HTTP: who may submit, see, cancel and retry which."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from keepsake.accounts.sessions import start_session
from keepsake.accounts.tokens import create_token
from keepsake.accounts.users import add_user, set_role
from tests.api.conftest import Door, open_door
from tests.databases import Copies

DIGEST = {"type": "make_digest", "data": {"week": "2026-W46"}}


@pytest.fixture(scope="module")
def shared(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with _copies.one() as url, open_door(url, tmp_path_factory.mktemp("home")) as door:
        yield door


@pytest.fixture
def door(shared: Door) -> Door:
    """A server of all tests here, without jobs. No worker runs."""
    shared.db.execute("TRUNCATE jobs, job_schedules, idempotency_keys CASCADE")
    return shared


def submit(client: httpx.Client, **job: Any) -> int:
    """The id of a job."""
    answer = client.post("/api/jobs", json={**DIGEST, **job})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def ended(door: Door, job_id: int, status: str = "failed") -> None:
    """Let a job have ended so."""
    door.db.execute(
        "UPDATE jobs SET status = %s, attempt = 1, started_at = now(), finished_at = now()"
        " WHERE id = %s",
        (status, job_id),
    )


def member(door: Door, email: str, role: str, *scopes: str) -> httpx.Client:
    """A client of a member of the Marlows: in a session, or with a token of these scopes."""
    user_id = add_user(door.db, email, "Somebody").id
    set_role(door.db, owner_id=door.marlows.id, user_id=user_id, role=role)
    if scopes:
        token, _ = create_token(
            door.db, "test", owner_id=door.marlows.id, scopes=scopes, user_id=user_id
        )
        headers = {"Authorization": f"Bearer {token}"}
    else:
        headers = {
            "Cookie": f"keepsake_session={start_session(door.db, user_id)}",
            "Sec-Fetch-Site": "same-origin",
        }
    client = httpx.Client(base_url=door.url, headers=headers, timeout=20)
    door.clients.append(client)
    return client


def code(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.json()['code']}"


# -- submitting -----------------------------------------------------------------------------------


def test_a_job_that_is_submitted_is_pending_and_of_the_owner(
    door: Door, rose: httpx.Client
) -> None:
    answer = rose.post(
        "/api/jobs",
        json={
            **DIGEST,
            "tag": "digest",
            "priority": "urgent",
            "run_after": "2027-01-31T09:00:00+01:00",
            "metadata": {"department": "sales"},
            "tags": ["b", "a"],
        },
    )
    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "status": "pending", "created": True}
    job = rose.get(answer.headers["Location"]).json()
    assert job["owner"] == "the-marlows"
    assert (job["status"], job["priority"], job["tags"]) == ("pending", "urgent", ["a", "b"])
    assert job["data"] == {"week": "2026-W46"}
    assert job["next_attempt_at"] == "2027-01-31T08:00:00Z"


def test_the_pending_job_of_a_tag_is_the_answer(rose: httpx.Client) -> None:
    first = submit(rose, tag="digest")
    again = rose.post("/api/jobs", json={**DIGEST, "tag": "digest"})
    assert again.status_code == 200
    assert again.json() == {"id": first, "status": "pending", "created": False}
    assert again.headers["Location"] == f"/api/jobs/{first}"


def test_two_owners_may_use_the_same_tag(rose: httpx.Client, otto: httpx.Client) -> None:
    assert submit(rose, tag="digest") != submit(otto, tag="digest")


def test_a_request_that_is_repeated_submits_once(rose: httpx.Client) -> None:
    answers = [
        rose.post("/api/jobs", json=DIGEST, headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(rose.get("/api/jobs").json()["jobs"]) == 1


def test_who_asks_for_a_job_is_kept(door: Door) -> None:
    someone = member(door, "ed@example.com", "editor")
    job = someone.get(f"/api/jobs/{submit(someone)}").json()
    assert door.db.execute(
        "SELECT email FROM users WHERE id = %s", (job["user_id"],)
    ).fetchone() == ("ed@example.com",)


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"type": "dance"}, "known: "),
        ({"type": "x" * 10_000}, "there is no type of jobs"),
        ({"data": {"week": 46}}, "body.data.week"),
        ({"data": {"weak": "last"}}, "body.data.weak"),
        ({"data": []}, "body.data"),
        ({"tag": "x" * 10_000}, "10,000 characters; at most 200"),
        ({"tag": ""}, "the tag is empty"),
        ({"tag": "a\x00b"}, "cannot be printed"),
        ({"run_after": "1970-01-01T00:00:00Z"}, "within the next five years"),
        ({"run_after": "9999-12-31T23:59:59-12:00"}, "within the next five years"),
        ({"run_after": "2026-12-01T09:00"}, "has no time zone"),
        ({"run_after": "tomorrow"}, "body.run_after"),
        ({"priority": "now"}, "body.priority"),
        ({"ttl_seconds": 0}, "the ttl must be from 1 s to five years"),
        ({"ttl_seconds": 1e300}, "body.ttl_seconds"),
        ({"debounce": {"delay_seconds": 1, "longest_seconds": 9}}, "needs a tag"),
        ({"metadata": {"a": "\x00"}}, "NUL"),
        ({"metadata": {"a": "x" * 20_000}}, "at most 16,000"),
        ({"tags": ["a"] * 50}, "at most 20"),
        ({"concurrency_key": "make_digest/2"}, "body.concurrency_key"),
        ({"type": "ingest_history", "data": {}}, "together with what it needs"),
    ],
)
def test_what_cannot_be_submitted_is_a_problem(
    rose: httpx.Client, job: dict[str, Any], says: str
) -> None:
    answer = rose.post("/api/jobs", json={**DIGEST, **job})
    assert code(answer) == "422 invalid_input"
    assert says in answer.json()["detail"]
    assert rose.get("/api/jobs").json()["jobs"] == []


def test_data_that_does_not_fit_is_told_field_by_field(rose: httpx.Client) -> None:
    answer = rose.post("/api/jobs", json={**DIGEST, "data": {"week": 46, "day": 3}})
    assert {each["where"] for each in answer.json()["errors"]} == {
        "body.data.week",
        "body.data.day",
    }


def test_a_type_is_submitted_with_its_permission_alone(door: Door) -> None:
    for scope, allowed in {"ingest": False, "edit": True, "manage": False}.items():
        answer = door.client("read", scope).post("/api/jobs", json=DIGEST)
        assert answer.is_success == allowed, scope
    assert code(door.client("read").post("/api/jobs", json=DIGEST)) == "403 forbidden"


def test_jobs_of_the_system_are_for_operators(door: Door, rose: httpx.Client) -> None:
    clean_up = {"type": "clean_up"}
    assert code(rose.post("/api/jobs", json=clean_up)) == "403 forbidden"
    operator = door.operator()
    made = operator.post("/api/jobs", json=clean_up).json()["id"]
    assert operator.get(f"/api/jobs/{made}").json()["owner"] is None
    assert code(rose.get(f"/api/jobs/{made}")) == "404 not_found"
    assert operator.post(f"/api/jobs/{made}/cancel").json()["changed"]


def test_an_operator_says_of_which_owner_a_job_is(door: Door) -> None:
    operator = door.operator()
    assert "say of which" in operator.post("/api/jobs", json=DIGEST).json()["detail"]
    answer = operator.post("/api/jobs?owner=the-others", json=DIGEST)
    assert operator.get(answer.headers["Location"]).json()["owner"] == "the-others"


def test_who_has_two_owners_names_one(door: Door) -> None:
    someone = member(door, "two@example.com", "owner")
    user = door.db.execute("SELECT id FROM users WHERE email = 'two@example.com'").fetchone()
    assert user is not None
    set_role(door.db, owner_id=door.others.id, user_id=user[0], role="owner")
    assert code(someone.post("/api/jobs", json=DIGEST)) == "400 owner_required"
    assert code(someone.get("/api/jobs")) == "400 owner_required"
    made = someone.post("/api/jobs?owner=the-others", json=DIGEST).json()["id"]
    assert someone.get(f"/api/jobs/{made}").json()["owner"] == "the-others"
    assert someone.get("/api/jobs?owner=the-marlows").json()["jobs"] == []


# -- finding --------------------------------------------------------------------------------------


def found(client: httpx.Client, query: str) -> list[int]:
    answer = client.get(f"/api/jobs?{query}")
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def test_jobs_are_found_by_what_is_known_of_them(door: Door, rose: httpx.Client) -> None:
    plain = submit(rose)
    marked = submit(
        rose, tag="digest", tags=["a", "b"], metadata={"department": "sales", "n": {"of": [1, 2]}}
    )
    failed = submit(rose, type="export_owner", data={})
    ended(door, failed)
    door.db.execute(
        "UPDATE jobs SET created_at = now() - interval '3 days' WHERE id = %s", (plain,)
    )
    door.db.execute("UPDATE jobs SET parent_id = %s WHERE id = %s", (plain, failed))
    assert found(rose, "") == [failed, marked, plain]
    assert found(rose, "status=failed") == [failed]
    assert found(rose, "status=failed&status=pending") == [failed, marked, plain]
    assert found(rose, "type=make_digest") == [marked, plain]
    assert found(rose, "tag=digest") == [marked]
    assert found(rose, "tags=a&tags=b") == [marked]
    assert found(rose, "tags=a&tags=c") == []
    assert found(rose, 'metadata={"n": {"of": [2]}}') == [marked]
    assert found(rose, f"parent={plain}") == [failed]
    day = door.db.execute("SELECT (now() - interval '1 day')::date").fetchone()
    assert day is not None
    assert found(rose, f"since={day[0]}T00:00:00Z") == [failed, marked]
    assert found(rose, f"until={day[0]}T00:00:00Z") == [plain]


def test_a_list_goes_on_where_its_page_ended(rose: httpx.Client) -> None:
    made = [submit(rose, tags=["a"]) for _ in range(5)]
    first = rose.get("/api/jobs?limit=2&tags=a")
    assert first.links["next"]["url"].startswith("/api/jobs?")
    second = rose.get(first.links["next"]["url"])
    third = rose.get(second.links["next"]["url"])
    ids = [job["id"] for page in (first, second, third) for job in page.json()["jobs"]]
    assert ids == made[::-1]
    assert "Link" not in third.headers


def test_owners_see_their_own_jobs_and_operators_all(
    door: Door, rose: httpx.Client, otto: httpx.Client
) -> None:
    of_rose, of_otto = submit(rose), submit(otto)
    operator = door.operator()
    of_system = operator.post("/api/jobs", json={"type": "clean_up"}).json()["id"]
    assert found(rose, "") == [of_rose]
    assert found(otto, "") == [of_otto]
    assert found(operator, "") == [of_system, of_otto, of_rose]
    assert found(operator, "owner=the-others") == [of_otto]
    assert found(operator, "system=true") == [of_system]
    assert found(rose, "system=true") == []
    assert code(otto.get("/api/jobs?owner=the-marlows")) == "404 not_found"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("status=done", "query.status"),
        ("metadata={", "no JSON object"),
        ("metadata=[]", "no JSON object"),
        (f"metadata={'x' * 2000}", "query.metadata"),
        ('metadata={"a": "\\u0000"}', "NUL"),
        ('metadata={"a": "\\ud800"}', "JSON has no form for"),
        ("since=yesterday", "query.since"),
        ("since=2026-12-01T09:00", "no time zone"),
        ("cursor=x", "cursor"),
        ("limit=0", "query.limit"),
        ("parent=0", "query.parent"),
        ("color=red", "query.color"),
    ],
)
def test_a_filter_that_means_nothing_is_a_problem(
    rose: httpx.Client, query: str, says: str
) -> None:
    answer = rose.get(f"/api/jobs?{query}")
    assert code(answer) == "422 invalid_input"
    assert says in answer.json()["detail"]


def test_a_job_is_shown_with_its_attempts_children_and_log(door: Door, rose: httpx.Client) -> None:
    job, child = submit(rose), submit(rose)
    ended(door, job)
    door.db.execute("UPDATE jobs SET parent_id = %s WHERE id = %s", (job, child))
    door.db.execute(
        "INSERT INTO job_attempts (job_id, owner_id, attempt, started_at, outcome, error_type)"
        " VALUES (%s, %s, 1, now(), 'failed', 'StepError')",
        (job, door.marlows.id),
    )
    door.db.execute(
        "INSERT INTO job_log (job_id, owner_id, attempt, at, level, message)"
        " VALUES (%(job)s, %(owner)s, 1, now(), 'INFO', '1 of 2'),"
        " (%(job)s, %(owner)s, 1, now(), 'INFO', '2 of 2')",
        {"job": job, "owner": door.marlows.id},
    )
    shown = rose.get(f"/api/jobs/{job}").json()
    assert [attempt["error_type"] for attempt in shown["attempts"]] == ["StepError"]
    assert [each["id"] for each in shown["children"]] == [child]
    assert shown["next_attempt_at"] is None
    first, second = rose.get(f"/api/jobs/{job}/log").json()["lines"]
    assert (first["message"], second["message"]) == ("1 of 2", "2 of 2")
    after = rose.get(f"/api/jobs/{job}/log", params={"after": first["id"]}).json()["lines"]
    assert after == [second]


def test_another_owners_job_is_answered_like_one_that_is_not_there(
    rose: httpx.Client, otto: httpx.Client
) -> None:
    job = submit(rose)
    for method, path in (
        ("GET", ""), ("GET", "/log"), ("POST", "/cancel"), ("POST", "/retry"),
    ):  # fmt: skip
        foreign = otto.request(method, f"/api/jobs/{job}{path}")
        none = otto.request(method, f"/api/jobs/{job + 1_000}{path}")
        assert code(foreign) == code(none) == "404 not_found"
        assert foreign.text == none.text.replace(str(job + 1_000), str(job))
    assert rose.get(f"/api/jobs/{job}").json()["status"] == "pending"


def test_the_types_of_jobs_say_what_they_are_given(door: Door, rose: httpx.Client) -> None:
    types = {each["name"]: each for each in rose.get("/api/job-types").json()["types"]}
    digest = types["make_digest"]
    assert (digest["permission"], digest["whose"], digest["offered"]) == ("edit", "owner", True)
    assert digest["data"]["properties"]["week"]["type"] == "string"


# -- cancelling and retrying ----------------------------------------------------------------------


def test_a_cancel_takes_children_along_and_a_second_one_changes_nothing(
    door: Door, rose: httpx.Client
) -> None:
    job, child = submit(rose), submit(rose)
    door.db.execute("UPDATE jobs SET parent_id = %s WHERE id = %s", (job, child))
    answers = [rose.post(f"/api/jobs/{job}/cancel") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json() for answer in answers] == [
        {"id": job, "status": "cancelled", "changed": True, "children": [child]},
        {"id": job, "status": "cancelled", "changed": False, "children": []},
    ]


def test_a_member_cancels_no_child_that_is_another_owners(
    door: Door, rose: httpx.Client, otto: httpx.Client
) -> None:
    job, child = submit(rose), submit(otto)
    door.db.execute("UPDATE jobs SET parent_id = %s WHERE id = %s", (job, child))
    assert rose.post(f"/api/jobs/{job}/cancel").json()["children"] == []
    assert otto.get(f"/api/jobs/{child}").json()["status"] == "pending"


def test_an_operator_cancels_children_of_whatever_owner(
    door: Door, rose: httpx.Client, otto: httpx.Client
) -> None:
    job, child = submit(rose), submit(otto)
    door.db.execute("UPDATE jobs SET parent_id = %s WHERE id = %s", (job, child))
    assert door.operator().post(f"/api/jobs/{job}/cancel").json()["children"] == [child]


def test_people_cancel_what_they_have_asked_for_and_not_what_others_have(door: Door) -> None:
    someone = member(door, "vi@example.com", "editor")
    own, others = submit(someone), submit(door.client())
    door.db.execute(
        "UPDATE memberships SET role = 'viewer' WHERE user_id ="
        " (SELECT id FROM users WHERE email = 'vi@example.com')"
    )
    assert code(someone.post(f"/api/jobs/{others}/cancel")) == "403 forbidden"
    assert code(someone.post(f"/api/jobs/{own}/retry")) == "403 forbidden"
    assert someone.post(f"/api/jobs/{own}/cancel").json()["changed"]


def test_a_token_that_only_reads_cancels_nothing(door: Door) -> None:
    reader = member(door, "re@example.com", "owner", "read")
    job = submit(door.client())
    door.db.execute(
        "UPDATE jobs SET user_id = (SELECT id FROM users WHERE email = 're@example.com')"
    )
    assert code(reader.post(f"/api/jobs/{job}/cancel")) == "403 forbidden"


def test_a_job_that_failed_is_retried(door: Door, rose: httpx.Client) -> None:
    job = submit(rose)
    ended(door, job)
    assert rose.post(f"/api/jobs/{job}/retry").json() == {"id": job, "status": "pending"}
    assert rose.get(f"/api/jobs/{job}").json()["finished_at"] is None


@pytest.mark.parametrize("status", ["succeeded", "pending"])
def test_what_did_not_fail_is_not_retried(door: Door, rose: httpx.Client, status: str) -> None:
    job = submit(rose)
    if status == "succeeded":
        ended(door, job, status)
    answer = rose.post(f"/api/jobs/{job}/retry")
    assert code(answer) == "409 conflict"
    assert f"job {job}" in answer.json()["detail"]


def test_the_audit_log_says_who_did_what_with_a_job(door: Door, rose: httpx.Client) -> None:
    job = submit(rose)
    rose.post(f"/api/jobs/{job}/cancel")
    rose.post(f"/api/jobs/{job}/retry")
    rows = door.db.execute(
        "SELECT action FROM audit_log WHERE detail = %s ORDER BY id", (f"job {job}",)
    ).fetchall()
    assert rows == [("job.submit",), ("job.cancel",), ("job.retry",)]


# -- many at once ---------------------------------------------------------------------------------


def test_all_that_a_filter_finds_is_cancelled_and_retried(door: Door, rose: httpx.Client) -> None:
    made = [submit(rose, metadata={"batch": 1}) for _ in range(3)]
    other = submit(rose)
    wanted = {"metadata": {"batch": 1}}
    counted = rose.post("/api/jobs/cancel", json={**wanted, "dry_run": True}).json()
    assert counted["found"] == {"pending": 3}
    assert found(rose, "status=pending") == [other, *made[::-1]]
    done = rose.post("/api/jobs/cancel", json=wanted).json()
    assert (done["changed"], done["left"], done["next"]) == (made, 0, None)
    assert found(rose, "status=pending") == [other]
    again = rose.post("/api/jobs/retry", json={**wanted, "status": ["cancelled"]}).json()
    assert again["changed"] == made


def test_what_one_request_does_not_change_is_left_for_the_next(
    door: Door, rose: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepsake.http.jobs.MOST_AT_ONCE", 2)
    made = [submit(rose) for _ in range(5)]
    wanted = {"type": "make_digest"}
    first = rose.post("/api/jobs/cancel", json=wanted).json()
    assert (first["changed"], first["left"]) == (made[:2], 3)
    second = rose.post("/api/jobs/cancel", json={**wanted, "after": first["next"]}).json()
    assert (second["changed"], second["left"]) == (made[2:4], 1)


@pytest.mark.parametrize("path", ["cancel", "retry"])
def test_a_filter_that_means_all_jobs_is_refused(rose: httpx.Client, path: str) -> None:
    submit(rose)
    all_jobs: list[dict[str, Any]] = [{}, {"dry_run": True}, {"after": 1}, {"metadata": {}}]
    for wanted in all_jobs:
        answer = rose.post(f"/api/jobs/{path}", json=wanted)
        assert code(answer) == "422 invalid_input"
        assert "means all jobs" in answer.json()["detail"]


def test_of_many_jobs_those_that_are_not_ones_to_change_are_refused(
    door: Door, rose: httpx.Client, otto: httpx.Client
) -> None:
    digest, export, foreign = submit(rose), submit(rose, type="export_owner", data={}), submit(otto)
    done = door.client("read", "edit").post("/api/jobs/cancel", json={"status": ["pending"]})
    assert done.json()["changed"] == [digest]
    assert list(done.json()["refused"]) == [str(export)]
    assert "'manage'" in json.dumps(done.json()["refused"])
    assert found(otto, "status=pending") == [foreign]
