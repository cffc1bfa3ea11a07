"""`/metrics`: for whom it is, what it holds, and how requests are counted."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from starlette.types import Scope

from keepsake.database import Connection, connect, open_pool
from keepsake.http import request_metrics
from keepsake.http.request_metrics import RequestCounts
from keepsake.metrics.totals import SEPARATOR
from keepsake.monitoring.exposition import OPENMETRICS, TEXT
from tests.api.conftest import Door, open_door
from tests.databases import Copies
from tests.monitoring.scraped import parsed_openmetrics, parsed_text

TOKEN = "a-token-for-prometheus"


@pytest.fixture(scope="module")
def door(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home = tmp_path_factory.mktemp("home")
    with _copies.one() as url, open_door(url, home, metrics_token=TOKEN) as opened:
        yield opened


def scrape(door: Door, token: str = TOKEN, **headers: str) -> httpx.Response:
    return httpx.get(
        f"{door.url}/metrics", headers={"Authorization": f"Bearer {token}", **headers}, timeout=20
    )


# -- who may scrape -------------------------------------------------------------------------------


def test_the_token_of_the_settings_reads_the_figures(door: Door) -> None:
    answer = scrape(door)
    assert answer.status_code == 200
    assert 'keepsake_build_info{version="' in answer.text


def test_an_operators_token_reads_the_figures(door: Door) -> None:
    assert door.operator().get("/metrics").status_code == 200


@pytest.mark.parametrize("sent", ["Bearer", "Bearer x", f"Bearer {TOKEN}x", f"Basic {TOKEN}", ""])
def test_another_token_is_answered_with_how_to_send_one(door: Door, sent: str) -> None:
    answer = httpx.get(f"{door.url}/metrics", headers={"Authorization": sent})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "keepsake_" not in answer.text


def test_an_owners_token_is_not_enough(door: Door) -> None:
    assert door.client().get("/metrics").status_code == 403


def test_without_a_token_in_the_settings_only_operators_may(
    database_url: str, tmp_path: Path
) -> None:
    with open_door(database_url, tmp_path) as door:
        assert httpx.get(f"{door.url}/metrics").status_code == 401
        assert httpx.get(f"{door.url}/metrics", headers={"Authorization": "Bearer"}).is_error
        assert door.operator().get("/metrics").status_code == 200


# -- formats --------------------------------------------------------------------------------------


def test_without_a_wish_the_answer_is_prometheus_text(door: Door) -> None:
    answer = scrape(door)
    assert answer.headers["Content-Type"] == TEXT
    assert "keepsake_workers" in {each.name for each in parsed_text(answer.text)}


def test_prometheus_gets_openmetrics(door: Door) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    answer = scrape(door, Accept=accept)
    assert answer.headers["Content-Type"] == OPENMETRICS
    assert "keepsake_workers" in {each.name for each in parsed_openmetrics(answer.text)}


def test_without_a_database_the_answer_is_that_it_is_away(
    database_url: str, tmp_path: Path
) -> None:
    with (
        open_door(database_url, tmp_path, metrics_token=TOKEN) as door,
        refused_connections(door.db),
    ):
        answer = scrape(door)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


# -- requests -------------------------------------------------------------------------------------


def test_requests_are_counted_by_the_pattern_of_their_route(
    database_url: str, tmp_path: Path
) -> None:
    with open_door(database_url, tmp_path) as door:
        rose = door.client()
        for address in (
            "/api/records/7",
            "/api/records/8",
            "/api/records?text=a-secret",
            "/feeds/a-secret.xml",
            "/static/keepsake.css",
            "/no/such/path",
            "/wp-login.php",
        ):
            rose.get(address)
        rose.request("PROPFIND", "/health/live")
    with connect(database_url) as db:
        assert counted(db) == {
            ("GET", "/api/records/{record_id}", "404"): 2,
            ("GET", "/api/records", "200"): 1,
            ("GET", "/feeds/{token}.xml", "404"): 1,
            ("GET", "/static", "200"): 1,
            ("GET", "other", "404"): 2,
            ("other", "/health/live", "405"): 1,
        }
        assert sum(timed(db).values()) == 8


def test_a_fault_is_counted(database_url: str, tmp_path: Path) -> None:
    with open_door(database_url, tmp_path) as door:
        rose = door.client()
        door.db.execute("ALTER TABLE records RENAME TO elsewhere")
        assert rose.get("/api/records/7").status_code == 500
    with connect(database_url) as db:
        assert counted(db) == {("GET", "/api/records/{record_id}", "500"): 1}


def test_requests_are_added_up_while_the_process_runs(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_metrics, "FLUSH_SECONDS", 0.02)
    with open_door(database_url, tmp_path, metrics_token=TOKEN) as door:
        httpx.get(f"{door.url}/health/live")
        until = time.monotonic() + 10
        while not counted(door.db) and time.monotonic() < until:
            time.sleep(0.01)
        assert counted(door.db) == {("GET", "/health/live", "200"): 1}


async def test_what_could_not_be_added_is_added_the_next_time(database_url: str) -> None:
    counts = RequestCounts()
    scope: Scope = {"method": "GET"}
    async with open_pool(database_url) as pool:
        with connect(database_url) as db:
            counts.count(scope, 404, 0.1)
            db.execute("ALTER TABLE metric_totals RENAME TO elsewhere")
            await counts.flush(pool)
            counts.count(scope, 404, 0.1)
            db.execute("ALTER TABLE elsewhere RENAME TO metric_totals")
            await counts.flush(pool)
            await counts.flush(pool)
            assert counted(db) == {("GET", "other", "404"): 2}
            assert timed(db) == {"other": 2}


def counted(db: Connection) -> Mapping[tuple[str, ...], float]:
    """Requests that are in the database, by method, route and status."""
    rows = db.execute(
        "SELECT labels, value FROM metric_totals WHERE metric = 'keepsake_http_requests_total'"
    )
    return {tuple(labels.split(SEPARATOR)): value for labels, value in rows}


def timed(db: Connection) -> Mapping[str, float]:
    """How many durations are in the database, by route."""
    rows = db.execute(
        "SELECT split_part(labels, %s, 1), sum(value) FROM metric_totals"
        " WHERE metric = 'keepsake_http_request_duration_seconds_bucket' GROUP BY 1",
        (SEPARATOR,),
    )
    return dict(rows.fetchall())


@contextmanager
def refused_connections(db: Connection) -> Iterator[None]:
    """The database lets nobody in, and has put out whoever was there."""
    name = db.info.dbname
    with connect(make_conninfo(db.info.dsn, dbname="postgres")) as server:
        server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> %s",
            (name, db.info.backend_pid),
        )
        try:
            yield
        finally:
            server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(name)))
