"""What a page says: its metadata and its readable text.

Pure, and to be called through `WorkerPool.run`: a page is someone else's file. Nothing here fetches
anything. A PDF, a feed, an image or another file is a page as well, with a title and perhaps no
text.
"""

import codecs
import re
from dataclasses import dataclass, replace
from datetime import date
from email.message import Message
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from keepsake.errors import PermanentError
from keepsake.text.spans import word_count
from keepsake.web.article import find_article, show_what_is_seen
from keepsake.web.byline import find_author, find_date
from keepsake.web.charset import decoded
from keepsake.web.feed import read_feed
from keepsake.web.pdf import read_pdf

MOST_TEXT = 200_000  # characters of readable text that are kept
LONGEST_LINE = 1_000  # characters of a title, a description and the like
LONGEST_URL = 2_000
LOGIN_WORDS = 150  # a page that asks for a password and has fewer words is a login wall
MOST_HEADINGS = 20  # that a title is held against
SHORTEST_TITLE = 10  # characters of a heading that may be the title
SENT_ON_WITHIN = 10.0  # seconds after which a page that sends elsewhere is a page of its own

# No two ways to match the same: pages are made to have such a pattern try them all.
_BEFORE = re.compile(rb"\s+|<\?xml[^>]*>|<!--.*?-->", re.I | re.S)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.I)
_FEED = re.compile(rb"<(?:rss|feed|rdf:RDF)\b", re.I)
# What sends a reader elsewhere: `http-equiv="refresh"`, anywhere in the markup.
_REFRESH = re.compile(rb"http-equiv\s{0,9}=[\s\"']{0,9}refresh", re.I)
_SENDS_TO = re.compile(r"\s*(\d{0,9})(?:\.\d*)?\s*[;,]\s*(?:url\s*=\s*)?([\"']?)(.+)", re.I | re.S)
_THEN_THE_SITE = re.compile(r"\s*(?:[|»·•/<]|\s[-–—:]+\s|[–—])\s*\S")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL takes neither NULs nor half characters
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?=$|[-_])")
_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_FEED_TYPES = {"application/rss+xml", "application/atom+xml", "application/rdf+xml"}
# What servers say when they do not know better: the content decides.
_UNKNOWN_TYPES = {"", "application/octet-stream", "text/plain", "application/xml", "text/xml"}
# How files begin that are sent as pages or as text.
_MAGIC = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n": "image/png",
    b"GIF8": "image/gif",
    b"\xff\xd8\xff": "image/jpeg",
    b"PK\x03\x04": "application/zip",
    b"\x1f\x8b": "application/gzip",
}
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")  # as the web knows files from text
_NOTES = {
    "image": "an image",
    "video": "a video",
    "audio": "a recording",
}
A_FEED = "a feed: its latest entries"


@dataclass(frozen=True)
class Page:
    """What a page says of itself, and its text. What it does not say is None."""

    title: str
    description: str | None = None
    author: str | None = None
    site: str | None = None
    language: str | None = None  # by ISO 639, without a region
    published_on: date | None = None
    image_url: str | None = None
    canonical_url: str | None = None
    text: str = ""
    words: int = 0
    note: str | None = None  # why there is no more
    extractor: str | None = None  # what found the text among the rest of the page


def read_page(body: bytes, *, url: str, content_type: str) -> Page:
    """What a response says.

    Args:
        body: as it came, unpacked.
        url: where it came from, after redirects: what relative addresses in it are relative to.
        content_type: its `Content-Type` header, or "".

    Raises:
        PermanentError: it is HTML that the parser gives up on.
    """
    kind, charset = _kind(body, content_type)
    if kind in _HTML_TYPES:
        return _html_page(decoded(body, charset), url)
    if kind in _FEED_TYPES:
        return _feed_page(body, url)
    if kind == "application/pdf":
        return _pdf_page(body, url)
    if kind.startswith("text/") and kind != "text/xml":
        text = _clean(decoded(body, charset), MOST_TEXT)
        return Page(_file_title(url), text=text, words=word_count(text))
    note = _NOTES.get(kind.partition("/")[0]) or "a file that is no page"
    image = url if kind.startswith("image/") else None
    return Page(_file_title(url), image_url=image, note=note)


