"""The API traces each request by its route, and nothing of its address."""

from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Door, open_door
from tests.doubles.otlp import SpanReceiver
from tests.doubles.server import serving

SECRET = "zebra-4711"
CALLER = {"trace": "4bf92f3577b34da6a3ce929d0e0e4736", "span": "00f067aa0ba902b7"}


@pytest.fixture(scope="module")
def receiver(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> SpanReceiver:
    """What a receiver got of a server that was asked all of these."""
    double = SpanReceiver()
    home: Path = tmp_path_factory.mktemp("home")
    with (
        serving(double) as url,
        open_door(shared_database_url, home, otel_exporter_otlp_endpoint=url) as door,
    ):
        ask(door)
    return double


def ask(door: Door) -> None:
    client = door.client()
    client.headers["user-agent"] = SECRET
    client.get("/api/jobs/12", params={"q": SECRET})
    client.get("/api/records", headers={"traceparent": f"00-{CALLER['trace']}-{CALLER['span']}-01"})
    client.get(f"/{SECRET}")
    client.request("PROPFIND", "/api/search")
    httpx.get(f"{door.url}/feeds/{SECRET}/feed.xml")
    httpx.get(f"{door.url}/sign-in/{SECRET}")


def test_a_request_is_named_by_its_route(receiver: SpanReceiver) -> None:
    request = receiver.one("GET /api/jobs/{job_id}")
    assert (request.kind, request.part, request.failed) == ("SERVER", "api", False)
    assert request.attributes == {
        "http.request.method": "GET",
        "http.route": "/api/jobs/{job_id}",
        "http.response.status_code": 404,
    }


def test_a_request_is_within_the_trace_of_its_caller(receiver: SpanReceiver) -> None:
    request = receiver.one("GET /api/records")
    assert (request.trace, request.parent) == (CALLER["trace"], CALLER["span"])


def test_a_method_that_is_none_of_http_is_not_repeated(receiver: SpanReceiver) -> None:
    (request,) = [s for s in receiver.spans if s.name.startswith("HTTP")]
    assert request.attributes["http.request.method"] == "_OTHER"


def test_nothing_of_an_address_or_a_header_is_sent(receiver: SpanReceiver) -> None:
    assert len(receiver.spans) == 6
    sent = b"".join(seen.body for seen in receiver.seen)
    assert SECRET.encode() not in sent.lower()
