"""The guarded client, against a site that serves what the world serves."""

import asyncio
import gzip
import hashlib
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from keepsake.errors import PermanentError, RateLimited, RetryableError
from keepsake.web import hosts
from keepsake.web.answer import file_name
from keepsake.web.client import TooLarge, Web
from keepsake.web.guard import Address, AddressRefused, parse_address
from keepsake.web.network import resolve
from tests.doubles.server import Broken
from tests.doubles.site import ARTICLE, ETAG, LAST_MODIFIED, MEGABYTE
from tests.web.conftest import Opening, Served

# ------------------------------------------------------------------------------------------------
# Who may be asked
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "0.0.0.0",
     "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "100.64.0.1", "169.254.169.254"],
)  # fmt: skip
async def test_no_spelling_of_an_inner_address_is_connected_to(
    opened: Opening, served: Served, host: str
) -> None:
    port = served.url.rpartition(":")[2]
    async with opened(web_allow="") as web:
        with pytest.raises(AddressRefused):
            await web.page(f"http://{host}:{port}/article")
    assert served.site.seen == []


async def test_a_redirect_to_an_inner_address_is_refused(opened: Opening, served: Served) -> None:
    served.site.next(RedirectResponse("http://169.254.169.254/latest/meta-data"))
    async with opened() as web:
        with pytest.raises(AddressRefused, match=r"^169\.254\.169\.254 is at"):
            await web.page(f"{served.url}/short")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "javascript:alert(1)", "http://u:p@a.b/"])
async def test_a_redirect_away_from_the_web_is_refused(
    web: Web, served: Served, target: str
) -> None:
    served.site.next(PlainTextResponse("", 302, headers={"location": target}))
    with pytest.raises(AddressRefused):
        await web.page(f"{served.url}/short")


@pytest.mark.parametrize(
    "target", ["http://[::g]/", "http://0177.0.0.1/", "http://a.b:c/", "/a\tb", f"//{'ab' * 200}/"]
)
async def test_a_redirect_to_what_is_no_address_is_an_error_for_good(
    web: Web, served: Served, target: str
) -> None:
    served.site.next(PlainTextResponse("", 302, headers={"location": target}))
    with pytest.raises(PermanentError, match="no address"):
        await web.page(f"{served.url}/short")


async def test_a_host_that_resolves_to_an_inner_address_among_others_is_refused(
    opened: Opening, served: Served
) -> None:
    async def rebound(host: str) -> list[Address]:
        return [parse_address("93.184.216.34"), parse_address("127.0.0.1")]

    port = served.url.rpartition(":")[2]
    async with opened(rebound, web_allow="") as web:
        with pytest.raises(AddressRefused, match=r"public\.example"):
            await web.page(f"http://public.example:{port}/article")
    assert served.site.seen == []


async def test_a_name_is_resolved_once_and_the_checked_address_is_used(
    opened: Opening, served: Served
) -> None:
    asked = []

    async def resolve(host: str) -> list[Address]:
        asked.append(host)
        return [parse_address("127.0.0.1")]

    port = served.url.rpartition(":")[2]
    async with opened(resolve) as web:
        await web.page(f"http://no.such.host.example:{port}/article")
    assert asked == ["no.such.host.example"]
    assert served.site.seen[0].headers["host"] == f"no.such.host.example:{port}"


async def test_the_next_address_is_tried_when_one_takes_no_connection(
    opened: Opening, served: Served
) -> None:
    async def resolve(host: str) -> list[Address]:
        return [parse_address("::1"), parse_address("127.0.0.1")]

    port = served.url.rpartition(":")[2]
    async with opened(resolve, web_allow="two.example") as web:
        assert (await web.page(f"http://two.example:{port}/article")).status == 200


async def test_lookups_that_hang_hold_up_no_other_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(10) and [])
    lookups = [asyncio.create_task(resolve("dead.example")) for _ in range(40)]
    try:
        await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.to_thread(int), 5) == 0
    finally:
        answer.set()
        await asyncio.gather(*lookups)


