"""Recordings come in: as a body, in a form, from browsers that write no length."""

import hashlib
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from keepsake.clients.objects import FolderStore
from tests.api.conftest import Door
from tests.recordings import record, tone

KEY = {"Idempotency-Key": "a-key-of-mine"}
ROSE = {"member": "Rose"}
PUT = "/api/responses/audio"


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds of sound as a phone sends them."""
    return record(tone(2), tmp_path_factory.mktemp("voice") / "a.m4a", codec="aac").read_bytes()


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not the server's."""
    return tmp_path_factory.mktemp("elsewhere")


def stored(door: Door) -> tuple[str, str, bytes]:
    """The key, the name and the content of the only recording."""
    row = door.db.execute("SELECT audio_key, audio_name FROM responses").fetchone()
    assert row is not None
    return row[0], row[1], Path(FolderStore(door.settings.objects_folder).url(row[0])).read_bytes()


def nothing_is_left(door: Door) -> bool:
    """Whether there is no record, no object and no part of a file."""
    files = [path for path in door.settings.home.rglob("*") if path.is_file()]
    return door.db.execute("SELECT count(*) FROM records").fetchone() == (0,) and not files


def test_a_recording_is_the_body(door: Door, rose: httpx.Client, voice: bytes) -> None:
    params = {**ROSE, "file_name": "../Großmutter erzählt.M4A", "external_id": "one"}
    answer = rose.put(PUT, params=params, content=voice)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/records/{answer.json()['id']}"
    key = f"family/{door.marlows.id}/audio/{hashlib.sha256(voice).hexdigest()}.m4a"
    assert stored(door) == (key, "Großmutter erzählt.M4A", voice)
    assert list(door.settings.incoming_folder.iterdir()) == []


def test_a_recording_comes_in_a_form(door: Door, rose: httpx.Client, voice: bytes) -> None:
    answer = rose.post("/api/responses", data=ROSE, files={"audio": ("a.m4a", voice)})
    assert answer.status_code == 201
    assert stored(door)[1:] == ("a.m4a", voice)


def test_the_same_recording_is_one_response_whichever_way_it_comes(
    door: Door, rose: httpx.Client, voice: bytes
) -> None:
    first = rose.put(PUT, params=ROSE, content=voice)
    again = rose.post("/api/responses", data=ROSE, files={"audio": ("b.m4a", voice)})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert list(door.settings.incoming_folder.iterdir()) == []


