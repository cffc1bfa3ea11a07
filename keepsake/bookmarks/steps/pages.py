"""The page behind a bookmark: what it says of itself, and its readable text.

The response is stored as it came, so that a better reader can read it again without the site.
A page that is made again is asked for only if it has changed. When it cannot be had, or has no text
without a login, the content that came with the bookmark takes its place; a note says so. A page
without any text (an image, a film, a login wall) is a page with a note, not a failure.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime

from psycopg.sql import SQL, Identifier

from keepsake.bookmarks.bookmark import Bookmark
from keepsake.database import AsyncConnection
from keepsake.errors import EndpointDown, PermanentError, RateLimited, StepError
from keepsake.pipeline.line import Made, Step
from keepsake.records.deletion import note_replaced
from keepsake.steps.rows import replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.spans import word_count
from keepsake.web.client import Fetched
from keepsake.web.page import Page, read_page, sends_on, sent_on_to

READ_SECONDS = 30.0  # that reading one page may take
MOST_SENT_ON = 3  # pages in a row that only send elsewhere
WITH_CONTENT = "made from the content that came with the bookmark"


@dataclass(frozen=True)
class HttpResponse:
    """A response as it is stored: its object, and what is needed to ask whether it still holds."""

    http_status: int
    content_type: str
    body_key: str
    size_bytes: int
    etag: str | None
    last_modified: str | None
    fetched_at: datetime


@dataclass(frozen=True)
class FetchedPage:
    """What a page says, and the response it was read from; None: it was made of the content."""

    url: str  # after redirects
    page: Page
    response: HttpResponse | None


_PAGE = [field.name for field in fields(Page)]
_RESPONSE = [field.name for field in fields(HttpResponse)]
_COLUMNS = ("url", *_PAGE, *_RESPONSE)


async def fetch(bookmark: Bookmark, tools: Tools) -> FetchedPage:
    """Fetch the page and read it, or make one of the content.

    Raises:
        PermanentError: there is no such page, we may not fetch it, or it cannot be read.
        RetryableError: the site does not answer, or the object store fails.
    """
    known = await _known(bookmark, tools)
    try:
        url, response, body = await _response(bookmark, known, tools)
    except StepError as error:
        if not bookmark.content or isinstance(error, RateLimited | EndpointDown):
            raise
        # Not only what can never be had: a reader who gave the text need not wait for the site.
        return FetchedPage(bookmark.url, _of_content(bookmark, str(error)), None)
    try:
        page = await tools.workers.run(
            read_page, body, url=url, content_type=response.content_type, seconds=READ_SECONDS
        )
    except PermanentError as error:
        if not bookmark.content:
            raise
        return FetchedPage(url, _of_content(bookmark, str(error)), response)
    if bookmark.content and not page.text:
        page = _of_content(bookmark, page.note or "the page has no text", page)
    return FetchedPage(url, page, response)


async def _known(bookmark: Bookmark, tools: Tools) -> FetchedPage | None:
    """The page as it was made before, if its response is still stored."""
    if not bookmark.fetched:
        return None  # most are new: a question to the database that need not be asked
    async with tools.pool.connection() as connection:
        known = (await load(connection, [bookmark.record_id])).get(bookmark.record_id)
    if known and known.response and await tools.objects.exists(known.response.body_key):
        return known
    return None


async def _response(
    bookmark: Bookmark, known: FetchedPage | None, tools: Tools
) -> tuple[str, HttpResponse, bytes]:
    """The address after redirects, the response in force, and its body.

    It is the stored one if the site says that it still holds.
    """
    if not bookmark.url:
        raise PermanentError("the bookmark has no address")
    old = known.response if known else None
    fetched = await tools.web.page(
        bookmark.url,
        etag=old.etag if old else None,
        last_modified=old.last_modified if old else None,
    )
    if known and fetched.status == 304 and fetched.url != known.url:
        # It leads elsewhere than it did, and what has not changed there is another page.
        fetched = await tools.web.page(bookmark.url)
    fetched = await _sent_on(fetched, tools)
    now = datetime.now(UTC)
    if known and old and fetched.status == 304:
        body = gzip.decompress(await tools.objects.get_bytes(old.body_key))
        return known.url, replace(old, fetched_at=now), body
    response = HttpResponse(
        http_status=fetched.status,
        content_type=fetched.headers.get("content-type", ""),
        body_key=await _keep(fetched.body, tools),
        size_bytes=len(fetched.body),
        etag=fetched.headers.get("etag"),
        last_modified=fetched.headers.get("last-modified"),
        fetched_at=now,
    )
    return fetched.url, response, fetched.body


async def _sent_on(fetched: Fetched, tools: Tools) -> Fetched:
    """The page that a page which only sends elsewhere leads to, fetched like any other.

    Raises:
        PermanentError: they send each other in a circle, or on and on.
    """
    seen = {fetched.url}
    for _ in range(MOST_SENT_ON + 1):
        if not sends_on(fetched.body):
            return fetched
        target = await tools.workers.run(
            sent_on_to,
            fetched.body,
            url=fetched.url,
            content_type=fetched.headers.get("content-type", ""),
            seconds=READ_SECONDS,
        )
        if target is None:
            return fetched
        if target in seen:
            break
        fetched = await tools.web.page(target)
        seen |= {target, fetched.url}
    raise PermanentError("the page sends its readers from one page to the next, without end")


async def _keep(body: bytes, tools: Tools) -> str:
    """Store a body by its content, gzip, and return its key."""
    key = f"bookmarks/pages/{hashlib.sha256(body).hexdigest()}"
    if not await tools.objects.exists(key):
        packed = await asyncio.to_thread(gzip.compress, body)
        await tools.objects.put_bytes(key, packed, "application/gzip")
    return key


def _of_content(bookmark: Bookmark, why: str, page: Page | None = None) -> Page:
    """The content in the place of a page's text; what else the page says stays."""
    text = bookmark.content or ""
    page = page or Page(**{**dict.fromkeys(_PAGE), "title": bookmark.title})  # type: ignore[arg-type]
    return replace(page, text=text, words=word_count(text), note=f"{why}; {WITH_CONTENT}")