async def test_no_proxy_of_the_environment_is_used(
    opened: Opening, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with opened() as web:
        assert (await web.page(f"{served.url}/article")).status == 200


# ------------------------------------------------------------------------------------------------
# What comes back
# ------------------------------------------------------------------------------------------------


async def test_a_response_is_its_address_status_headers_and_body(web: Web, served: Served) -> None:
    fetched = await web.page(f"{served.url}/article#boats")
    assert (fetched.url, fetched.status) == (f"{served.url}/article", 200)
    assert fetched.headers["content-type"] == "text/html; charset=utf-8"
    assert fetched.body == ARTICLE.encode()


async def test_we_say_who_we_are(opened: Opening, served: Served) -> None:
    async with opened(web_user_agent="Keepsake/9 (me@example.org)") as web:
        assert (await web.page(f"{served.url}/agent")).body == b"Keepsake/9 (me@example.org)"


async def test_a_packed_body_is_unpacked(web: Web, served: Served) -> None:
    assert (await web.page(f"{served.url}/packed")).body == ARTICLE.encode()


async def test_a_body_packed_in_parts_is_unpacked_to_its_end(web: Web, served: Served) -> None:
    packed = b"".join(gzip.compress(part) for part in (b"one ", b"", b"two")) + bytes(100)
    served.site.next(Response(packed, headers={"content-encoding": "gzip"}))
    assert (await web.page(f"{served.url}/article")).body == b"one two"


async def test_a_body_packed_in_another_way_than_we_asked_for_is_an_error(
    web: Web, served: Served
) -> None:
    with pytest.raises(PermanentError, match="did not ask for"):
        await web.page(f"{served.url}/brotli")


async def test_five_redirects_are_followed(web: Web, served: Served) -> None:
    assert (await web.page(f"{served.url}/chain/5")).url == f"{served.url}/chain/0"


async def test_six_redirects_are_not(web: Web, served: Served) -> None:
    with pytest.raises(PermanentError, match="more than 5 times"):
        await web.page(f"{served.url}/chain/6")
    assert len(served.site.seen) == 6


async def test_a_circle_of_redirects_is_seen(web: Web, served: Served) -> None:
    with pytest.raises(PermanentError, match="circle"):
        await web.page(f"{served.url}/circle")
    assert len(served.site.seen) == 2


async def test_a_redirect_that_sets_a_cookie_leads_on(web: Web, served: Served) -> None:
    assert (await web.page(f"{served.url}/cookie")).body == ARTICLE.encode()


async def test_a_cookie_is_forgotten_after_the_call(web: Web, served: Served) -> None:
    await web.page(f"{served.url}/cookie")
    await web.page(f"{served.url}/article")
    assert "cookie" not in served.site.seen[-1].headers


# ------------------------------------------------------------------------------------------------
# What is too much
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["large", "bomb", "declared", "hollow"])
async def test_a_page_that_is_too_large_is_not_read_to_its_end(
    opened: Opening, served: Served, path: str
) -> None:
    async with opened(max_page_mb=2) as web:
        with pytest.raises(TooLarge, match="larger than 2 MB"):
            await web.page(f"{served.url}/{path}")


@pytest.mark.parametrize("kind", ["video/mp4", "audio/mpeg", "Image/PNG"])
async def test_of_a_film_or_a_picture_only_the_beginning_is_read(
    opened: Opening, served: Served, kind: str
) -> None:
    served.site.next(Response(bytes(3 * MEGABYTE), media_type=kind))
    async with opened(max_page_mb=2) as web:
        fetched = await web.page(f"{served.url}/film")
    assert 0 < len(fetched.body) < MEGABYTE


async def test_a_page_that_drips_ends_at_the_time_limit(opened: Opening, served: Served) -> None:
    started = time.monotonic()
    async with opened(web_timeout=0.3) as web:
        with pytest.raises(RetryableError, match=r"took longer than 0\.3 s"):
            await web.page(f"{served.url}/drip")
    assert time.monotonic() - started < 2


async def test_redirects_share_the_time_limit(opened: Opening, served: Served) -> None:
    served.site.delay = 0.15
    async with opened(web_timeout=0.4) as web:
        with pytest.raises(RetryableError, match="took longer"):
            await web.page(f"{served.url}/chain/5")


async def test_a_host_that_never_answers_is_the_fault_of_that_host(opened: Opening) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with opened(web_timeout=0.3) as web:
            with pytest.raises(RetryableError) as failure:
                await web.page(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert type(failure.value) is RetryableError


# ------------------------------------------------------------------------------------------------
# What goes wrong
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451])
async def test_a_refusal_is_for_good(web: Web, served: Served, status: int) -> None:
    with pytest.raises(PermanentError, match=str(status)):
        await web.page(f"{served.url}/status/{status}")


@pytest.mark.parametrize("status", [408, 500, 502, 503])
async def test_a_failure_of_the_server_is_worth_another_try(
    web: Web, served: Served, status: int
) -> None:
    with pytest.raises(RetryableError, match=str(status)):
        await web.page(f"{served.url}/status/{status}")


