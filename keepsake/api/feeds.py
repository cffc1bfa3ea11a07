"""Feeds for players and readers: the podcast of a family, the weeks of a runner, all they name.

The token in the address is the only proof of who asks: an address is for one listener, and one that
is unknown, malformed or revoked is answered as if nothing was ever there. Whatever changes, is
hidden or deleted, holds with the next request.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from keepsake.accounts.listeners import by_feed_token
from keepsake.audio.captions import srt
from keepsake.clients.objects import MissingObject
from keepsake.delivery.feeds import feed_root
from keepsake.family.feed import rss
from keepsake.family.feed.episodes import Episode, family_name, read_channel, read_episode
from keepsake.http.files import bytes_response, object_response
from keepsake.http.problems import Problem
from keepsake.http.rate_limits import address_key
from keepsake.http.state import ForState, State
from keepsake.running import feed as running

router = APIRouter(prefix="/feeds", tags=["feeds"])

# Players in a browser load sound and pictures from another site, as a player does.
_FOR_PLAYERS = {"Cross-Origin-Resource-Policy": "cross-origin", "X-Robots-Tag": "noindex"}
# And they read transcripts and chapters by script. No cookie counts here: who can name the address
# may read it anyway.
_FOR_SCRIPTS = {**_FOR_PLAYERS, "Access-Control-Allow-Origin": "*"}
# A digest's page brings its own style and no script.
_FOR_PAGES = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox; frame-ancestors 'none'",
    "X-Robots-Tag": "noindex",
}
_NOTHING_HERE = "there is nothing at this address: was it revoked, or is it complete?"

Answer = Callable[..., Awaitable[Response]]
RecordId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(frozen=True)
class Feed:
    """A request for a feed, or for something that it names.

    Attributes:
        owner_id: whose feed.
        root: what the addresses of all feeds begin with.
        address: what those of this listener begin with.
        state: of the process.
    """

    owner_id: int
    root: str
    address: str
    state: State

    async def episode(self, record_id: int) -> Episode:
        """An episode that is in the feed.

        Raises:
            Problem: it is not.
        """
        found = await self.state.call_as(self.owner_id, read_episode, self.owner_id, record_id)
        if found is None:
            raise Problem("not_found", _NOTHING_HERE)
        return found


async def asked_feed(
    request: Request,
    state: ForState,
    token: Annotated[str, Path(description="Of one listener, `keepsake feed add`.")],
) -> Feed:
    """Whose feed it is.

    Raises:
        Problem: the token is no listener's, or there were too many requests.
        SettingsError: no public address is set.
    """
    listening = await by_feed_token(state.pool, token, request.headers.get("user-agent"))
    if listening is None:
        await state.limits.count(address_key(request), state.settings.rate_limit_address)
        raise Problem("not_found", _NOTHING_HERE)
    # Not by address: apps that poll from their servers come from few addresses for many listeners.
    request.state.caller = key = f"listener {listening.listener_id}"
    await state.limits.count(key, state.settings.rate_limit)
    root = feed_root(state.settings)
    return Feed(listening.owner_id, root, f"{root}/{token}", state)


AskedFeed = Annotated[Feed, Depends(asked_feed)]


def _gives(path: str, media_type: str) -> Callable[[Answer], Answer]:
    """A route for GET and HEAD that answers with a file of this type."""
    content: dict[int | str, dict[str, Any]] = {
        200: {"description": "All of it", "content": {media_type: {}}},
        206: {"description": "The range that was asked for", "content": {media_type: {}}},
        304: {"description": "It has not changed"},
    }

    def register(answer: Answer) -> Answer:
        router.head(path, include_in_schema=False)(answer)
        return router.get(path, response_class=Response, responses=content)(answer)

    return register


@_gives("/{token}.xml", "application/rss+xml")
async def podcast(request: Request, feed: AskedFeed) -> Response:
    """The family's stories as a podcast (RSS 2.0)."""
    channel = await feed.state.call_as(feed.owner_id, read_channel, feed.owner_id, feed.root)
    if channel is None:
        raise Problem("not_found", _NOTHING_HERE)
    link = feed.root.removesuffix("/feeds")
    written = await run_in_threadpool(rss.write_rss, channel, feed.address, link)
    return bytes_response(
        request, written, rss.MEDIA_TYPE, _FOR_PLAYERS, modified=channel.changed_at
    )


