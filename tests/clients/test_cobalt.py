"""The Cobalt client: the protocols of versions 7, 10 and 11, and what can go wrong in them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from keepsake.clients.cobalt import LATER, Cobalt, Offer, open_cobalt
from keepsake.database import Pool
from keepsake.errors import (
    EndpointDown,
    PermanentError,
    RateLimited,
    RetryableError,
    StepError,
    Unreachable,
)
from keepsake.local.ports import free_port
from keepsake.settings import Settings
from keepsake.web.client import open_web
from keepsake.worker_pool import open_worker_pool
from tests.doubles import cobalt as double
from tests.doubles.cobalt import JPEG, KEY, Shown, film, song
from tests.doubles.server import serving

LINK = "https://www.youtube.com/watch?v=bread"
VERSIONS = ("7.15", "10.9.4", "11.7.1")

OpensCobalt = Callable[..., AbstractAsyncContextManager[Cobalt]]


@pytest.fixture
def cobalt_on() -> OpensCobalt:
    """Opens a client for a double, or for an address; settings by their names."""
    unused = Pool("", open=False)  # only pages wait for their host's turn, files do not

    @asynccontextmanager
    async def opens(server: double.Cobalt | str, **values: Any) -> AsyncIterator[Cobalt]:
        if isinstance(server, str):
            settings = Settings.model_validate({"cobalt_url": server, **values})
            async with (
                open_worker_pool(settings) as workers,
                open_web(settings, unused, workers) as web,
                open_cobalt(settings, web) as cobalt,
            ):
                yield cobalt
            return
        with serving(server) as server.address:
            async with opens(server.address, **values) as cobalt:
                yield cobalt

    return opens


async def refused(cobalt: Cobalt, link: str = LINK) -> StepError:
    """What asking about a link raises."""
    with pytest.raises(StepError) as caught:
        await cobalt.media(link)
    return caught.value


async def failed(cobalt: Cobalt, path: Path) -> StepError:
    """What downloading the one file of the link raises."""
    (offer,) = await cobalt.media(LINK)
    with pytest.raises(StepError) as caught:
        await cobalt.fetch(offer, path)
    return caught.value


# -- finding media --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_file_comes_through_a_tunnel(
    cobalt_on: OpensCobalt, tmp_path: Path, version: str
) -> None:
    server = double.Cobalt(version)
    server.shows(LINK, Shown(film(), "Brot ohne Mühe.mp4"))
    async with cobalt_on(server) as cobalt:
        (offer,) = await cobalt.media(LINK)
        done = await cobalt.fetch(offer, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == film()
    assert (done.size, done.sha256) == (len(film()), sha256(film()).hexdigest())
    assert (offer.name or done.name) == "Brot ohne Mühe.mp4"


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_version_is_asked_for_once(cobalt_on: OpensCobalt, version: str) -> None:
    server = double.Cobalt(version)
    server.shows(LINK, Shown(film()))
    async with cobalt_on(server) as cobalt:
        for _ in range(3):
            await cobalt.media(LINK)
        assert (await cobalt.server()).version == version
    assert sum(seen.path == "/api/serverInfo" for seen in server.seen) == 1
    assert len(server.posts) == 3


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_picker_gives_all_it_has_in_order(
    cobalt_on: OpensCobalt, tmp_path: Path, version: str
) -> None:
    server = double.Cobalt(version)
    files = [Shown(JPEG, type="photo"), Shown(film(), type="gif"), Shown(film(9))]
    server.shows(LINK, *files, Shown(song(), "Song.mp3", type="audio"))
    async with cobalt_on(server) as cobalt:
        got = []
        for offer in await cobalt.media(LINK):
            await cobalt.fetch(offer, tmp_path / "file")
            got.append((tmp_path / "file").read_bytes())
    assert got == [JPEG, film(), film(9), song()]


async def test_a_tunnel_is_reached_where_we_reach_cobalt(
    cobalt_on: OpensCobalt, tmp_path: Path
) -> None:
    server = double.Cobalt()
    server.calls_itself = "https://media.example.org"
    server.shows(LINK, Shown(film()))
    async with cobalt_on(server) as cobalt:
        (offer,) = await cobalt.media(LINK)
        assert (await cobalt.fetch(offer, tmp_path / "file")).size == len(film())


# -- files elsewhere ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_redirect_goes_through_the_guarded_client(
    cobalt_on: OpensCobalt, tmp_path: Path, version: str
) -> None:
    server, elsewhere = double.Cobalt(version), double.Cobalt()
    with serving(elsewhere) as address:
        elsewhere.next(Response(song()))
        server.shows(LINK, Shown(elsewhere=f"{address}/song.mp3"))
        async with cobalt_on(server, web_allow="127.0.0.1") as cobalt:
            (offer,) = await cobalt.media(LINK)
            assert (await cobalt.fetch(offer, tmp_path / "file")).size == len(song())
    assert offer.tunnel is None


@pytest.mark.parametrize(
    "inside", ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/a", "http://[::1]/a"]
)
async def test_a_redirect_into_a_private_network_is_refused(
    cobalt_on: OpensCobalt, tmp_path: Path, inside: str
) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(elsewhere=inside))
    async with cobalt_on(server) as cobalt:
        assert isinstance(await failed(cobalt, tmp_path / "file"), PermanentError)


# -- what it says about a link --------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "link.invalid", "service.disabled", "content.too_long",
        "content.video.private", "content.post.age", "youtube.drm",
    ],
)  # fmt: skip
async def test_what_will_never_be_had(cobalt_on: OpensCobalt, code: str) -> None:
    server = double.Cobalt()
    server.refuses(LINK, code)
    async with cobalt_on(server) as cobalt:
        error = await refused(cobalt)
    assert isinstance(error, PermanentError)
    assert code in str(error)
    assert LINK not in str(error)


@pytest.mark.parametrize("code", ["content.video.live", "youtube.login", "youtube.decipher"])
async def test_what_may_be_had_in_some_hours(cobalt_on: OpensCobalt, code: str) -> None:
    server = double.Cobalt()
    server.refuses(LINK, code)
    async with cobalt_on(server) as cobalt:
        error = await refused(cobalt)
    assert isinstance(error, RetryableError)
    assert error.retry_after == LATER


@pytest.mark.parametrize("code", ["fetch.fail", "fetch.critical", "fetch.empty", "generic"])
async def test_what_may_be_had_soon(cobalt_on: OpensCobalt, code: str) -> None:
    server = double.Cobalt()
    server.refuses(LINK, code)
    async with cobalt_on(server) as cobalt:
        for _ in range(7):
            error = await refused(cobalt)
            assert type(error) is RetryableError
            assert error.retry_after is None
        assert cobalt.limiter.down is None, "a service that fails is not Cobalt that fails"


async def test_version_7_says_only_in_words_what_is_wrong(cobalt_on: OpensCobalt) -> None:
    server = double.Cobalt("7.15")
    server.refuses(LINK, "whatever")
    async with cobalt_on(server) as cobalt:
        error = await refused(cobalt)
    assert type(error) is RetryableError
    assert "secret" not in str(error)


async def test_local_processing_is_not_done_here(cobalt_on: OpensCobalt) -> None:
    server = double.Cobalt()
    tunnels = [f"http://127.0.0.1:1/tunnel?id={number}" for number in (1, 2)]
    output = {"type": "video/mp4", "filename": "A.mp4"}
    audio = {"copy": True, "format": "mp3", "bitrate": "128"}
    answer = {"type": "merge", "service": "youtube", "tunnel": tunnels, "output": output}
    server.says(LINK, {"status": "local-processing", **answer, "audio": audio})
    async with cobalt_on(server) as cobalt:
        error = await refused(cobalt)
    assert isinstance(error, PermanentError)
    assert "FORCE_LOCAL_PROCESSING" in str(error)


async def test_a_link_too_long_for_its_body_limit(cobalt_on: OpensCobalt) -> None:
    server = double.Cobalt()
    async with cobalt_on(server) as cobalt:
        assert isinstance(await refused(cobalt, LINK + "x" * 1000), PermanentError)
    assert server.posts == []


# -- what is wrong with Cobalt, or with us --------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_too_many_requests(cobalt_on: OpensCobalt, version: str) -> None:
    server = double.Cobalt(version)
    server.requests_left = 0
    async with cobalt_on(server) as cobalt:
        error = await refused(cobalt)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 41


async def test_the_limit_tells_how_long_to_wait_when_no_header_does(cobalt_on: OpensCobalt) -> None:
    server = double.Cobalt()
    context = {"code": "error.api.rate_exceeded", "context": {"limit": 60}}
    server.says(LINK, {"status": "error", "error": context})
    async with cobalt_on(server) as cobalt:
        error = await refused(cobalt)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 60


async def test_the_key_is_sent(cobalt_on: OpensCobalt) -> None:
    server = double.Cobalt(key=KEY)
    server.shows(LINK, Shown(film()))
    async with cobalt_on(server, cobalt_api_key=KEY) as cobalt:
        assert await cobalt.media(LINK)


@pytest.mark.parametrize("key", ["", "another"])
async def test_a_key_that_is_refused_stops_the_asking(cobalt_on: OpensCobalt, key: str) -> None:
    server = double.Cobalt(key=KEY)
    async with cobalt_on(server, cobalt_api_key=key) as cobalt:
        for _ in range(3):
            error = await refused(cobalt)
            assert isinstance(error, EndpointDown)
            assert "COBALT_API_KEY" in str(error)
            assert KEY not in str(error)
    assert len(server.posts) == 1


async def test_headers_that_get_lost_on_the_way(cobalt_on: OpensCobalt) -> None:
    server = double.Cobalt()
    async with cobalt_on(server) as cobalt:
        await cobalt.server()
        server.next(double.refusal("header.accept"))
        assert isinstance(await refused(cobalt), EndpointDown)


async def test_a_request_it_does_not_take_fails_alone_until_there_are_more(
    cobalt_on: OpensCobalt,
) -> None:
    server = double.Cobalt()
    server.refuses(LINK, "invalid_body")
    async with cobalt_on(server) as cobalt:
        for _ in range(4):
            assert type(await refused(cobalt)) is RetryableError
        assert isinstance(await refused(cobalt), EndpointDown)


async def test_nobody_takes_the_connection(cobalt_on: OpensCobalt) -> None:
    async with cobalt_on(f"http://127.0.0.1:{free_port()}") as cobalt:
        for _ in range(4):
            error = await refused(cobalt)
            assert isinstance(error, Unreachable)
            assert "(Connection refused)" in str(error)
            assert "COBALT_URL" in str(error)
        assert isinstance(await refused(cobalt), EndpointDown)


async def test_a_proxy_that_does_not_reach_it(cobalt_on: OpensCobalt) -> None:
    server = double.Cobalt()
    async with cobalt_on(server) as cobalt:
        await cobalt.server()
        server.next(HTMLResponse("Bad gateway", 502))
        assert isinstance(await refused(cobalt), Unreachable)


@pytest.mark.parametrize(
    "answer", [HTMLResponse("Welcome"), JSONResponse({"ok": True}), JSONResponse([1]), "404"]
)
async def test_something_else_lives_at_the_address(
    cobalt_on: OpensCobalt, answer: Response | str
) -> None:
    server = double.Cobalt()
    server.next(Response(status_code=404) if isinstance(answer, str) else answer)
    async with cobalt_on(server) as cobalt:
        error = await refused(cobalt)
    assert isinstance(error, EndpointDown)
    assert "COBALT_URL" in str(error)


async def test_an_answer_that_is_not_of_the_protocol(cobalt_on: OpensCobalt) -> None:
    server = double.Cobalt()
    async with cobalt_on(server) as cobalt:
        await cobalt.server()
        for answer in (JSONResponse({"ok": True}), HTMLResponse("x"), HTMLResponse("x", 301)):
            server.next(answer)
            assert type(await refused(cobalt)) is RetryableError
        server.says(LINK, {"status": "tunnel"})
        assert type(await refused(cobalt)) is RetryableError


# -- downloads that go wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("empty", "without a single byte"),
        ("broken", "broke off"),
        ("short", "broke off"),
        ("failed", "500"),
    ],
)
async def test_a_tunnel_that_gives_nothing_or_not_all(
    cobalt_on: OpensCobalt, tmp_path: Path, trouble: str, words: str
) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(film()))
    server.trouble.append(trouble)
    async with cobalt_on(server) as cobalt:
        error = await failed(cobalt, tmp_path / "file")
        assert type(error) is RetryableError
        assert words in str(error)
        assert server.address not in str(error)
        (offer,) = await cobalt.media(LINK)
        assert (await cobalt.fetch(offer, tmp_path / "file")).size == len(film())


async def test_an_estimated_length_is_only_that(cobalt_on: OpensCobalt, tmp_path: Path) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(film()))
    server.trouble.append("estimated")
    async with cobalt_on(server) as cobalt:
        (offer,) = await cobalt.media(LINK)
        assert (await cobalt.fetch(offer, tmp_path / "file")).size == len(film())


async def test_a_tunnel_that_is_not_there_yet_is_asked_for_once_more(
    cobalt_on: OpensCobalt, tmp_path: Path
) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(film()))
    server.trouble.append("gone")
    async with cobalt_on(server) as cobalt:
        (offer,) = await cobalt.media(LINK)
        assert (await cobalt.fetch(offer, tmp_path / "file")).size == len(film())
    assert (len(server.posts), server.downloads) == (2, 2)


async def test_a_tunnel_that_stays_away(cobalt_on: OpensCobalt, tmp_path: Path) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(film()))
    server.trouble.extend(["gone", "gone"])
    async with cobalt_on(server) as cobalt:
        assert isinstance(await failed(cobalt, tmp_path / "file"), RetryableError)


async def test_too_many_tunnels(cobalt_on: OpensCobalt, tmp_path: Path) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(film()))
    server.trouble.append("too fast")
    async with cobalt_on(server) as cobalt:
        error = await failed(cobalt, tmp_path / "file")
    assert isinstance(error, RateLimited)
    assert error.retry_after == 17


async def test_two_gigabytes_are_refused_before_a_byte_is_here(
    cobalt_on: OpensCobalt, tmp_path: Path
) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(film()))
    server.trouble.append("huge")
    async with cobalt_on(server) as cobalt:
        error = await failed(cobalt, tmp_path / "file")
    assert isinstance(error, PermanentError)
    assert "MAX_MEDIA_MB" in str(error)
    assert not (tmp_path / "file").exists()


async def test_a_file_that_turns_out_too_large(cobalt_on: OpensCobalt, tmp_path: Path) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(film()))
    server.trouble.append("endless")
    async with cobalt_on(server, max_media_mb=1) as cobalt:
        assert isinstance(await failed(cobalt, tmp_path / "file"), PermanentError)


async def test_a_download_that_takes_too_long(cobalt_on: OpensCobalt, tmp_path: Path) -> None:
    server = double.Cobalt()
    server.shows(LINK, Shown(film()))
    async with cobalt_on(server, media_timeout=0.1) as cobalt:
        offer: Offer
        (offer,) = await cobalt.media(LINK)
        server.delay = 0.5
        with pytest.raises(RetryableError, match=r"0\.1 s"):
            await cobalt.fetch(offer, tmp_path / "file")
