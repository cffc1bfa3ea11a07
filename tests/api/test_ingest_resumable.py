"""A recording comes in piece by piece, over connections that break (tus 1.0.0)."""

import base64
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.conftest import Door
from tests.api.test_ingest_recordings import no_file_larger_than, stored
from tests.recordings import record, tone

TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a browser records: no length in it."""
    path = tmp_path_factory.mktemp("voice") / "a.webm"
    options = {"live": "1"}
    return record(tone(20), path, codec="libopus", rate=48_000, options=options).read_bytes()


def begin(client: httpx.Client, length: int, **said: str) -> httpx.Response:
    about = {"member": "Rose", "filename": "lighthouse.webm"} | said
    pairs = [f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in about.items()]
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": ",".join(pairs)}
    return client.post("/api/uploads", headers=headers)


def append(client: httpx.Client, where: str, offset: int, piece: bytes) -> httpx.Response:
    kind = {"Content-Type": "application/offset+octet-stream"}
    return client.patch(where, content=piece, headers={**TUS, **kind, "Upload-Offset": str(offset)})


def until(is_so: Callable[[], bool]) -> None:
    """Ask again until it is so."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def arrived(client: httpx.Client, where: str) -> int:
    return int(client.head(where, headers=TUS).headers["Upload-Offset"])


def test_pieces_become_a_response(door: Door, rose: httpx.Client, voice: bytes) -> None:
    begun = begin(rose, len(voice))
    assert (begun.status_code, begun.headers["Upload-Offset"]) == (201, "0")
    where = begun.headers["Location"]
    assert append(rose, where, 0, voice[:1000]).headers["Upload-Offset"] == "1000"
    assert arrived(rose, where) == 1000
    last = append(rose, where, 1000, voice[1000:])
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(voice)))
    assert stored(door)[1:] == ("lighthouse.webm", voice)
    record = rose.get(last.headers["Content-Location"]).json()
    assert (record["line"], record["owner"]) == ("family", "the-marlows")
    assert list(door.settings.incoming_folder.iterdir()) == []


def test_an_answer_that_was_lost_is_given_again(rose: httpx.Client, voice: bytes) -> None:
    where = begin(rose, len(voice)).headers["Location"]
    last = append(rose, where, 0, voice)
    again = append(rose, where, len(voice), b"")
    for answer in (again, rose.head(where, headers=TUS)):
        assert answer.headers["Content-Location"] == last.headers["Content-Location"]
        assert answer.headers["Upload-Offset"] == str(len(voice))


def test_the_same_recording_again_is_the_same_response(
    door: Door, rose: httpx.Client, voice: bytes
) -> None:
    records = {
        append(rose, begin(rose, len(voice)).headers["Location"], 0, voice).headers[
            "Content-Location"
        ]
        for _ in range(2)
    }
    assert len(records) == 1
    assert list(door.settings.incoming_folder.iterdir()) == []


def test_what_arrived_before_the_connection_broke_counts(door: Door, rose: httpx.Client) -> None:
    film = random.Random(1).randbytes(3_000_000)
    where = begin(rose, len(film)).headers["Location"]
    address = urlsplit(door.url)
    with socket.create_connection((address.hostname, address.port or 0)) as line:
        line.sendall(
            f"PATCH {where} HTTP/1.1\r\nHost: keepsake\r\nTus-Resumable: 1.0.0\r\n"
            f"Authorization: {rose.headers['Authorization']}\r\nUpload-Offset: 0\r\n"
            "Content-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {len(film)}\r\n\r\n".encode()
        )
        line.sendall(film[:2_000_000])
        until(lambda: arrived(rose, where) > 1_000_000)

    def goes_on() -> bool:
        offset = arrived(rose, where)
        return append(rose, where, offset, film[offset:-1]).status_code == 204

    until(goes_on)  # not before the broken connection has been noticed
    (path,) = door.settings.incoming_folder.iterdir()
    assert path.read_bytes() == film[:-1]


