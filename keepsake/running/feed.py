"""The weekly digests of a runner as an Atom feed (RFC 4287), newest first.

Weeks that are over: one that is told so far would be read once and never again. The page of a week
with its charts is an object of its own; entries hold what readers can show.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape
from uuid import UUID

from lxml import etree  # type: ignore[import-untyped]

from keepsake.database import Connection
from keepsake.delivery.feeds import changed_at, entry_guid, feed_guid, xml_text
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.running.digest import Digest
from keepsake.running.history import letters_of
from keepsake.running.page import compared, km
from keepsake.text.moments import clock, day

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
FORMAT = "1"  # of what `write_atom` writes: another one, and readers fetch feeds that are unchanged
WEEKS = 52
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True)
class Week:
    """A week in the feed: its facts, the letters about its runs by record, when it was made."""

    digest: Digest
    letters: dict[int, str]
    made_at: datetime


@dataclass(frozen=True)
class RunningFeed:
    """The digests of an owner, newest first; since when the feed says what it says now."""

    guid: UUID
    owner: str
    weeks: Sequence[Week]
    changed_at: datetime


def read_running_feed(connection: Connection, owner_id: int, root: str) -> RunningFeed | None:
    """The feed of an owner; None: no week of theirs was told yet.

    Args:
        connection: to the database.
        owner_id: whose feed.
        root: of `feed_root`.
    """
    rows = connection.execute(
        "SELECT facts, made_at FROM weekly_digests"
        " WHERE owner_id = %s AND facts->>'so_far' IS NULL ORDER BY week DESC LIMIT %s",
        (owner_id, WEEKS),
    ).fetchall()
    if not rows:
        return None
    weeks = [_week(connection, owner_id, facts, made_at) for facts, made_at in rows]
    told = [(week.made_at, week.letters) for week in weeks]
    return RunningFeed(
        guid=feed_guid(connection, owner_id, root),
        owner=weeks[0].digest.owner,
        weeks=weeks,
        changed_at=changed_at(
            connection, owner_id, "running", fingerprint(FORMAT, weeks[0].digest.owner, root, told)
        ),
    )


def _week(connection: Connection, owner_id: int, facts: object, made_at: datetime) -> Week:
    digest = Digest.model_validate(facts)
    runs = [run.record_id for run in digest.runs]
    return Week(digest, letters_of(connection, owner_id, runs), made_at)


def page_of_week(connection: Connection, owner_id: int, week: date) -> str | None:
    """The key of the page of a week that begins with this Monday; None: there is none."""
    row = connection.execute(
        "SELECT page_key FROM weekly_digests WHERE owner_id = %s AND week = %s", (owner_id, week)
    ).fetchone()
    return row[0] if row else None


def write_atom(feed: RunningFeed, address: str) -> bytes:
    """The feed.

    Args:
        feed: what it tells.
        address: what the addresses of this listener's feeds begin with, the token included.
    """
    atom = etree.Element(f"{{{_ATOM}}}feed", nsmap={None: _ATOM})
    _add(atom, "id", f"urn:uuid:{entry_guid(feed.guid, 'running')}")
    _add(atom, "title", f"{feed.owner}’s weeks of running")
    _add(atom, "updated", _stamp(feed.changed_at))
    _add(atom, "link", rel="self", href=f"{address}/running.atom", type="application/atom+xml")
    _add(_add(atom, "author"), "name", feed.owner)
    _add(atom, "generator", "Keepsake")
    for week in feed.weeks:
        first = week.digest.week
        entry = _add(atom, "entry")
        _add(entry, "id", f"urn:uuid:{entry_guid(feed.guid, f'running/{first}')}")
        _add(entry, "title", _title(week.digest))
        _add(entry, "updated", _stamp(week.made_at))
        link = f"{address}/running/{first}.html"
        _add(entry, "link", rel="alternate", href=link, type="text/html")
        _add(entry, "content", "\n".join(_told(week)), type="html")
    written: bytes = etree.tostring(atom, xml_declaration=True, encoding="UTF-8")
    return written


def _title(digest: Digest) -> str:
    total = digest.total
    runs = "1 run" if total.runs == 1 else f"{total.runs} runs"
    return f"{day(digest.week)}: {km(total.distance)} km in {runs}"


def _told(week: Week) -> Iterator[str]:
    """What a reader shows of a week, in plain HTML."""
    digest = week.digest
    usual = "" if digest.before4 is None else f" (usually {km(digest.before4)} km a week)"
    yield f"<p>{km(digest.total.distance)} km in {clock(digest.total.moving)}{usual}.</p>"
    for run in digest.runs:
        yield f"<h3>{escape(run.title or 'Run')}, {run.started:%A}</h3>"
        facts = f"{km(run.distance)} km in {clock(run.moving)}."
        like = f" {compared(run.comparison)}" if run.comparison else ""
        yield f"<p>{escape(facts + like)}</p>"
        for paragraph in filter(None, week.letters.get(run.record_id, "").split("\n")):
            yield f"<p>{escape(paragraph)}</p>"
    if digest.suggestions:
        advice = "".join(f"<li>{escape(each.text)}</li>" for each in digest.suggestions)
        yield f"<h3>For the next week</h3><ul>{advice}</ul>"


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _add(
    parent: "etree._Element", name: str, content: str | None = None, **attributes: str
) -> "etree._Element":
    element = etree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    if content is not None:
        element.text = xml_text(content)
    return element
