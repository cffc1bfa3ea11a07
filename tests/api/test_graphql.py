"""GraphQL by POST: who may ask, what is refused before anything is run, how errors are said."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepsake.api.graphql import schema
from tests.api.conftest import Door, open_door
from tests.databases import Copies

TYPES = "{ jobTypes { name } }"
WORDS = "Grandmother said so"


@pytest.fixture(scope="module")
def door(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with _copies.one() as url, open_door(url, tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
def rose(door: Door) -> httpx.Client:
    """A client that may do everything for the Marlows."""
    return door.client()


def ask(client: httpx.Client, query: str, **variables: Any) -> Any:
    """The answer to a query that is well-formed as a request."""
    return (
        client.post("/graphql", json={"query": query, "variables": variables})
        .raise_for_status()
        .json()
    )


def code(answer: Any) -> str:
    """The code of the only error of an answer."""
    (error,) = answer["errors"]
    found: str = error["extensions"]["code"]
    return found


def test_the_types_of_jobs_are_told(rose: httpx.Client) -> None:
    answer = ask(rose, "{ jobTypes { name executor whose data retry { attempts } } }")
    delete = next(each for each in answer["data"]["jobTypes"] if each["name"] == "delete_record")
    assert delete["executor"] == "internal"
    assert delete["whose"] == "owner"
    assert delete["data"]["required"] == ["record_id"]
    assert delete["retry"] == {"attempts": 30}


def test_only_who_has_signed_in_asks_even_about_the_schema(nobody: httpx.Client) -> None:
    answer = nobody.post("/graphql", json={"query": "{ __schema { types { name } } }"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_who_has_signed_in_may_ask_about_the_schema(rose: httpx.Client) -> None:
    assert ask(rose, "{ __schema { queryType { name } } }")["data"]


def test_requests_are_counted_as_all_others(database_url: str, tmp_path: Path) -> None:
    with open_door(database_url, tmp_path, rate_limit="2") as opened:
        client = opened.client()
        codes = [client.post("/graphql", json={"query": TYPES}).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


# -- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", [TYPES, "mutation { cancelJob(jobId: 1) { id } }"], ids=["query", "mutation"]
)
def test_nothing_is_asked_by_get(rose: httpx.Client, query: str) -> None:
    answer = rose.get("/graphql", params={"query": query})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_no_other_site_asks_with_our_cookie(nobody: httpx.Client, origin: str) -> None:
    answer = nobody.post("/graphql", json={"query": TYPES}, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


@pytest.mark.parametrize(
    "sent",
    [
        {"content": json.dumps({"query": TYPES}), "headers": {"Content-Type": "text/plain"}},
        {"data": {"query": TYPES}},
        {"files": {"operations": (None, json.dumps({"query": TYPES}))}},
        {"content": TYPES, "headers": {"Content-Type": "application/graphql"}},
        {"json": [{"query": TYPES}, {"query": TYPES}]},
        {"json": {"query": TYPES, "variables": [1]}},
        {"json": {"query": 1}},
        {"json": {"query": ""}},
        {"json": {"query": " " * 20_001}},
        {"json": {}},
    ],
    ids=[
        "text", "form", "upload", "graphql", "batch", "variables", "number", "empty", "long",
        "nothing",
    ],
)  # fmt: skip
def test_a_request_is_one_query_as_json(rose: httpx.Client, sent: dict[str, Any]) -> None:
    answer = rose.post("/graphql", **sent)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_body_has_a_bound(rose: httpx.Client) -> None:
    variables = {"data": "x" * 2_000_000}
    answer = rose.post("/graphql", json={"query": TYPES, "variables": variables})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        " ",
        "{",
        "{ jobTypes { secrets } }",
        "{ jobTypes }",
        "fragment f on JobType { name }",
        "query a { jobTypes { name } } query b { jobTypes { name } }",
        "{ jobTypes { ...f } } fragment f on JobType { ...f }",
        "{ jobTypes { name } } " + "#" * 15_000 + "\n{",
        "{ jobTypes { name @unknown } }",
        "{ jobTypes { name " + "@skip(if: false) " * 70 + "} }",
        "{ jobTypes { n\u00e4me } }",
        "{ job(id: %s) { id } }" % ("9" * 5_000),
        "\U0001f600",
        "{ jobTypes { name } } \u0000",
        "{ " + "jobTypes { name } " * 200 + "}",
    ],
    ids=range(15),
)
def test_what_is_no_query_of_ours_is_refused(rose: httpx.Client, query: str) -> None:
    answer = ask(rose, query)
    assert {each["extensions"]["code"] for each in answer["errors"]} == {"malformed_request"}
    assert "data" not in answer


def test_a_client_that_knows_the_type_of_answers_gets_their_status(rose: httpx.Client) -> None:
    headers = {"Accept": "application/graphql-response+json"}
    good = rose.post("/graphql", json={"query": TYPES}, headers=headers)
    bad = rose.post("/graphql", json={"query": "{"}, headers=headers)
    assert (good.status_code, bad.status_code) == (200, 400)
    assert good.headers["Content-Type"] == bad.headers["Content-Type"] == headers["Accept"]


def test_subscriptions_are_for_websockets(rose: httpx.Client) -> None:
    answer = ask(rose, "subscription { jobChanged(id: 1) { id } }")
    assert code(answer) == "malformed_request"
    assert "subscriptions are not allowed" in answer["errors"][0]["message"]


def test_a_fault_is_masked_and_logged_without_its_words(
    rose: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_kind: Any) -> None:
        raise LookupError(WORDS)

    monkeypatch.setattr(schema, "type_of", broken)
    with caplog.at_level(logging.DEBUG):
        answer = ask(rose, TYPES)
    assert code(answer) == "internal_error"
    assert "LookupError in /graphql" in caplog.text
    assert WORDS not in caplog.text + str(answer)
