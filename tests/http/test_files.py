"""Files over HTTP: conditions and ranges, from a folder and from a bucket alike."""

import asyncio
import os
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from keepsake.clients.objects import ObjectStore, Stored
from keepsake.errors import KeepsakeError, RetryableError
from keepsake.http.files import bytes_response, object_response
from keepsake.http.problems import answer_problem

KEY = "episodes/1.mp3"
DATA = os.urandom(300_000)
NEVER = '"no-such-tag"'


def _serving(store: ObjectStore) -> Iterator[TestClient]:
    async def stored(request: Request) -> Response:
        return await object_response(request, store, KEY, "audio/mpeg")

    async def made(request: Request) -> Response:
        return bytes_response(request, DATA, "text/vtt")

    app = Starlette(
        routes=[Route("/stored", stored), Route("/made", made)],
        exception_handlers={KeepsakeError: answer_problem, HTTPException: answer_problem},
    )
    with TestClient(app) as client:
        yield client


@pytest.fixture
def client(store: ObjectStore) -> Iterator[TestClient]:
    asyncio.run(store.put_bytes(KEY, DATA, "audio/mpeg"))
    yield from _serving(store)


@pytest.fixture(params=["/stored", "/made"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_file_comes_whole(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content == DATA
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["etag"].startswith('"')


def test_its_type_is_what_the_route_says(client: TestClient) -> None:
    assert client.get("/stored").headers["content-type"] == "audio/mpeg"


def test_head_says_the_same_without_the_content(client: TestClient, path: str) -> None:
    head, whole = client.head(path), client.get(path)
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=299999-", 299_999, 300_000),
        ("bytes=-500", 299_500, 300_000),
        ("bytes=0-999999999", 0, 300_000),
        ("bytes=-999999999", 0, 300_000),
        ("Bytes=5-9", 5, 10),
    ],
)
def test_a_range_is_given_alone(
    client: TestClient, path: str, asked: str, start: int, end: int
) -> None:
    answer = client.get(path, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == DATA[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/300000"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=300000-", "bytes=999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_says_how_long_the_file_is(
    client: TestClient, path: str, asked: str
) -> None:
    answer = client.get(path, headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */300000"
    assert answer.json()["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=9-2", "bytes=-", "bytes=a-b", "lines=1-2", "bytes"]
)
def test_what_is_no_single_range_gets_the_whole(client: TestClient, path: str, asked: str) -> None:
    answer = client.get(path, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, DATA)


def test_what_the_client_has_is_not_sent_again(client: TestClient, path: str) -> None:
    tag = client.get(path).headers["etag"]
    for known in (tag, f"W/{tag}", f"{NEVER}, {tag}", "*"):
        answer = client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    assert client.get(path, headers={"If-None-Match": NEVER}).status_code == 200


def test_a_date_tells_as_well(client: TestClient) -> None:
    modified = client.get("/stored").headers["last-modified"]
    assert client.get("/stored", headers={"If-Modified-Since": modified}).status_code == 304
    earlier = "Sat, 01 Jan 2000 00:00:00 GMT"
    assert client.get("/stored", headers={"If-Modified-Since": earlier}).status_code == 200
    assert client.get("/stored", headers={"If-Modified-Since": "yesterday"}).status_code == 200
    # The tag decides where both are given.
    both = {"If-Modified-Since": modified, "If-None-Match": NEVER}
    assert client.get("/stored", headers=both).status_code == 200
    assert parsedate_to_datetime(modified).tzinfo is not None


def test_a_download_goes_on_only_in_the_same_file(client: TestClient, store: ObjectStore) -> None:
    tag = client.get("/stored").headers["etag"]
    asked = {"Range": "bytes=100-199", "If-Range": tag}
    assert client.get("/stored", headers=asked).content == DATA[100:200]
    asyncio.run(store.put_bytes(KEY, b"n" * 500, "audio/mpeg"))
    again = client.get("/stored", headers=asked)
    assert (again.status_code, again.content) == (200, b"n" * 500)
    assert again.headers["etag"] != tag


def test_if_range_takes_the_date_and_no_weak_tag(client: TestClient) -> None:
    whole = client.get("/stored").headers
    ranged = {"Range": "bytes=0-9"}

    def status(known: str) -> int:
        return client.get("/stored", headers={**ranged, "If-Range": known}).status_code

    assert status(whole["last-modified"]) == 206
    assert status("Sat, 01 Jan 2000 00:00:00 GMT") == 200
    assert status(f"W/{whole['etag']}") == 200


def test_a_file_that_is_not_the_expected_one_is_refused(client: TestClient, path: str) -> None:
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-Match": NEVER}).status_code == 412
    assert client.get(path, headers={"If-Match": f"W/{tag}"}).status_code == 412
    assert client.get(path, headers={"If-Match": tag}).status_code == 200


def test_a_missing_file_is_not_found(store: ObjectStore) -> None:
    (client,) = _serving(store)
    for answer in (client.get("/stored"), client.head("/stored")):
        assert answer.status_code == 404


def test_an_empty_file_has_no_range(client: TestClient, store: ObjectStore) -> None:
    asyncio.run(store.put_bytes(KEY, b""))
    assert client.get("/stored").content == b""
    assert client.get("/stored", headers={"Range": "bytes=0-"}).status_code == 416


def test_a_store_that_is_away_is_asked_again_later(
    client: TestClient, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(key: str) -> Stored:
        raise RetryableError("no answer from the object store")

    monkeypatch.setattr(store, "stat", away)
    answer = client.get("/stored")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_a_file_that_goes_between_two_looks_is_still_answered(
    client: TestClient, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = asyncio.run(store.stat(KEY))

    async def before(key: str) -> Stored:
        return found

    monkeypatch.setattr(store, "stat", before)
    asyncio.run(store.put_bytes(KEY, b"other"))
    assert client.get("/stored").status_code == 503