def about(bookmark: Bookmark, fetched: FetchedPage) -> str:
    """What is known of the page: its text, or what little else is said of it; perhaps nothing."""
    page = fetched.page
    names = dict.fromkeys(filter(None, (bookmark.title, page.title, page.description)))
    return page.text or "\n\n".join(names)


def what_it_says(fetched: FetchedPage) -> tuple[str | None, ...]:
    """What later steps are made from: a page that only moved or was asked again is the same."""
    page = fetched.page
    return page.title, page.description, page.author, page.site, page.language, page.text


async def save(connection: AsyncConnection, made: Sequence[Made[FetchedPage]]) -> None:
    """Store pages."""
    still = [each.result.response.body_key for each in made if each.result.response]
    await note_replaced(connection, "pages", made, still)
    nothing = [None] * len(_RESPONSE)
    await replace_rows(
        connection,
        "pages",
        made,
        _COLUMNS,
        lambda r: [(r.url, *astuple(r.page), *(astuple(r.response) if r.response else nothing))],
    )


async def load(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, FetchedPage]:
    """Read stored pages."""
    query = SQL("SELECT record_id, {} FROM pages WHERE record_id = ANY(%s)").format(
        SQL(", ").join(map(Identifier, _COLUMNS))
    )
    found: dict[int, FetchedPage] = {}
    async for record_id, url, *rest in await connection.execute(query, (list(ids),)):
        page, response = rest[: len(_PAGE)], rest[len(_PAGE) :]
        fetched = HttpResponse(*response) if response[0] is not None else None
        found[record_id] = FetchedPage(url, Page(*page), fetched)
    return found


PAGES = Step(
    name="pages",
    version="2",  # 2: two extractors, PDFs and feeds, encodings as the web has them
    make=fetch,
    save=save,
    load=load,
    output_key=what_it_says,
)