@_gives("/{token}/episodes/{record_id}.mp3", "audio/mpeg")
async def episode_sound(request: Request, feed: AskedFeed, record_id: RecordId) -> Response:
    """An episode."""
    episode = await feed.episode(record_id)
    return await object_response(
        request, feed.state.objects, episode.audio_key, "audio/mpeg", _FOR_PLAYERS
    )


@_gives("/{token}/episodes/{record_id}/chapters.json", rss.CHAPTERS)
async def episode_chapters(request: Request, feed: AskedFeed, record_id: RecordId) -> Response:
    """Its chapters (Podcasting 2.0)."""
    episode = await feed.episode(record_id)
    return await object_response(
        request, feed.state.objects, episode.chapters_key, rss.CHAPTERS, _FOR_SCRIPTS
    )


@_gives("/{token}/episodes/{record_id}/transcript.vtt", rss.VTT)
async def episode_transcript(request: Request, feed: AskedFeed, record_id: RecordId) -> Response:
    """Its transcript (WebVTT)."""
    episode = await feed.episode(record_id)
    return await object_response(
        request, feed.state.objects, episode.vtt_key, f"{rss.VTT}; charset=utf-8", _FOR_SCRIPTS
    )


@_gives("/{token}/episodes/{record_id}/transcript.srt", rss.SRT)
async def episode_subtitles(request: Request, feed: AskedFeed, record_id: RecordId) -> Response:
    """The same as SubRip."""
    episode = await feed.episode(record_id)
    try:
        written = srt((await feed.state.objects.get_bytes(episode.vtt_key)).decode())
    except MissingObject:
        raise Problem("not_found", _NOTHING_HERE) from None
    return bytes_response(request, written.encode(), f"{rss.SRT}; charset=utf-8", _FOR_SCRIPTS)


@_gives("/{token}/artwork-{version}.png", "image/png")
async def artwork(request: Request, feed: AskedFeed, version: str) -> Response:
    """The family's picture, drawn from its name, whose version is in the address."""
    from keepsake.audio.cover import LARGE, cover

    family = await feed.state.call_as(feed.owner_id, family_name, feed.owner_id)
    if family is None:
        raise Problem("not_found", _NOTHING_HERE)
    picture = await run_in_threadpool(cover, family, LARGE)
    return bytes_response(request, picture, "image/png", _FOR_PLAYERS)


@_gives("/{token}/running.atom", "application/atom+xml")
async def running_weeks(request: Request, feed: AskedFeed) -> Response:
    """The weekly digests of a runner (Atom)."""
    weeks = await feed.state.call_as(
        feed.owner_id, running.read_running_feed, feed.owner_id, feed.root
    )
    if weeks is None:
        raise Problem("not_found", _NOTHING_HERE)
    written = await run_in_threadpool(running.write_atom, weeks, feed.address)
    return bytes_response(
        request, written, running.MEDIA_TYPE, _FOR_PLAYERS, modified=weeks.changed_at
    )


@_gives("/{token}/running/{week}.html", "text/html")
async def running_week(request: Request, feed: AskedFeed, week: date) -> Response:
    """The page of a week with its charts; `week` is its Monday."""
    key = await feed.state.call_as(feed.owner_id, running.page_of_week, feed.owner_id, week)
    if key is None:
        raise Problem("not_found", _NOTHING_HERE)
    return await object_response(
        request, feed.state.objects, key, "text/html; charset=utf-8", _FOR_PAGES
    )
