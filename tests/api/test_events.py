"""Live progress: a stream has the present state first, then what changes, and ends in order."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from keepsake.accounts.tokens import revoke_token, tokens
from keepsake.api import events
from keepsake.api.app import create_app
from keepsake.http import live
from keepsake.http.live import Change, Live, Watch
from tests.api.conftest import Door
from tests.api.serving import serving
from tests.given import given_record

TIDES = {"url": "https://example.org/tides"}


class Stream:
    """The events of an open stream, one after the other."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def next(self) -> tuple[str, Any]:
        """Name and data of the next event."""
        name = ""
        for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))
        return "end", None

    def until(self, name: str, **wanted: Any) -> Any:
        """The data of the first event of that name that has these values."""
        while (found := self.next())[0] != "end":
            if found[0] == name and wanted.items() <= found[1].items():
                return found[1]
        raise AssertionError(f"the stream ended without {name} {wanted}")


@contextmanager
def following(client: httpx.Client, address: str) -> Iterator[Stream]:
    with client.stream("GET", address) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(answer.iter_lines())


@pytest.fixture
def record(rose: httpx.Client) -> int:
    return int(rose.post("/api/bookmarks", json=TIDES).json()["id"])


def test_a_record_is_followed_from_its_present_state_to_its_end(
    door: Door, rose: httpx.Client, record: int
) -> None:
    with following(rose, f"/api/records/{record}/events") as stream:
        name, now = stream.next()
        assert (name, now["id"], now["status"]) == ("record", record, "PENDING")
        door.db.execute("UPDATE ledger SET status = 'running' WHERE step = 'pages'")
        now = stream.until("record", status="PROCESSING")
        assert {s["step"] for s in now["steps"] if s["status"] == "running"} == {"pages"}
        door.db.execute(
            "UPDATE ledger SET status = 'succeeded', due_at = NULL, output_fingerprint = 'f'"
        )
        now = stream.until("record", status="COMPLETED")
        assert all(step["made"] and step["why"] is None for step in now["steps"])
        door.db.execute("DELETE FROM records WHERE id = %s", (record,))
        stream.until("deleted")
        assert stream.next() == ("end", None)


def test_an_owner_is_followed_and_hears_nothing_of_others(
    door: Door, rose: httpx.Client, record: int
) -> None:
    other = given_record(
        door.db, line="bookmarks", owner_id=door.others.id, external_id="b"
    ).record_id
    with following(rose, "/api/owners/the-marlows/events") as stream:
        name, now = stream.next()
        pages = next(step for step in now["steps"] if step["step"] == "pages")
        assert (name, pages["pending"]) == ("owner", 1)
        for each in (other, record):
            door.db.execute(
                "UPDATE ledger SET status = 'running' WHERE record_id = %s AND step = 'pages'",
                (each,),
            )
        assert stream.next() == (
            "steps",
            {"changes": [{"record": record, "step": "pages", "status": "running"}]},
        )


def test_a_flood_of_changes_is_told_as_the_state(
    door: Door, rose: httpx.Client, record: int
) -> None:
    door.db.execute(
        "INSERT INTO ledger (record_id, owner_id, step, line)"
        " SELECT %s, %s, 'step' || n, 'bookmarks' FROM generate_series(1, 1500) AS n",
        (record, door.marlows.id),
    )
    with following(rose, "/api/owners/the-marlows/events") as stream:
        assert stream.next()[0] == "owner"
        door.db.execute("UPDATE ledger SET status = 'failed', due_at = NULL")
        name, now = stream.next()
    assert name == "owner"
    assert sum(step["failed"] for step in now["steps"]) > 1500


def test_a_stream_goes_on_when_the_listening_connection_was_lost(
    door: Door, rose: httpx.Client, record: int
) -> None:
    with following(rose, f"/api/records/{record}/events") as stream:
        stream.next()
        door.db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        door.db.execute("UPDATE ledger SET status = 'running' WHERE step = 'pages'")
        stream.until("record", status="PROCESSING")


def test_a_stream_ends_when_its_token_is_revoked(
    door: Door, record: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CHECKED", 0.3)
    client = door.client("read")
    with following(client, f"/api/records/{record}/events") as stream:
        stream.next()
        revoke_token(door.db, tokens(door.db, door.marlows.id)[0].id)
        assert stream.next() == ("end", None)
    assert client.get(f"/api/records/{record}/events").status_code == 401


def test_streams_are_for_who_may_read(
    rose: httpx.Client, otto: httpx.Client, nobody: httpx.Client, record: int
) -> None:
    for address in (f"/api/records/{record}/events", "/api/owners/the-marlows/events"):
        assert otto.get(address).status_code == 404
        assert nobody.get(address).status_code == 401


def test_no_more_streams_are_open_than_a_process_may_have(
    rose: httpx.Client, record: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS", 0)
    answer = rose.get(f"/api/records/{record}/events")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")


def test_open_streams_hold_no_connection_of_the_pool(
    door: Door, rose: httpx.Client, record: int
) -> None:
    address = f"{door.url}/api/records/{record}/events"
    headers = dict(rose.headers)
    with httpx.Client(headers=headers, limits=httpx.Limits(max_connections=40)) as client:
        open_ = [client.stream("GET", address) for _ in range(30)]
        streams = [Stream(each.__enter__().iter_lines()) for each in open_]
        assert {stream.next()[0] for stream in streams} == {"record"}
        assert rose.get("/health/ready").status_code == 200
        door.db.execute("UPDATE ledger SET status = 'running' WHERE step = 'pages'")
        for stream in streams:
            stream.until("record", status="PROCESSING")
        for each in open_:
            each.__exit__(None, None, None)


def test_open_streams_end_at_once_and_in_good_order_when_the_process_does(
    door: Door, record: int, caplog: pytest.LogCaptureFixture
) -> None:
    ends: list[float] = []
    with serving(create_app(door.settings)) as url:
        token = door.client("read").headers["Authorization"]
        client = httpx.Client(base_url=url, headers={"Authorization": token}, timeout=20)
        answer = client.stream("GET", f"/api/records/{record}/events")
        stream = Stream(answer.__enter__().iter_lines())
        stream.next()

        def read_on() -> None:
            assert stream.next() == ("end", None)
            ends.append(time.monotonic())

        reader = threading.Thread(target=read_on)
        reader.start()
        told = time.monotonic()
    reader.join()
    client.close()
    assert ends[0] - told < 1
    assert time.monotonic() - told < 2
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


# -- what a watch remembers -----------------------------------------------------------------------


async def test_a_slow_reader_costs_no_more_memory_than_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_CHANGES", 3)
    watch = Watch(None, stale=False)
    for number in (1, 1, 2, 3):
        watch.note(Change(number, "pages", "running"))
    assert [change.id for change in watch.changes.values()] == [1, 2, 3]
    watch.note(Change(4, "pages", "running"))
    assert (watch.stale, watch.changes) == (True, {})


async def test_a_watch_is_forgotten_with_its_stream() -> None:
    told = Live()
    with told.watch(1), told.watch(1, 7):
        told.tell("1 7 pages running\n1 8 pages running\n2 7 pages running")
    assert not told._watches


async def test_each_watch_hears_what_it_is_for() -> None:
    told = Live()
    with told.watch(1) as all_, told.watch(1, 7) as one:
        told.tell("1 8 pages running\n2 7 pages running")
        assert [change.id for change in all_.take()] == [8]
        assert one.take() == []