async def test_a_site_may_ask_for_patience_in_seconds(web: Web, served: Served) -> None:
    served.site.next(PlainTextResponse("", 429, headers={"retry-after": "120"}))
    with pytest.raises(RateLimited) as asked:
        await web.page(f"{served.url}/article")
    assert asked.value.retry_after == 120


async def test_a_site_may_ask_for_patience_by_the_clock(web: Web, served: Served) -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    served.site.next(PlainTextResponse("", 503, headers={"retry-after": then}))
    with pytest.raises(RetryableError) as asked:
        await web.page(f"{served.url}/article")
    assert asked.value.retry_after == pytest.approx(90, abs=3)


@pytest.mark.parametrize("when", ["Mon, 01 Jan 99999999999 00:00:00 GMT", "soon", "-1", ""])
async def test_patience_until_no_time_is_no_patience(web: Web, served: Served, when: str) -> None:
    served.site.next(PlainTextResponse("", 429, headers={"retry-after": when}))
    with pytest.raises(RateLimited) as asked:
        await web.page(f"{served.url}/article")
    assert asked.value.retry_after is None


async def test_a_connection_that_breaks_off_is_worth_another_try(web: Web, served: Served) -> None:
    served.site.next(Broken())
    with pytest.raises(RetryableError, match="broke off"):
        await web.page(f"{served.url}/article")


async def test_a_site_that_takes_no_connection_is_no_endpoint_of_ours(web: Web) -> None:
    with pytest.raises(RetryableError, match="takes no connection") as failure:
        await web.page("http://127.0.0.1:9/")
    assert type(failure.value) is RetryableError


async def test_a_host_that_does_not_exist_is_an_error_for_good(web: Web) -> None:
    with pytest.raises(PermanentError, match=r"there is no host nowhere\.invalid"):
        await web.page("http://nowhere.invalid/")


@pytest.mark.parametrize("path", ["status/404", "status/500", "circle", "chain/9", "brotli"])
async def test_a_message_names_the_host_and_nothing_else(
    web: Web, served: Served, path: str
) -> None:
    with pytest.raises((PermanentError, RetryableError)) as failure:
        await web.page(f"{served.url}/{path}?secret=1")
    message = str(failure.value)
    assert "127.0.0.1" in message
    assert not any(word in message for word in ("secret", "words of", "/", "?"))


# ------------------------------------------------------------------------------------------------
# Downloads
# ------------------------------------------------------------------------------------------------


async def test_a_download_is_a_file_with_its_checksum(
    web: Web, served: Served, tmp_path: Path
) -> None:
    path = tmp_path / "video"
    done = await web.download(f"{served.url}/video", path, max_bytes=MEGABYTE, seconds=10)
    assert path.read_bytes() == b"film" * 1000
    assert done.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (done.size, done.content_type, done.url) == (4000, "video/mp4", f"{served.url}/video")


async def test_the_name_of_a_download_has_no_folders_and_no_line_breaks(
    web: Web, served: Served, tmp_path: Path
) -> None:
    done = await web.download(f"{served.url}/video", tmp_path / "v", max_bytes=10**6, seconds=10)
    assert done.name == "a boat.mp4"


@pytest.mark.parametrize("given", ["filename*=undefined''x", "filename*0=a; filename*=b", '"'])
def test_a_malformed_name_of_a_download_is_none(given: str) -> None:
    assert file_name(f"attachment; {given}") is None


async def test_an_empty_download_is_worth_another_try(
    web: Web, served: Served, tmp_path: Path
) -> None:
    with pytest.raises(RetryableError, match="empty"):
        await web.download(f"{served.url}/empty", tmp_path / "v", max_bytes=10**6, seconds=10)


@pytest.mark.parametrize("path", ["declared", "large"])
async def test_a_download_that_is_too_large_ends_early(
    web: Web, served: Served, tmp_path: Path, path: str
) -> None:
    file = tmp_path / "v"
    with pytest.raises(TooLarge):
        await web.download(f"{served.url}/{path}", file, max_bytes=MEGABYTE, seconds=10)
    assert not file.exists() or file.stat().st_size <= MEGABYTE


# ------------------------------------------------------------------------------------------------
# Pages
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [{"etag": ETAG}, {"last_modified": LAST_MODIFIED}])
async def test_a_page_that_is_still_the_same_is_not_sent_again(
    web: Web, served: Served, known: dict[str, str]
) -> None:
    fetched = await web.page(f"{served.url}/article", **known)
    assert (fetched.status, fetched.body) == (304, b"")


async def test_a_page_that_is_another_now_comes_whole(web: Web, served: Served) -> None:
    fetched = await web.page(f"{served.url}/article", etag='"v0"')
    assert (fetched.status, fetched.headers["etag"]) == (200, ETAG)


