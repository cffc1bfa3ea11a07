"""What a feed holds: RSS 0.9 to 2.0, RDF and Atom, as lenient as their readers are."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

MOST_ENTRIES = 20
# Markup within a feed is escaped once, and by some programs twice.
_MARKUP = re.compile(r"<[a-z!/][^<>]{0,2000}>", re.I)


@dataclass(frozen=True)
class Feed:
    """A feed's own title and description, and its latest entries as text."""

    title: str | None
    description: str | None
    language: str | None
    text: str


def read_feed(body: bytes) -> Feed | None:
    """What a feed says; None if it is none.

    Args:
        body: XML; its own declaration names its encoding.
    """
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.XMLParser(
        recover=True, resolve_entities=False, no_network=True, remove_comments=True
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return None
    if root is None or _name(root) not in ("rss", "rdf", "feed"):
        return None
    head = next((child for child in root if _name(child) == "channel"), root)
    said = (_entry(entry) for entry in _latest(root)[:MOST_ENTRIES])
    return Feed(
        title=_child(head, "title"),
        description=_child(head, "description", "subtitle"),
        language=_child(head, "language") or root.get("{http://www.w3.org/XML/1998/namespace}lang"),
        text="\n\n".join(filter(None, said)),
    )


def _latest(root: Any) -> list[Any]:
    """The entries, the latest first; in the order of the feed where one has no date."""
    entries = [at for at in root.iter() if _name(at) in ("item", "entry")]
    moments = [_moment(_child(at, "pubdate", "published", "updated", "date")) for at in entries]
    if None in moments:
        return entries
    order = sorted(range(len(entries)), key=lambda n: moments[n] or 0.0, reverse=True)
    return [entries[n] for n in order]


def _moment(date: str | None) -> float | None:
    """Seconds since 1970 of a date as feeds write it; None if there is none."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(date or "")
        except (ValueError, OverflowError):
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def _entry(entry: Any) -> str:
    """Title and text of an entry, the longest text that it has."""
    title = _child(entry, "title")
    texts = [_child(entry, name) for name in ("encoded", "content", "description", "summary")]
    text = max(filter(None, texts), key=len, default=None)
    return "\n".join(dict.fromkeys(filter(None, (title, text))))


def _child(element: Any, *names: str) -> str | None:
    """The text of the first child of one of these names that has any, without markup."""
    for name in names:
        for child in element:
            if _name(child) == name and (text := _plain("".join(child.itertext()))):
                return text
    return None


def _plain(text: str) -> str:
    from lxml import html

    from keepsake.web.article import text_of

    if not _MARKUP.search(text):
        return " ".join(text.split())
    return text_of(html.fragment_fromstring(text, create_parent="div"))


def _name(element: Any) -> str:
    """An element's name in small letters, without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""
