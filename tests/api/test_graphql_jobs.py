"""Jobs over GraphQL: submitted, found, cancelled and retried by whom they concern."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from keepsake.accounts.sessions import start_session
from keepsake.accounts.users import add_user, set_role
from keepsake.api.graphql import asked
from keepsake.http.jobs import Reach
from tests.api.conftest import Door, open_door
from tests.api.test_graphql import ask, code
from tests.databases import Copies

SUBMIT = "mutation ($job: NewJob!) { submitJob(job: $job) { created job { id status } } }"
CANCEL = """
  mutation ($id: Int!) {
    cancelJob(jobId: $id) { id success finished result status cancelRequested }
  }
"""
RETRY = "mutation ($id: Int!) { retryJob(jobId: $id) { id status finished cancelRequested } }"
LIST = """
  query ($filter: JobFilter, $first: Int, $after: String, $owner: String) {
    jobs(filter: $filter, first: $first, after: $after, owner: $owner) {
      edges { cursor node { id tag } } pageInfo { hasNextPage endCursor }
    }
  }
"""
DIGEST = {"type": "make_digest"}


@pytest.fixture(scope="module")
def door(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with _copies.one() as url, open_door(url, tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
def rose(door: Door) -> httpx.Client:
    return door.client()


@pytest.fixture(scope="module")
def otto(door: Door) -> httpx.Client:
    return door.client(owner="the-others")


@pytest.fixture(scope="module")
def operator(door: Door) -> httpx.Client:
    return door.operator()


@pytest.fixture(autouse=True)
def _no_jobs(door: Door) -> Iterator[None]:
    yield
    door.db.execute("DELETE FROM jobs")


def submitted(client: httpx.Client, **job: Any) -> int:
    """The id of a new job."""
    answer = ask(client, SUBMIT, job={**DIGEST, **job})["data"]["submitJob"]
    assert answer["created"]
    found: int = answer["job"]["id"]
    return found


def listed(client: httpx.Client, **asked: Any) -> list[int]:
    """The ids of a list."""
    return [each["node"]["id"] for each in ask(client, LIST, **asked)["data"]["jobs"]["edges"]]


def test_a_cancelled_job_is_cancelled_at_once(rose: httpx.Client) -> None:
    job = submitted(rose)
    cancelled = {
        "id": job, "success": False, "finished": True, "result": None, "status": "CANCELLED",
        "cancelRequested": True,
    }  # fmt: skip
    assert ask(rose, CANCEL, id=job) == {"data": {"cancelJob": cancelled}}
    again = ask(rose, "query ($id: Int!) { job(id: $id) { status cancelRequested } }", id=job)
    assert again["data"]["job"] == {"status": "CANCELLED", "cancelRequested": True}


def test_to_cancel_what_is_finished_changes_nothing(door: Door, rose: httpx.Client) -> None:
    job = submitted(rose)
    door.db.execute("UPDATE jobs SET status = 'succeeded', result = '7', finished_at = now()")
    assert ask(rose, CANCEL, id=job)["data"]["cancelJob"] == {
        "id": job, "success": True, "finished": True, "result": 7, "status": "SUCCEEDED",
        "cancelRequested": False,
    }  # fmt: skip


def test_a_job_is_retried(rose: httpx.Client) -> None:
    job = submitted(rose)
    ask(rose, CANCEL, id=job)
    retried = {"id": job, "status": "PENDING", "finished": False, "cancelRequested": False}
    assert ask(rose, RETRY, id=job)["data"]["retryJob"] == retried
    assert code(ask(rose, RETRY, id=job)) == "conflict"


def test_while_a_job_of_a_tag_is_pending_it_is_the_answer(rose: httpx.Client) -> None:
    job = submitted(rose, tag="weekly")
    again = ask(rose, SUBMIT, job={**DIGEST, "tag": "weekly"})
    assert again["data"]["submitJob"] == {
        "created": False, "job": {"id": job, "status": "PENDING"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "job",
    [
        {"type": "no_such_type"},
        {**DIGEST, "data": {"week": 7}},
        {**DIGEST, "data": [1]},
        {**DIGEST, "data": {"more": "than there is"}},
        {**DIGEST, "tag": "x" * 10_000},
        {**DIGEST, "tag": ""},
        {**DIGEST, "runAfter": "1970-01-01T00:00:00Z"},
        {**DIGEST, "runAfter": "9999-01-01T00:00:00Z"},
        {**DIGEST, "runAfter": "2026-12-01T09:00:00"},
        {**DIGEST, "ttlSeconds": 1e300},
        {**DIGEST, "metadata": [1]},
        {**DIGEST, "metadata": {"a": "\x00"}},
        {**DIGEST, "tags": ["x"] * 21},
    ],
    ids=str,
)
def test_what_is_not_accepted_says_why(rose: httpx.Client, job: dict[str, Any]) -> None:
    answer = ask(rose, SUBMIT, job=job)
    assert code(answer) == "invalid_input"
    assert answer["errors"][0]["path"] == ["submitJob"]
    assert listed(rose) == []


@pytest.mark.parametrize("what", [CANCEL, RETRY, "query ($id: Int!) { job(id: $id) { id } }"])
def test_anothers_job_is_answered_like_one_that_is_not_there(
    rose: httpx.Client, otto: httpx.Client, what: str
) -> None:
    job = submitted(rose)
    foreign, absent = ask(otto, what, id=job), ask(otto, what, id=999_999)
    assert code(foreign) == "not_found"
    said = json.dumps(foreign).replace(f"there is no job {job}", "there is no job 999999")
    assert said == json.dumps(absent)
    assert listed(otto) == []


def test_a_viewer_sees_jobs_and_stops_only_their_own(door: Door, rose: httpx.Client) -> None:
    viewer, user = _viewer(door)
    theirs, own = submitted(rose), submitted(rose)
    door.db.execute("UPDATE jobs SET user_id = %s WHERE id = %s", (user, own))
    assert listed(viewer) == [own, theirs]
    assert code(ask(viewer, CANCEL, id=theirs)) == "forbidden"
    assert code(ask(viewer, RETRY, id=theirs)) == "forbidden"
    assert code(ask(viewer, SUBMIT, job=DIGEST)) == "forbidden"
    assert ask(viewer, CANCEL, id=own)["data"]["cancelJob"]["status"] == "CANCELLED"


def _viewer(door: Door) -> tuple[httpx.Client, int]:
    """The browser of somebody who may only read what is of the Marlows, and their id."""
    user = add_user(door.db, "viewer@example.org", "Vera").id
    set_role(door.db, owner_id=door.marlows.id, user_id=user, role="viewer")
    client = httpx.Client(
        base_url=door.url,
        cookies={"keepsake_session": start_session(door.db, user)},
        headers={"Sec-Fetch-Site": "same-origin"},
        timeout=20,
    )
    door.clients.append(client)
    return client, user


def test_operators_see_all_and_may_name_an_owner(
    rose: httpx.Client, otto: httpx.Client, operator: httpx.Client
) -> None:
    roses, ottos = submitted(rose), submitted(otto)
    systems = submitted(operator, type="clean_up")
    assert listed(operator) == [systems, ottos, roses]
    assert listed(operator, owner="the-others") == [ottos]
    assert listed(operator, filter={"system": True}) == [systems]
    assert listed(rose) == [roses]
    assert ask(operator, CANCEL, id=roses)["data"]["cancelJob"]["finished"]


def test_only_operators_submit_what_reaches_all_owners(rose: httpx.Client) -> None:
    assert code(ask(rose, SUBMIT, job={"type": "clean_up"})) == "forbidden"


# -- lists ----------------------------------------------------------------------------------------


def test_a_list_goes_on_where_the_page_before_ended(rose: httpx.Client) -> None:
    jobs = [submitted(rose) for _ in range(5)]
    seen: list[int] = []
    after = None
    while True:
        page = ask(rose, LIST, first=2, after=after)["data"]["jobs"]
        seen += [each["node"]["id"] for each in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        submitted(rose, tag=str(len(seen)))  # what comes meanwhile does not shift a page
    assert seen == jobs[::-1]


@pytest.mark.parametrize("first", [0, -1, 101])
def test_a_page_has_so_many_jobs(rose: httpx.Client, first: int) -> None:
    assert code(ask(rose, LIST, first=first)) == "invalid_input"


@pytest.mark.parametrize("after", ["x", "e30", "\u00e9", "x" * 10_000])
def test_a_cursor_is_one_of_this_list(rose: httpx.Client, after: str) -> None:
    assert code(ask(rose, LIST, after=after)) == "invalid_input"


def test_a_cursor_is_of_one_owners_list(rose: httpx.Client, otto: httpx.Client) -> None:
    submitted(rose)
    cursor = ask(rose, LIST)["data"]["jobs"]["pageInfo"]["endCursor"]
    assert code(ask(otto, LIST, after=cursor)) == "invalid_input"


def test_a_cursor_has_its_filter_inside(rose: httpx.Client) -> None:
    jobs = [submitted(rose, tags=["a"]) for _ in range(2)]
    submitted(rose)
    (wanted,) = listed(rose, first=1, filter={"tags": ["a"]})
    page = ask(rose, LIST, first=1, filter={"tags": ["a"]})["data"]["jobs"]["pageInfo"]
    cursor = page["endCursor"]
    assert [wanted, *listed(rose, after=cursor)] == jobs[::-1]
    assert listed(rose, after=cursor, filter={"tags": ["a"]}) == jobs[:1]
    assert code(ask(rose, LIST, after=cursor, filter={"tags": ["b"]})) == "invalid_input"


def test_a_list_is_filtered(rose: httpx.Client) -> None:
    urgent = submitted(rose, tag="a", metadata={"team": {"name": "x"}}, tags=["one", "two"])
    cancelled = submitted(rose, tag="b", tags=["one"])
    ask(rose, CANCEL, id=cancelled)
    for wanted, found in (
        ({"status": ["CANCELLED", "FAILED"]}, [cancelled]),
        ({"tag": "a"}, [urgent]),
        ({"tags": ["one"]}, [cancelled, urgent]),
        ({"tags": ["one", "two"]}, [urgent]),
        ({"metadata": {"team": {"name": "x"}}}, [urgent]),
        ({"type": "export_owner"}, []),
        ({"since": "2026-01-01T00:00:00Z"}, [cancelled, urgent]),
        ({"until": "2026-01-01T00:00:00Z"}, []),
        ({"parent": urgent}, []),
    ):
        assert listed(rose, filter=wanted) == found, wanted
    assert code(ask(rose, LIST, filter={"since": "2026-01-01T00:00:00"})) == "invalid_input"


def test_attempts_and_children_of_a_page_are_read_together(
    door: Door, rose: httpx.Client, operator: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents, children = ([submitted(rose) for _ in range(3)] for _ in range(2))
    for parent, child in zip(parents, children, strict=True):
        door.db.execute("UPDATE jobs SET parent_id = %s WHERE id = %s", (parent, child))
        door.db.execute(
            "INSERT INTO job_attempts (job_id, owner_id, attempt, started_at, outcome, error)"
            " VALUES (%s, %s, 1, now(), 'failed', 'no')",
            (parent, door.marlows.id),
        )
    reads = counted(monkeypatch, "attempts_of", "children_of")
    query = "{ jobs { edges { node { id attempts { error } children { id } } } } }"
    for client in (rose, operator):
        found = [each["node"] for each in ask(client, query)["data"]["jobs"]["edges"]]
        assert [each for each in found if each["id"] in parents] == [
            {"id": parent, "attempts": [{"error": "no"}], "children": [{"id": child}]}
            for parent, child in zip(parents[::-1], children[::-1], strict=True)
        ]
    assert Counter(reads) == {("attempts_of", 6): 2, ("children_of", 6): 2}


def test_an_operation_has_one_connection_at_a_time(
    rose: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_now: list[int] = [0]
    transaction = Reach.transaction

    @asynccontextmanager
    async def counting(reach: Reach) -> AsyncIterator[Any]:
        async with transaction(reach) as connection:
            open_now.append(open_now[-1] + 1)
            yield connection
            open_now.append(open_now[-1] - 1)

    monkeypatch.setattr(Reach, "transaction", counting)
    job = submitted(rose)
    fields = " ".join(
        f"a{n}: job(id: {job}) {{ attempts {{ error }} children {{ id }} }}" for n in range(10)
    )
    assert len(ask(rose, f"{{ {fields} jobs {{ edges {{ cursor }} }} }}")["data"]) == 11
    assert max(open_now) == 1


def counted(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[tuple[str, int]]:
    """Each call of these functions from now on, with how many jobs it is about."""
    calls = []

    def count(name: str, read: Any) -> Any:
        def counting(connection: Any, ids: Any) -> Any:
            calls.append((name, len(ids)))
            return read(connection, ids)

        return counting

    for name in names:
        monkeypatch.setattr(asked, name, count(name, getattr(asked, name)))
    return calls


def test_schedules_are_listed(door: Door, rose: httpx.Client, otto: httpx.Client) -> None:
    door.db.execute(
        "INSERT INTO job_schedules (owner_id, tag, type, expression, time_zone, missed, overlap,"
        " next_at) VALUES (%s, 'weekly', 'make_digest', '0 7 * * 1', 'Europe/Berlin', 'once',"
        " 'skip', '2030-01-07T06:00Z')",
        (door.marlows.id,),
    )
    query = "{ jobSchedules { tag owner timeZone nextAt paused } }"
    assert ask(rose, query)["data"]["jobSchedules"] == [
        {
            "tag": "weekly", "owner": "the-marlows", "timeZone": "Europe/Berlin",
            "nextAt": "2030-01-07T06:00:00+00:00", "paused": False,
        }
    ]  # fmt: skip
    assert ask(otto, query)["data"]["jobSchedules"] == []
