"""A family's feed as RSS 2.0, as podcast players and directories read it.

The rules are those of PSP-1 (https://github.com/Podcast-Standards-Project/PSP-1-Podcast-RSS-Specification)
and of Apple, with the podcast namespace for transcripts, chapters and persons. The feed asks every
directory not to list it; no e-mail address is in it, by which it could be claimed there. The same
channel and address give the same bytes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from zlib import crc32

from lxml import etree  # type: ignore[import-untyped]

from keepsake.delivery.feeds import entry_guid, xml_text
from keepsake.family.feed.episodes import Channel, Episode
from keepsake.text.moments import day

MEDIA_TYPE = "application/rss+xml; charset=utf-8"
VTT, SRT, CHAPTERS = "text/vtt", "application/x-subrip", "application/json+chapters"
MOST_OF_DESCRIPTION = 4000  # bytes that PSP-1 allows
_NAMESPACES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
}


def write_rss(channel: Channel, address: str, link: str) -> bytes:
    """The feed.

    Args:
        channel: what it tells.
        address: of the feed with the listener's token, without `.xml`; all that it names is below.
        link: where people find the family's pages.
    """
    rss = etree.Element("rss", version="2.0", nsmap=_NAMESPACES)
    head = etree.SubElement(rss, "channel")
    title = f"{channel.family} family stories"
    picture = f"{address}/{artwork_name(channel.family)}"
    _add(head, "title", title)
    _add(head, "link", link)
    _add(head, "description", _shortened(_about(channel)))
    _add(head, "language", channel.language)
    _add(head, "lastBuildDate", _date(channel.changed_at))
    _add(head, "generator", "Keepsake")
    self_link = {"href": f"{address}.xml", "rel": "self", "type": "application/rss+xml"}
    _add(head, "atom:link", **self_link)
    _add(head, "itunes:author", channel.family)
    _add(head, "itunes:type", "episodic")
    _add(head, "itunes:explicit", "false")
    _add(head, "itunes:image", href=picture)
    category = _add(head, "itunes:category", text="Society & Culture")
    _add(category, "itunes:category", text="Personal Journals")
    _add(head, "itunes:block", "Yes")
    _add(head, "podcast:guid", str(channel.guid))
    _add(head, "podcast:block", "yes")
    _add(head, "podcast:locked", "yes")
    _add(head, "podcast:medium", "podcast")
    image = _add(head, "image")
    for name, value in (("url", picture), ("title", title), ("link", link)):
        _add(image, name, value)
    for episode in channel.episodes:
        _write_item(head, channel, episode, f"{address}/episodes/{episode.record_id}")
    feed: bytes = etree.tostring(rss, xml_declaration=True, encoding="UTF-8")
    return feed


def artwork_name(family: str) -> str:
    """The file name of a family's artwork; another one when it is drawn from another name.

    Players keep a picture for as long as its address stays.
    """
    return f"artwork-{crc32(family.encode()):08x}.png"


def _write_item(head: etree._Element, channel: Channel, episode: Episode, address: str) -> None:
    item = _add(head, "item")
    title = episode.title.strip() or f"Story {episode.record_id}"
    _add(item, "title", title)
    _add(item, "description", _shortened(episode.summary.strip() or title))
    _add(item, "content:encoded", _notes(channel, episode))
    guid = entry_guid(channel.guid, f"stories/{episode.record_id}")
    _add(item, "guid", guid, isPermaLink="false")
    _add(item, "pubDate", _date(episode.recorded_at))
    length = str(episode.size_bytes)
    _add(item, "enclosure", url=f"{address}.mp3", length=length, type="audio/mpeg")
    _add(item, "itunes:title", title)
    _add(item, "itunes:author", episode.teller)
    _add(item, "itunes:duration", str(max(1, round(episode.duration))))
    _add(item, "itunes:episodeType", "full")
    _add(item, "itunes:explicit", "false")
    language = episode.language or channel.language
    for kind, name in ((VTT, "transcript.vtt"), (SRT, "transcript.srt")):
        _add(item, "podcast:transcript", url=f"{address}/{name}", type=kind, language=language)
    _add(item, "podcast:chapters", url=f"{address}/chapters.json", type=CHAPTERS)
    _add(item, "podcast:person", episode.teller, group="cast", role="narrator")


def _about(channel: Channel) -> str:
    told = f", told by {_listed(channel.tellers)}" if channel.tellers else ""
    return (
        f"Stories of {channel.family}{told}. A private feed, for those who were given its address."
    )


def _listed(names: tuple[str, ...]) -> str:
    """`Rose, Sam and Ellen`; of very many the first."""
    if len(names) > 12:
        return f"{', '.join(names[:12])} and others"
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def _notes(channel: Channel, episode: Episode) -> str:
    """The show notes: HTML, of which players take little more than paragraphs."""
    return "\n".join(_paragraphs(channel, episode))


def _paragraphs(channel: Channel, episode: Episode) -> Iterator[str]:
    told = day(episode.recorded_at.astimezone(channel.zone))
    yield f"<p>Told by {escape(episode.teller)} on {told}.</p>"
    if episode.question:
        yield f"<p><em>{escape(episode.question)}</em></p>"
    yield f"<p>{escape(episode.summary)}</p>"
    for said in episode.quotes:
        yield f"<blockquote><p>{escape(said)}</p></blockquote>"


def _date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _shortened(text: str) -> str:
    """At most as many bytes as a description may have."""
    data = text.encode()
    if len(data) <= MOST_OF_DESCRIPTION:
        return text
    ellipsis = " …"
    cut = data[: MOST_OF_DESCRIPTION - len(ellipsis.encode())].decode(errors="ignore")
    return cut.rsplit(" ", 1)[0] + ellipsis


def _add(
    parent: etree._Element, name: str, content: str | None = None, **attributes: str
) -> etree._Element:
    prefix, _, local = name.rpartition(":")
    tag = f"{{{_NAMESPACES[prefix]}}}{local}" if prefix else local
    element = etree.SubElement(parent, tag, attributes)
    if content is not None:
        element.text = xml_text(content)
    return element
