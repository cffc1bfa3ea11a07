"""The rules that players and directories hold a podcast feed to, as far as they can be read off it.

Of PSP-1, of Apple's requirements, of the podcast namespace, and ours for a private feed. Each is a
line that says what is wrong; none: the feed keeps them all.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from uuid import UUID

from lxml import etree  # type: ignore[import-untyped]

_NAMESPACES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
}
# Apple's categories, as far as families' stories may be in one.
_CATEGORIES = {("Society & Culture", "Personal Journals"), ("Kids & Family", "Stories for Kids")}
_EXTENSIONS = {"audio/mpeg": ".mp3", "audio/x-m4a": ".m4a", "image/png": ".png"}
_TRANSCRIPTS = {"text/vtt": ".vtt", "application/x-subrip": ".srt"}


def broken_rules(feed: bytes) -> list[str]:
    """What is wrong with a feed."""
    rss = etree.fromstring(feed)
    channels = rss.findall("channel")
    if rss.tag != "rss" or rss.get("version") != "2.0" or len(channels) != 1:
        return ["it is no RSS 2.0 with one channel"]
    (channel,) = channels
    wrong = [
        *_required(channel, ("title", "link", "description", "language", "itunes:explicit")),
        *_required(channel, ("itunes:author", "podcast:guid", "podcast:locked", "itunes:block")),
        *_required(channel, ("podcast:block", "lastBuildDate")),
        *_channel(channel),
        *_category(channel),
        *_artwork(channel),
    ]
    items = channel.findall("item")
    for number, item in enumerate(items, start=1):
        wrong.extend(f"item {number}: {each}" for each in _item(item))
    guids = Counter(_text(item, "guid") for item in items)
    wrong.extend(
        f"the guid {guid} is of {times} items" for guid, times in guids.items() if times > 1
    )
    return wrong


def _find(parent: "etree._Element", name: str) -> "list[etree._Element]":
    found: list[etree._Element] = parent.findall(name, _NAMESPACES)
    return found


def _text(parent: "etree._Element", name: str) -> str:
    return next((element.text or "" for element in _find(parent, name)), "")


def _required(parent: "etree._Element", names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        found = _find(parent, name)
        if len(found) != 1 or not (found[0].text or "").strip():
            yield f"there must be one {name} that says something"


def _check(parent: "etree._Element", name: str, good: Callable[[str], object]) -> Iterator[str]:
    text = _text(parent, name)
    try:
        fine = bool(good(text))
    except ValueError:
        fine = False
    if not fine:
        yield f"{name} must not be {text[:60]!r}"


def _channel(channel: "etree._Element") -> Iterator[str]:
    yield from _check(channel, "description", lambda text: len(text.encode()) <= 4000)
    yield from _check(channel, "language", re.compile("[a-z]{2,3}(-[A-Za-z]{2,4})?").fullmatch)
    yield from _check(channel, "itunes:explicit", ("true", "false").__contains__)
    yield from _check(channel, "itunes:block", "Yes".__eq__)  # nothing else is heeded
    yield from _check(channel, "podcast:block", "yes".__eq__)
    yield from _check(channel, "podcast:locked", "yes".__eq__)
    yield from _check(channel, "podcast:guid", lambda text: UUID(text).version == 5)
    yield from _check(channel, "lastBuildDate", parsedate_to_datetime)
    links = [link for link in _find(channel, "atom:link") if link.get("rel") == "self"]
    if len(links) != 1 or links[0].get("type") != "application/rss+xml":
        yield "there must be one atom:link rel=self of RSS"
    if _find(channel, ".//itunes:email") or _find(channel, "itunes:owner"):
        yield "an e-mail address lets others claim the feed"


def _category(channel: "etree._Element") -> Iterator[str]:
    found = _find(channel, "itunes:category")
    named = {
        (outer.get("text"), inner.get("text"))
        for outer in found
        for inner in _find(outer, "itunes:category")
    }
    if not found or not named <= _CATEGORIES:
        yield f"no category of Apple's: {named}"


def _artwork(channel: "etree._Element") -> Iterator[str]:
    pictures = [image.get("href", "") for image in _find(channel, "itunes:image")]
    if len(pictures) != 1 or not urlsplit(pictures[0]).path.endswith((".png", ".jpg", ".jpeg")):
        yield "there must be one itunes:image, a PNG or JPEG by its name"


def _item(item: "etree._Element") -> Iterator[str]:
    yield from _required(item, ("title", "guid", "pubDate", "itunes:duration"))
    yield from _check(item, "pubDate", parsedate_to_datetime)
    yield from _check(item, "description", lambda text: 0 < len(text.encode()) <= 4000)
    yield from _check(item, "itunes:duration", lambda text: int(text) > 0)
    if any(guid.get("isPermaLink") != "false" for guid in _find(item, "guid")):
        yield "the guid must say that it is no link"
    yield from _enclosure(item)
    yield from _transcripts(item)
    chapters = [each.get("type") for each in _find(item, "podcast:chapters")]
    if chapters != ["application/json+chapters"]:
        yield "there must be one podcast:chapters in JSON"
    if not all((person.text or "").strip() for person in _find(item, "podcast:person")):
        yield "a podcast:person has no name"


def _enclosure(item: "etree._Element") -> Iterator[str]:
    found = _find(item, "enclosure")
    if len(found) != 1:
        yield "there must be one enclosure"
        return
    (enclosure,) = found
    kind, address = enclosure.get("type", ""), urlsplit(enclosure.get("url", ""))
    if not enclosure.get("length", "").isdigit() or enclosure.get("length") == "0":
        yield "the enclosure must have a length"
    if kind not in _EXTENSIONS or not address.path.endswith(_EXTENSIONS[kind]):
        yield "the enclosure's name must end as its type does"
    if address.scheme not in ("http", "https"):
        yield "the enclosure must have an address"


def _transcripts(item: "etree._Element") -> Iterator[str]:
    found = [
        (each.get("type", ""), each.get("url", "")) for each in _find(item, "podcast:transcript")
    ]
    if [kind for kind, _ in found] != list(_TRANSCRIPTS):
        yield "there must be a VTT transcript, and then SRT"
    for kind, address in found:
        if kind in _TRANSCRIPTS and not address.endswith(_TRANSCRIPTS[kind]):
            yield f"the name of the transcript must end as {kind} does"
