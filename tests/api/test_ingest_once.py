"""An Idempotency-Key: the same request twice gives the same answer, and one effect."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from keepsake.database import connect
from tests.api.conftest import Door

KEY = {"Idempotency-Key": "a-key-of-mine"}
STORY = {"member": "Rose", "text": "We moved to the lighthouse."}
TIDES = {"url": "https://example.org/tides", "content": "The sea rises."}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/responses", STORY),
        ("/api/bookmarks", TIDES),
        ("/api/members", {"name": "Ida"}),
        ("/api/interview-prompts", {"question": "Where did you learn to swim?"}),
    ],
)
def test_the_same_request_is_answered_alike(
    rose: httpx.Client, path: str, body: dict[str, str]
) -> None:
    first, again = (rose.post(path, json=body, headers=KEY) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.headers["Location"] == again.headers["Location"]


def test_a_family_is_made_once(door: Door) -> None:
    operator = door.operator()
    first, again = (
        operator.post("/api/families", json={"name": "The Halls"}, headers=KEY) for _ in range(2)
    )
    assert (first.status_code, first.json()) == (again.status_code, again.json())


def test_another_body_or_address_under_the_key_is_refused(rose: httpx.Client) -> None:
    rose.post("/api/responses", json=STORY, headers=KEY)
    for path, body in (("/api/responses", {**STORY, "text": "Other."}), ("/api/bookmarks", TIDES)):
        answer = rose.post(path, json=body, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_the_key_of_another_owner_is_free(rose: httpx.Client, otto: httpx.Client) -> None:
    rose.post("/api/bookmarks", json=TIDES, headers=KEY)
    assert otto.post("/api/bookmarks", json=TIDES, headers=KEY).status_code == 201


def test_a_request_that_failed_leaves_the_key_free(rose: httpx.Client) -> None:
    refused = rose.post("/api/responses", json={**STORY, "member": "Nobody"}, headers=KEY)
    assert refused.status_code == 422
    assert rose.post("/api/responses", json=STORY, headers=KEY).status_code == 201


def test_a_key_of_yesterday_is_free(door: Door, rose: httpx.Client) -> None:
    rose.post("/api/bookmarks", json=TIDES, headers=KEY)
    door.db.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    assert rose.post("/api/responses", json=STORY, headers=KEY).status_code == 201


def test_a_key_that_another_process_works_under_is_in_progress(
    door: Door, rose: httpx.Client
) -> None:
    name = f"{door.marlows.id}/{KEY['Idempotency-Key']}"
    with connect(door.settings.database_url) as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
        answer = rose.post("/api/responses", json=STORY, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress")
    assert rose.post("/api/responses", json=STORY, headers=KEY).status_code == 201


def test_the_same_request_many_times_at_once_has_one_effect(door: Door) -> None:
    clients = [door.client() for _ in range(8)]

    def post(client: httpx.Client) -> httpx.Response:
        return client.post("/api/responses", json=STORY, headers=KEY)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(post, clients))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    assert door.db.execute("SELECT count(*) FROM records").fetchone() == (1,)


def test_a_key_too_long_is_refused(rose: httpx.Client) -> None:
    answer = rose.post("/api/bookmarks", json=TIDES, headers={"Idempotency-Key": "k" * 256})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