def test_a_key_stands_for_the_content_of_a_recording(rose: httpx.Client, voice: bytes) -> None:
    answers = [
        rose.put(PUT, params=ROSE, content=content, headers=KEY)
        for content in (voice, voice, voice + b" ")
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert answers[0].json() == answers[1].json()
    assert answers[2].json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("suffix", "codec", "kind", "options"),
    [
        ("webm", "libopus", "audio/webm;codecs=opus", {"live": "1"}),
        ("m4a", "aac", "audio/mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    ],
    ids=["Chrome", "Safari"],
)
def test_a_browser_records_without_a_length(
    door: Door,
    rose: httpx.Client,
    elsewhere: Path,
    suffix: str,
    codec: str,
    kind: str,
    options: dict[str, str],
) -> None:
    path = record(tone(3), elsewhere / f"a.{suffix}", codec=codec, rate=48_000, options=options)
    answer = rose.put(PUT, params=ROSE, content=path.read_bytes(), headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    assert stored(door)[1] == f"recording.{suffix}"


def test_a_browser_recording_that_is_too_long_is_refused(
    door: Door, rose: httpx.Client, elsewhere: Path
) -> None:
    path = record(
        tone(3), elsewhere / "a.webm", codec="libopus", rate=48_000, options={"live": "1"}
    )
    door.settings.__dict__["max_audio_minutes"] = 0.04
    answer = rose.put(PUT, params={**ROSE, "file_name": "a.webm"}, content=path.read_bytes())
    assert answer.status_code == 422
    assert "MAX_AUDIO_MINUTES" in answer.json()["detail"]
    assert nothing_is_left(door)


@pytest.mark.parametrize(
    ("params", "content", "said"),
    [
        (ROSE, b"", "empty"),
        (ROSE, b"<html>I am no sound</html>", "no audio"),
        ({}, b"RIFF", "member"),
        ({"member": "Otto"}, b"RIFF", "known: Rose"),
        ({**ROSE, "prompt_id": "99"}, b"RIFF", "no interview prompt 99"),
    ],
)
def test_a_recording_that_cannot_be_kept_is_told_why(
    door: Door, rose: httpx.Client, params: dict[str, str], content: bytes, said: str
) -> None:
    lying = {"Content-Type": "audio/mpeg"}
    answer = rose.put(PUT, params=params, content=content, headers=lying)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert said in answer.json()["detail"]
    assert nothing_is_left(door)


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="member"\r\n\r\nRose\r\n'
FILE = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\nsound\r\n'


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (PART + FILE % b"audio", BOUNDARY, 400, "broke off before its last boundary"),
        (b"no form at all", BOUNDARY, 400, "no form"),
        (PART + b"--x--", BOUNDARY, 422, "no file"),
        (PART + FILE % b"picture" + b"--x--", BOUNDARY, 422, "'audio'"),
        (PART + FILE % b"audio" * 2 + b"--x--", BOUNDARY, 422, "one file"),
        (PART + FILE % b"audio" + b"--x--", BOUNDARY, 422, "no audio"),
        (PART, {"Content-Type": "multipart/form-data"}, 400, "no boundary"),
        (PART.replace(b"Rose", b"\xff") + b"--x--", BOUNDARY, 422, "no UTF-8"),
        (PART.replace(b"Rose", b"r" * 2_100_000) + b"--x--", BOUNDARY, 413, "longer than"),
    ],
    ids=[
        "cut off", "no form", "no file", "other part", "two files", "no sound", "no boundary",
        "no text", "long text",
    ],
)  # fmt: skip
def test_a_bad_form_is_told_why(
    door: Door, rose: httpx.Client, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    answer = rose.post("/api/responses", content=body, headers=headers)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert nothing_is_left(door)


@contextmanager
def sending(door: Door, client: httpx.Client, head: str) -> Iterator[socket.socket]:
    """A connection on which the head of a request was sent, by hand."""
    address = urlsplit(door.url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=20) as line:
        lines = f"{head}\r\nHost: keepsake\r\nAuthorization: {client.headers['Authorization']}"
        line.sendall(f"{lines}\r\n\r\n".encode())
        yield line


def test_a_body_that_breaks_off_leaves_nothing(
    door: Door, rose: httpx.Client, voice: bytes
) -> None:
    head = f"PUT {PUT}?member=Rose HTTP/1.1\r\nContent-Length: {len(voice) + 1}"
    with sending(door, rose, head) as line:
        line.sendall(voice)
        line.shutdown(socket.SHUT_WR)
        assert b" 201 " not in b"".join(iter(lambda: line.recv(65536), b""))
    assert nothing_is_left(door)


def test_a_file_too_large_is_refused_before_it_is_read(door: Door, rose: httpx.Client) -> None:
    head = f"PUT {PUT}?member=Rose HTTP/1.1\r\nContent-Length: 500000001"
    with sending(door, rose, head) as line:
        assert line.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_who_may_not_send_is_told_before_the_body_is_read(door: Door) -> None:
    head = f"PUT {PUT}?member=Rose HTTP/1.1\r\nContent-Length: 400000000"
    with sending(door, door.client("read"), head) as line:
        assert line.recv(65536).startswith(b"HTTP/1.1 403 ")


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The disk, as a process sees it that may write no more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_nothing_is_left(door: Door, rose: httpx.Client) -> None:
    with no_file_larger_than(1_000_000):
        answer = rose.put(PUT, params=ROSE, content=os.urandom(3_000_000))
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert nothing_is_left(door)