def sends_on(body: bytes) -> bool:
    """Whether a body may send its reader elsewhere: cheap, and to be asked before `sent_on_to`."""
    return _REFRESH.search(body) is not None


def sent_on_to(body: bytes, *, url: str, content_type: str) -> str | None:
    """The address to which a page sends its readers, with a `<meta>` instead of a redirect.

    None if it sends nowhere, to itself, or after so long that it is there to be read.
    """
    kind, charset = _kind(body, content_type)
    tree = _tree(decoded(body, charset)) if kind in _HTML_TYPES else None
    if tree is None:
        return None
    refresh = "translate(@http-equiv, 'REFSH', 'refsh') = 'refresh'"
    said = _first(tree, f"//meta[{refresh}][not(ancestor::noscript)]/@content")
    found = _SENDS_TO.match(said or "")
    if not found or float(found[1] or 0) > SENT_ON_WITHIN:
        return None
    address = found[3].partition(found[2])[0] if found[2] else found[3]
    target = _web_address(address.strip(), _base(tree, url))
    return target if target and urldefrag(target).url != urldefrag(url).url else None


# ---------------------------------------------------------------------------------------------
# What it is
# ---------------------------------------------------------------------------------------------


def _kind(body: bytes, content_type: str) -> tuple[str, str]:
    """Media type and charset. The content decides where the header is often wrong."""
    kind, charset = _declared(content_type)
    if kind in _UNKNOWN_TYPES | _HTML_TYPES or kind.startswith("text/"):
        shown = _shown(body)
        if shown and (kind in _UNKNOWN_TYPES or shown != "text/html"):
            return shown, charset
        if kind.startswith("text/") and kind not in _HTML_TYPES and _is_binary(body):
            return "application/octet-stream", ""
    return kind, charset


