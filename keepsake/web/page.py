"""What a page says: its metadata and its readable text.

Pure, and to be called through `Apart.run`: a page is someone else's file. Nothing here fetches
anything. A PDF, an image or another file is a page as well, with a title and no text.
"""

import codecs
import re
from dataclasses import dataclass
from datetime import date
from email.message import Message
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from keepsake.errors import PermanentError

MOST_TEXT = 200_000  # characters of readable text that are kept
LONGEST_LINE = 1_000  # characters of a title, a description and the like
LONGEST_URL = 2_000
LOGIN_WORDS = 150  # a page that asks for a password and has fewer words is a login wall

# No two ways to match the same: pages are made to have such a pattern try them all.
_BEFORE_HTML = re.compile(rb"\s+|<\?xml[^>]*>|<!--.*?-->", re.I | re.S)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.I)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=[\s\"']{0,9}([\w.:-]{1,40})", re.I)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL takes neither NULs nor half characters
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?=$|[-_])")
_HTML_TYPES = {"text/html", "application/xhtml+xml"}
# What servers say when they do not know better: the content decides.
_UNKNOWN_TYPES = {"", "application/octet-stream", "text/plain", "application/xml", "text/xml"}
_NOTES = {
    "application/pdf": "a PDF: its text is not read",
    "image": "an image",
    "video": "a video",
    "audio": "a recording",
}


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
    note: str | None = None  # what kept us from more


def read_page(body: bytes, *, url: str, content_type: str) -> Page:
    """What a response says.

    Args:
        body: as it came, unpacked.
        url: where it came from, after redirects: what relative addresses in it are relative to.
        content_type: its `Content-Type` header, or "".

    Raises:
        PermanentError: it is HTML that the parser gives up on.
    """
    kind, charset = _declared(content_type)
    if kind in _UNKNOWN_TYPES:
        kind = _kind_of(body) or kind
    if kind in _HTML_TYPES:
        return _html_page(_decoded(body, charset), url)
    if kind.startswith("text/"):
        text = _clean(_decoded(body, charset), MOST_TEXT)
        return Page(_file_title(url), text=text, words=len(text.split()))
    note = _NOTES.get(kind) or _NOTES.get(kind.partition("/")[0]) or "a file that is no page"
    image = url if kind.startswith("image/") else None
    return Page(_file_title(url), image_url=image, note=note)


# ---------------------------------------------------------------------------------------------
# Bytes
# ---------------------------------------------------------------------------------------------


def _declared(content_type: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type header, "" for what it does not name."""
    message = Message()
    message["content-type"] = re.sub(r"[^ -~]", " ", content_type)
    kind = message.get_content_type() if "/" in content_type else ""
    try:
        return kind, str(message.get_content_charset() or "")
    except (TypeError, ValueError):  # what Python makes of some malformed ones
        return kind, ""


def _kind_of(body: bytes) -> str | None:
    """The media type that the content shows, of those that matter here."""
    if body.startswith(b"%PDF-"):
        return "application/pdf"
    beginning = body[:1024].removeprefix(codecs.BOM_UTF8)
    at = 0
    while before := _BEFORE_HTML.match(beginning, at):
        at = before.end()
    return "text/html" if _HTML.match(beginning, at) else None


def _decoded(body: bytes, charset: str) -> str:
    """The text of a body. What is declared is a hint: it is often wrong.

    Text in UTF-8 is hardly ever anything else, whatever is declared; text that is not fails to
    decode as UTF-8 at once.
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    if not body.isascii() and (text := _strictly(body, "utf-8")) is not None:
        return text
    meta = _META_CHARSET.search(body[:4096])
    for name in (charset, meta[1].decode() if meta else ""):
        if (text := _strictly(body, name)) is not None:
            return text
    return _guessed(body)


def _strictly(body: bytes, encoding: str) -> str | None:
    """The text if all of the body is in this encoding. Latin-1 means Windows-1252 on the web."""
    try:
        name = codecs.lookup(encoding).name
        return body.decode("cp1252" if name in ("iso8859-1", "ascii") else name)
    except (LookupError, ValueError):
        return None


def _guessed(body: bytes) -> str:
    """The text in the encoding it looks most like; UTF-8 with a few broken places stays that."""
    from trafilatura.utils import detect_encoding

    text = body.decode("utf-8", "replace")
    foreign = _NOT_ASCII.findall(text)
    if text.count("\ufffd") * 20 <= len("".join(foreign)):
        return text
    if len("".join(foreign)) < 1.5 * len(foreign):
        # Single letters between ASCII ones, as in "café": western, where detection often errs.
        return body.decode("cp1252", "replace")
    for encoding in detect_encoding(body[:100_000]):
        if (guess := _strictly(body, encoding)) is not None:
            return guess
    return body.decode("cp1252", "replace")


# ---------------------------------------------------------------------------------------------
# HTML
# ---------------------------------------------------------------------------------------------


def _html_page(markup: str, url: str) -> Page:
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    try:
        return _read_html(markup, url)
    except LxmlError as error:  # memory, mostly, in the words of the C library
        kind = type(error).__name__
        raise PermanentError(f"the parser of HTML gives up on this page ({kind})") from None


def _read_html(markup: str, url: str) -> Page:
    from trafilatura import extract, extract_metadata, load_html

    tree = load_html(markup)
    if tree is None:  # a piece of HTML rather than a page
        tree = load_html(f"<html><body>{markup}</body></html>")
    if tree is None:
        return Page(_file_title(url), note="no readable text")
    said = extract_metadata(tree, default_url=url, extensive=False)
    title = _title(tree) or _line(said.title) or _file_title(url)
    canonical = _first(
        tree, "//link[@rel='canonical']/@href", "//meta[@property='og:url']/@content"
    )
    language = _LANGUAGE.match(
        _first(tree, "/html/@lang", "/html/@xml:lang") or said.language or ""
    )
    asks_for_password = bool(tree.xpath("//input[@type='password']"))
    text = _clean(extract(tree, url=url, include_comments=False) or "", MOST_TEXT)
    words = len(text.split())
    return Page(
        title=title,
        description=_line(said.description),
        author=_line(said.author),
        site=_line(said.sitename),
        language=language[0].lower() if language else None,
        published_on=_day(said.date),
        image_url=_web_address(said.image, url),
        canonical_url=_web_address(canonical, url),
        text=text,
        words=words,
        note=_note(words, asks_for_password),
    )


def _title(tree: Any) -> str | None:
    return _line(
        _first(
            tree,
            "//meta[@property='og:title']/@content",
            "string(//head/title)",
            "string(//h1)",
        )
    )


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


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


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