async def test_pages_are_fetched_a_few_at_once(opened: Opening, served: Served) -> None:
    served.site.delay = 0.05
    async with opened(web_concurrency=3) as web:
        await asyncio.gather(*(web.page(f"{served.url}/article?{n}") for n in range(12)))
    assert served.site.peak == 3


async def test_robots_are_asked_once_however_many_come(opened: Opening, served: Served) -> None:
    async with opened(web_robots=True) as web:
        await asyncio.gather(*(web.page(f"{served.url}/article?{n}") for n in range(8)))
    assert [seen.path for seen in served.site.seen].count("/robots.txt") == 1


async def test_what_robots_may_not_see_is_not_asked_for(opened: Opening, served: Served) -> None:
    served.site.robots = PlainTextResponse("User-agent: keepsake\nDisallow: /private\n")
    async with opened(web_robots=True) as web:
        with pytest.raises(PermanentError, match=r"robots\.txt of 127\.0\.0\.1 does not allow us"):
            await web.page(f"{served.url}/private/diary")
        await web.page(f"{served.url}/article")
    assert served.site.paths == ["/article"]


async def test_a_redirect_to_what_robots_may_not_see_is_not_followed(
    opened: Opening, served: Served
) -> None:
    served.site.robots = PlainTextResponse("User-agent: *\nDisallow: /chain/0\n")
    async with opened(web_robots=True) as web:
        with pytest.raises(PermanentError, match="robots"):
            await web.page(f"{served.url}/chain/1")
    assert served.site.paths == ["/chain/1"]


@pytest.mark.parametrize("status", [401, 404, 410])
async def test_a_site_without_rules_allows_everything(
    opened: Opening, served: Served, status: int
) -> None:
    served.site.robots = PlainTextResponse("", status)
    async with opened(web_robots=True) as web:
        assert (await web.page(f"{served.url}/article")).status == 200


async def test_a_site_that_cannot_tell_its_rules_is_asked_later(
    opened: Opening, served: Served
) -> None:
    served.site.robots = PlainTextResponse("", 503)
    async with opened(web_robots=True) as web:
        with pytest.raises(RetryableError, match="robots"):
            await web.page(f"{served.url}/article")
        served.site.robots = None
        assert (await web.page(f"{served.url}/article")).status == 200


async def test_of_endless_rules_the_beginning_counts(opened: Opening, served: Served) -> None:
    rules = "User-agent: *\nDisallow: /private\n" + "#" * 50 * MEGABYTE
    served.site.robots = PlainTextResponse(rules)
    async with opened(web_robots=True) as web:
        with pytest.raises(PermanentError, match="does not allow us"):
            await web.page(f"{served.url}/private")


async def test_rules_that_take_all_memory_fail_their_page_and_no_other(
    opened: Opening, served: Served
) -> None:
    robots = "".join(f"User-agent: {n:x}\n" for n in range(15_000))
    served.site.robots = PlainTextResponse(robots + "Allow: /a\n" * 20_000)
    async with opened(web_robots=True, apart_memory_mb=128) as web:
        with pytest.raises(PermanentError, match=r"robots\.txt of 127\.0\.0\.1 cannot be read"):
            await web.page(f"{served.url}/article")


async def test_a_host_is_asked_in_intervals_by_all_runs_together(
    opened: Opening, served: Served
) -> None:
    started = time.monotonic()
    async with opened(web_host_interval=0.2) as one, opened(web_host_interval=0.2) as other:
        await asyncio.gather(*(web.page(f"{served.url}/article") for web in (one, other) * 2))
    assert time.monotonic() - started >= 0.6


async def test_the_delay_that_a_site_asks_for_is_kept(
    opened: Opening, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "LONGEST_WAIT", 5.0)
    served.site.robots = PlainTextResponse("User-agent: *\nCrawl-delay: 10\n")
    async with opened(web_robots=True) as web:
        await web.page(f"{served.url}/article")
        with pytest.raises(RateLimited, match="asked once in 10 s"):
            await web.page(f"{served.url}/article")


async def test_who_would_wait_long_is_put_off_and_takes_no_turn(
    opened: Opening, served: Served
) -> None:
    async with opened(web_host_interval=100) as web:
        await web.page(f"{served.url}/article")
        for _ in range(3):
            with pytest.raises(RateLimited) as asked:
                await web.page(f"{served.url}/article")
            # More than a run waits for: the ledger puts the record off.
            assert (asked.value.retry_after or 0) > 60
    assert served.site.paths == ["/article"]
