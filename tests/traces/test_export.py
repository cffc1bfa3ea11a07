"""Where spans go: what the settings say, and what a receiver that is away costs."""

import logging
import socket
import sys
import time
from collections.abc import Iterator

import pytest
from starlette.responses import Response

from keepsake.local.ports import free_port
from keepsake.settings import Settings
from keepsake.traces import otlp
from keepsake.traces.spans import Receiver, exported, span

from .conftest import At


def receiver(**settings: str) -> Receiver | None:
    return Settings.model_validate(settings).span_receiver


def test_settings_name_a_server_or_a_whole_address() -> None:
    assert receiver() is None
    base = {"otel_exporter_otlp_endpoint": "http://collector:4318/"}
    assert receiver(**base) == Receiver("http://collector:4318/v1/traces")
    whole = {"otel_exporter_otlp_traces_endpoint": "https://other/otlp"}
    assert receiver(**base, **whole) == Receiver("https://other/otlp")


def test_the_headers_of_the_settings_go_with_the_spans(at: At) -> None:
    receiver = Receiver(f"{at.url}/otlp", "Authorization=Basic%20abc,x-scope=7")
    with exported(receiver, "api"), span("x"):
        pass
    (seen,) = at.double.seen
    assert seen.headers["authorization"] == "Basic abc"
    assert seen.headers["x-scope"] == "7"


def test_names_in_the_environment_win(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-keepsake")
    with exported(at.receiver, "api"), span("x"):
        pass
    assert b"our-keepsake" in at.double.seen[0].body


def test_what_is_left_is_sent_when_the_block_fails(at: At) -> None:
    with pytest.raises(KeyError), exported(at.receiver, "worker"), span("x"):
        raise KeyError("x")
    assert at.double.one("x").attributes["error.type"] == "KeyError"


def test_within_a_block_that_exports_another_changes_nothing(at: At) -> None:
    with exported(at.receiver, "worker"):
        with exported(at.receiver, "run"), span("x"):
            pass
        with span("y"):
            pass
    assert {each.name for each in at.double.spans} == {"x", "y"}


def test_without_the_extra_the_log_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "keepsake.traces.otlp")
    with exported(Receiver("http://127.0.0.1:9"), "run"), span("x"):
        pass
    assert "pip install 'keepsake[traces]'" in caplog.text


# -- a receiver that is away ----------------------------------------------------------------------


@pytest.fixture
def away() -> Receiver:
    """Where no receiver is."""
    return Receiver(f"http://127.0.0.1:{free_port()}/v1/traces")


@pytest.fixture
def silent() -> Iterator[Receiver]:
    """A receiver that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces")


@pytest.mark.parametrize("gone", ["away", "silent"])
def test_the_end_does_not_wait_for_a_receiver_that_is_gone(
    gone: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "FLUSH_SECONDS", 0.3)
    with exported(request.getfixturevalue(gone), "run"):
        with span("x"):
            pass
        began = time.monotonic()
    assert time.monotonic() - began < 8  # a request may take ten


def test_the_queue_for_a_receiver_that_is_late_does_not_grow(
    at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
    at.double.open.clear()
    with exported(at.receiver, "run"):
        for _ in range(2_000):
            with span("x"):
                pass
        at.double.open.set()
    # The queue, the batch that was under way, and one that may have followed it.
    assert 100 <= len(at.double.spans) <= 200


def test_the_log_says_once_that_a_receiver_is_away_and_once_that_it_is_back(
    at: At, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")  # each span is sent at once
    caplog.set_level(logging.INFO)
    at.double.next(Response(status_code=400), Response(status_code=400))
    with exported(at.receiver, "worker"):
        for count in range(1, 4):
            with span("x"):
                pass
            while len(at.double.seen) < count:
                time.sleep(0.01)
        while "is back" not in caplog.text:
            time.sleep(0.01)
    said = [line.getMessage() for line in caplog.records if "receiver" in line.getMessage()]
    assert said == [
        "spans are dropped: their receiver takes none, `keepsake doctor` says why",
        "the receiver of spans is back",
    ]
    assert at.url not in caplog.text