def test_a_wrong_offset_is_told_the_right_one(rose: httpx.Client, voice: bytes) -> None:
    where = begin(rose, len(voice)).headers["Location"]
    append(rose, where, 0, voice[:100])
    for offset in (0, 200):
        answer = append(rose, where, offset, b"x")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert answer.headers["Upload-Offset"] == "100"
    assert arrived(rose, where) == 100


def test_bytes_beyond_the_length_are_refused_whole(rose: httpx.Client, voice: bytes) -> None:
    where = begin(rose, 100).headers["Location"]
    append(rose, where, 0, voice[:50])
    answer = append(rose, where, 50, voice[:51])
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert arrived(rose, where) == 50


def test_of_two_requests_at_once_one_is_refused(
    door: Door, rose: httpx.Client, voice: bytes
) -> None:
    where = begin(rose, len(voice)).headers["Location"]
    go_on, answers = threading.Event(), list[httpx.Response]()

    def slowly() -> None:
        def pieces() -> Iterator[bytes]:
            yield voice[:2_000]
            go_on.wait(20)
            yield voice[2_000:]

        kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        with httpx.Client(base_url=door.url, headers=rose.headers, timeout=20) as client:
            answers.append(client.patch(where, content=pieces(), headers={**TUS, **kind}))

    other = threading.Thread(target=slowly)
    other.start()
    refused: list[httpx.Response] = []

    def is_refused() -> bool:
        refused.append(append(rose, where, 0, b""))
        return refused[-1].status_code == 409

    until(is_refused)
    go_on.set()
    other.join()
    assert refused[-1].json()["code"] == "request_in_progress"
    assert answers[0].status_code == 204
    assert stored(door)[2] == voice


def test_a_full_disk_keeps_what_it_has(rose: httpx.Client, voice: bytes) -> None:
    where = begin(rose, 3_000_000).headers["Location"]
    with no_file_larger_than(1_500_000):
        answer = append(rose, where, 0, bytes(3_000_000))
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert arrived(rose, where) == 1_500_000


def test_an_upload_is_ended_by_its_sender(
    door: Door, rose: httpx.Client, otto: httpx.Client
) -> None:
    where = begin(rose, 100).headers["Location"]
    path = urlsplit(where).path
    assert otto.head(path, headers=TUS).status_code == 404
    assert otto.delete(path, headers=TUS).status_code == 404
    assert rose.delete(where, headers=TUS).status_code == 204
    assert rose.head(where, headers=TUS).status_code == 404
    assert list(door.settings.incoming_folder.iterdir()) == []


def test_what_has_expired_is_forgotten(door: Door, rose: httpx.Client) -> None:
    where = begin(rose, 100).headers["Location"]
    door.db.execute("UPDATE resumable_uploads SET expires_at = now() - interval '1 second'")
    assert append(rose, where, 0, b"x").status_code == 404
    begin(rose, 100)
    assert len(list(door.settings.incoming_folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412, "version_mismatch"),
        ({"Upload-Length": "many"}, 400, "malformed_request"),
        ({"Upload-Length": "0"}, 422, "invalid_input"),
        ({"Upload-Length": "500000001"}, 413, "too_large"),
        ({"Upload-Metadata": "member ***"}, 400, "malformed_request"),
        ({"Upload-Metadata": "filename YQ=="}, 422, "invalid_input"),
    ],
)
def test_what_cannot_be_begun_is_told_why(
    rose: httpx.Client, headers: dict[str, str], status: int, code: str
) -> None:
    good = {**TUS, "Upload-Length": "100", "Upload-Metadata": "member Um9zZQ=="}
    answer = rose.post("/api/uploads", headers=good | headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_whole_that_is_no_recording_is_told_so_and_can_be_asked_again(
    rose: httpx.Client,
) -> None:
    where = begin(rose, 10).headers["Location"]
    for offset, piece in ((0, b"no sound.."), (10, b"")):
        answer = append(rose, where, offset, piece)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
