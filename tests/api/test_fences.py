"""What stands around every route: headers, limits, proxies, the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepsake.accounts.tokens import create_token
from keepsake.accounts.users import add_user
from keepsake.api.app import create_app
from keepsake.database import Connection, connect, open_pool
from keepsake.http.access_log import shown_path
from keepsake.http.problems import Problem
from keepsake.http.rate_limits import RateLimits
from keepsake.owners.owners import add_owner
from keepsake.settings import Settings
from tests.api.serving import serving

EMAIL = "rose@example.org"


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        add_owner(connection, "Miller")
        add_user(connection, EMAIL, "Rose")
        yield connection


@contextmanager
def served(database_url: str, home: Path, **settings: Any) -> Iterator[httpx.Client]:
    """A client of a server with these settings."""
    own = {"database_url": database_url, "keepsake_home": str(home), **settings}
    app = create_app(Settings.model_validate(own))
    with serving(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


# -- headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/me", "/sign-in", "/static/keepsake.css", "/nowhere"])
def test_every_answer_keeps_browsers_from_mischief(nobody: httpx.Client, path: str) -> None:
    headers = nobody.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "microphone=(self)" in headers["Permissions-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Cache-Control" in headers
    assert "Strict-Transport-Security" not in headers  # not over plain HTTP
    assert "Access-Control-Allow-Origin" not in headers


def test_behind_https_browsers_keep_to_it(database_url: str, tmp_path: Path) -> None:
    public = "https://keepsake.example"
    with served(database_url, tmp_path, public_url=public) as client:
        headers = client.get("/sign-in", headers={"Host": "keepsake.example"}).headers
    assert "max-age=31536000" in headers["Strict-Transport-Security"]


def test_other_sites_may_not_read_answers(rose: httpx.Client) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = rose.options("/api/me", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_an_origin_that_is_no_address_is_another_site(nobody: httpx.Client) -> None:
    assert nobody.post("/sign-out", headers={"Origin": "http://["}).status_code == 403


# -- limits -------------------------------------------------------------------------------------


def test_a_head_without_end_is_broken_off(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path) as client:
        long = client.get("/health/live", headers={"X-Long": "a" * 1_000_000})
        assert (long.status_code, "headers are longer" in long.text) == (400, True)
        usual = {"X-Long": "a" * 30_000}
        for _ in range(4):  # one connection: each request has the bound for itself
            assert client.get("/health/live", headers=usual).status_code == 200


MOMENT = 1_800_000_000.0  # the first second of a minute


async def let_through(limits: RateLimits, key: str, *, now: float, tries: int = 100) -> int:
    """How many of so many requests are."""
    passed = 0
    for _ in range(tries):
        with suppress(Problem):
            await limits.count(key, 40, now=now)
            passed += 1
    return passed


async def test_a_key_has_so_many_requests_a_minute_and_others_have_theirs(
    database_url: str,
) -> None:
    async with open_pool(database_url) as pool:
        limits = RateLimits(pool)
        assert await let_through(limits, "token 1", now=MOMENT) == 40
        assert await let_through(limits, "token 2", now=MOMENT) == 40
        assert await let_through(limits, "token 1", now=MOMENT + 59) == 0
        assert await let_through(limits, "token 1", now=MOMENT + 60) == 40


async def test_processes_share_a_limit(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        processes = [RateLimits(pool) for _ in range(3)]
        passed = [await let_through(each, "token 1", now=MOMENT, tries=20) for each in processes]
        assert sum(passed) == 40


async def test_a_limit_costs_a_statement_for_many_requests(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        limits = RateLimits(pool)
        for _ in range(300):
            await limits.count("token 1", 6000, now=MOMENT)
        async with pool.connection() as connection:
            cursor = await connection.execute("SELECT taken FROM rate_limits")
            assert await cursor.fetchall() == [(300,)]


def test_who_asks_too_much_is_told_when_to_come_back(
    db: Connection, database_url: str, tmp_path: Path
) -> None:
    token, _ = create_token(db, "phone", owner_id=1, scopes=["read"])
    headers = {"Authorization": f"Bearer {token}"}
    with served(database_url, tmp_path, rate_limit=2) as client:
        answers = [client.get("/api/me", headers=headers) for _ in range(5)]
    refused = answers[-1]
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_who_tries_to_sign_in_too_often_has_to_wait(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, rate_limit_sign_in=3) as client:
        form = {"email": EMAIL, "code": "123456"}
        answers = [client.post("/sign-in/code", data=form).status_code for _ in range(8)]
    assert answers.count(422) <= 6
    assert 429 in answers


def test_wrong_tokens_are_counted_by_address(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, rate_limit_address=5) as client:
        wrong = {"Authorization": "Bearer ksp_wrong"}
        answers = [client.get("/api/me", headers=wrong).status_code for _ in range(12)]
    assert 429 in answers


def test_no_limit_is_none(db: Connection, database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, rate_limit_address=0) as client:
        assert {client.get("/api/me").status_code for _ in range(5)} == {401}
    assert db.execute("SELECT FROM rate_limits").fetchall() == []


# -- proxies ------------------------------------------------------------------------------------

PROXY = {"trusted_proxies": "127.0.0.1, 10.0.0.0/8"}


def sign_ins_left(client: httpx.Client, forwarded_for: str) -> bool:
    """Whether that address may still try to sign in."""
    form = {"email": EMAIL, "code": "123456"}
    headers = {"X-Forwarded-For": forwarded_for}
    return client.post("/sign-in/code", data=form, headers=headers).status_code == 422


def test_addresses_are_those_that_a_trusted_proxy_says(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, rate_limit_sign_in=1, **PROXY) as client:
        tries = [sign_ins_left(client, "203.0.113.7") for _ in range(3)]
        assert tries.count(True) <= 2
        assert sign_ins_left(client, "203.0.113.8")
        # What the device itself wrote on the left is not believed, and nor is a proxy a device.
        assert sign_ins_left(client, "203.0.113.7, 203.0.113.9, 10.1.2.3")


def test_others_do_not_say_who_they_are(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, rate_limit_sign_in=1) as client:
        tries = [sign_ins_left(client, f"203.0.113.{number}") for number in range(4)]
    assert tries.count(True) <= 2


def test_an_ipv6_network_is_one_address(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, rate_limit_sign_in=1, **PROXY) as client:
        tries = [sign_ins_left(client, f"2001:db8::{number}") for number in range(4)]
        assert tries.count(True) <= 2
        assert sign_ins_left(client, "2001:db8:0:1::1")


def test_a_proxy_that_ends_tls_makes_cookies_secure(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, **PROXY) as client:
        asked = {"X-Forwarded-Proto": "https", "Sec-Fetch-Site": "same-origin"}
        answer = client.post("/sign-out", headers=asked)
    assert answer.headers["set-cookie"].startswith("__Host-keepsake=")


SAID = {"Remote-Email": EMAIL.upper(), "Sec-Fetch-Site": "same-origin"}


def test_whom_a_trusted_proxy_has_signed_in_is_signed_in(
    db: Connection, database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path, forward_auth=True, **PROXY) as client:
        assert client.get("/api/me", headers=SAID).json()["name"] == "Rose"
        assert client.get("/api/me", headers={"Remote-User": EMAIL}).json()["name"] == "Rose"
        for stranger in ({"Remote-Email": "zoe@example.org"}, {"Remote-User": "rose"}):
            assert client.get("/api/me", headers=stranger).status_code == 401
        bare = client.post("/sign-out", headers={"Remote-Email": EMAIL})
        assert bare.json()["code"] == "cross_site"


@pytest.mark.parametrize(
    "settings", [{}, PROXY, {"trusted_proxies": "10.0.0.1", "forward_auth": True}], ids=str
)
def test_from_others_and_without_forward_auth_it_counts_for_nothing(
    db: Connection, database_url: str, tmp_path: Path, settings: dict[str, Any]
) -> None:
    with served(database_url, tmp_path, **settings) as client:
        assert client.get("/api/me", headers=SAID).status_code == 401


# -- the log ------------------------------------------------------------------------------------


def test_the_log_says_who_asked_what_by_ids(
    db: Connection, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, _ = create_token(db, "phone", owner_id=1, scopes=["read"])
    with (
        caplog.at_level(logging.INFO, "keepsake.access"),
        served(database_url, tmp_path) as client,
    ):
        headers = {"Authorization": f"Bearer {token}"}
        client.get("/api/records/12", params={"secret": "words"}, headers=headers)
        client.get("/sign-in/a-secret-link")
    lines = [r.getMessage() for r in caplog.records if r.name == "keepsake.access"]
    assert lines[0].startswith("GET /api/records/12 404 ")
    assert lines[0].endswith(" ms token 1")
    assert lines[1].startswith("GET /sign-in/*** 404 ")
    assert lines[1].endswith(" ms -")
    for secret in ("secret", "127.0.0.1"):
        assert secret not in "".join(lines)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/feeds/ksl_abc.xml", "/feeds/***"),
        ("/feeds/ksl_abc/12.mp3", "/feeds/***/12.mp3"),
        ("/api/records/12", "/api/records/12"),
        ("/a\nb", "/a\\nb"),
    ],
)
def test_a_path_is_shown_without_secrets_and_on_one_line(path: str, shown: str) -> None:
    assert shown_path(path) == shown


@pytest.mark.parametrize(
    "path",
    [
        "/api/records?to=9999-12-31",
        "/api/records?tag=a%00b",
        "/o/the-marlows/family/stories?tag=a%00b",
        "/o/the-marlows/family/stories?member=a%00b",
        f"/o/the-marlows/family/stories?before={2**64}",
        "/o/the-marlows/bookmarks?tag=a%00b",
        "/o/the-marlows/bookmarks?q=a%00b",
        f"/o/the-marlows/bookmarks?before={2**64}",
    ],
)
def test_what_no_database_can_hold_is_no_fault_of_ours(rose: httpx.Client, path: str) -> None:
    assert rose.get(path).status_code < 500


def test_a_part_of_a_page_that_says_nonsense_of_its_page_is_led_to_sign_in(
    nobody: httpx.Client,
) -> None:
    part = {"HX-Request": "true", "HX-Current-URL": "http://[", "Accept": "text/html"}
    answer = nobody.get("/o/the-marlows/family", headers=part)
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/"