def _declared(content_type: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type header, "" for what it does not name."""
    message = Message()
    message["content-type"] = re.sub(r"[^ -~]", " ", content_type)
    kind = message.get_content_type() if "/" in content_type else ""
    try:
        return kind, str(message.get_content_charset() or "")
    except (TypeError, ValueError):  # what Python makes of some malformed ones
        return kind, ""


def _shown(body: bytes) -> str | None:
    """The media type that the content shows, of those that matter here."""
    for magic, kind in _MAGIC.items():
        if body.startswith(magic):
            return kind
    beginning = body[:1024].removeprefix(codecs.BOM_UTF8)
    at = 0
    while before := _BEFORE.match(beginning, at):
        at = before.end()
    if _FEED.match(beginning, at):
        return "application/rss+xml"
    return "text/html" if _HTML.match(beginning, at) else None


def _is_binary(body: bytes) -> bool:
    wide = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return not wide and _NO_TEXT.search(body[:1024]) is not None


# ---------------------------------------------------------------------------------------------
# Documents and feeds
# ---------------------------------------------------------------------------------------------


def _pdf_page(body: bytes, url: str) -> Page:
    said = read_pdf(body, MOST_TEXT)
    text = _clean(said.text, MOST_TEXT)
    return Page(
        _line(said.title) or _file_title(url),
        author=_line(said.author),
        text=text,
        words=word_count(text),
        note=said.note,
    )


def _feed_page(body: bytes, url: str) -> Page:
    feed = read_feed(body)
    if feed is None:
        return Page(_file_title(url), note="a file that is no page")
    text = _clean(feed.text, MOST_TEXT)
    return Page(
        _line(feed.title) or _file_title(url),
        description=_line(feed.description),
        language=_language(feed.language),
        text=text,
        words=word_count(text),
        note=A_FEED if text else "a feed without entries",
    )


# ---------------------------------------------------------------------------------------------
# HTML
# ---------------------------------------------------------------------------------------------


def _html_page(markup: str, url: str) -> Page:
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    try:
        return _read_html(markup, url)
    except LxmlError:  # memory, mostly, in the words of the C library
        raise PermanentError("the parser of HTML gives up on this page") from None


def _read_html(markup: str, url: str) -> Page:
    from trafilatura import extract_metadata

    tree = _tree(markup)
    if tree is None:
        return Page(_file_title(url), note="no readable text")
    said = extract_metadata(tree, default_url=url, extensive=False)
    base = _base(tree, url)
    canonical = _first(
        tree, "//link[@rel='canonical']/@href", "//meta[@property='og:url']/@content"
    )
    asks_for_password = bool(tree.xpath("//input[@type='password']"))
    page = Page(
        title=_title(tree) or _line(said.title) or _file_title(url),
        description=_line(said.description),
        site=_line(said.sitename),
        language=_language(_first(tree, "/html/@lang", "/html/@xml:lang") or said.language),
        image_url=_web_address(said.image, base),
        canonical_url=_web_address(canonical, base),
    )
    show_what_is_seen(tree)
    article = find_article(tree, url)
    text = _clean(article.text, MOST_TEXT)
    words = word_count(text)
    return replace(
        page,
        author=_line(find_author(tree)),
        published_on=find_date(tree, said.date),
        text=text,
        words=words,
        note=_note(words, asks_for_password),
        extractor=article.extractor if words else None,
    )


def _tree(markup: str) -> Any:
    """The page as a tree below `<html>`; None if there is nothing in it."""
    from trafilatura import load_html

    tree = load_html(markup)
    if tree is None or tree.tag != "html":  # a piece of HTML rather than a page
        tree = load_html(f"<html><body>{markup}</body></html>")
    return tree


def _base(tree: Any, url: str) -> str:
    """What addresses on a page are relative to."""
    return _web_address(_first(tree, "//base/@href"), url) or url


def _language(text: str | None) -> str | None:
    found = _LANGUAGE.match((text or "").strip())
    return found[0].lower() if found else None


def _title(tree: Any) -> str | None:
    """The title, without the name of the site where a heading of the page shows which part that is.

    A title for machines comes first: it has no site in it.
    """
    title = _line(
        _first(
            tree,
            "//meta[@property='og:title']/@content",
            "string(//head/title)",
            "string(//title[not(ancestor::svg)])",
            "string(//h1)",
        )
    )
    for heading in tree.xpath("//h1")[:MOST_HEADINGS]:
        said = _line(heading.text_content())
        if title and said and len(said) >= SHORTEST_TITLE and title.startswith(said):
            return said if _THEN_THE_SITE.match(title, len(said)) else title
    return title


def _first(tree: Any, *paths: str) -> str | None:
    """What the first of these paths finds that is not empty."""
    for path in paths:
        found = tree.xpath(path)
        values = [found] if isinstance(found, str) else found
        for value in values:
            if str(value).strip():
                return str(value).strip()
    return None


def _note(words: int, asks_for_password: bool) -> str | None:
    if asks_for_password and words < LOGIN_WORDS:
        return "behind a login"
    return None if words else "no readable text"


def _web_address(address: str | None, base: str) -> str | None:
    """An address that a page gives, made absolute; None for what is not of the web."""
    try:
        absolute = urljoin(base, _clean(address or "", LONGEST_URL + 1).strip())
        of_the_web = urlsplit(absolute).scheme in ("http", "https") and urlsplit(absolute).hostname
    except ValueError:
        return None
    return absolute if address and of_the_web and len(absolute) <= LONGEST_URL else None


def _line(text: str | None) -> str | None:
    """One line of text, or None."""
    return " ".join(_clean(text or "", 10 * LONGEST_LINE).split())[:LONGEST_LINE] or None


def _clean(text: str, most: int) -> str:
    return _UNSTORABLE.sub("", text[:most])


def _file_title(url: str) -> str:
    """A title for what has none: the name of its file, or of its host."""
    parts = urlsplit(url)
    name = unquote(parts.path.rstrip("/").rpartition("/")[2])
    return _line(name) or parts.hostname or "untitled"
