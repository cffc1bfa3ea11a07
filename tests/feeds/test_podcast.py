"""What a family's feed says: the rules of podcasts, which stories are in it, and what stays."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from time import process_time
from uuid import UUID, uuid5

import av
import feedparser
import pytest

from keepsake.audio.cover import LARGE, cover
from keepsake.database import Connection, as_owner
from keepsake.delivery.feeds import PODCAST_NAMESPACE
from keepsake.errors import InvalidInput
from keepsake.family.feed.approval import decide, set_policy, visibility
from keepsake.family.feed.episodes import Channel, read_channel
from keepsake.family.feed.rss import write_rss
from keepsake.family.response import Family, add_family
from keepsake.records.deletion import delete_record
from tests.feeds.episodes import given_episode, mp3
from tests.feeds.rules import broken_rules
from tests.given import NOON, given_record

ROOT = "https://keepsake.example/feeds"
ADDRESS = f"{ROOT}/ksf_token"


def channel_of(db: Connection, family: Family) -> Channel:
    """The channel, read as the API reads it."""
    with as_owner(db, family.id):
        channel = read_channel(db, family.id, ROOT)
    assert channel is not None
    return channel


def feed_of(db: Connection, family: Family) -> bytes:
    return write_rss(channel_of(db, family), ADDRESS, "https://keepsake.example")


def titles(db: Connection, family: Family) -> list[str]:
    return [episode.title for episode in channel_of(db, family).episodes]


@pytest.fixture
def bread(db: Connection, marlows: Family) -> int:
    """A story with an episode."""
    return given_episode(db, None, marlows, "Saturday Bread")


def test_the_feed_keeps_the_rules(db: Connection, marlows: Family, bread: int) -> None:
    given_episode(db, None, marlows, "Knäckebrot & <Butter>", member="Sam")
    assert broken_rules(feed_of(db, marlows)) == []


def test_a_feed_without_episodes_keeps_them_too(db: Connection, marlows: Family) -> None:
    assert broken_rules(feed_of(db, marlows)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"<itunes:block>Yes", b"<itunes:block>true", "itunes:block"),
        (b"<podcast:locked>yes", b"<podcast:locked>no", "podcast:locked"),
        (b"<itunes:explicit>false", b"<itunes:explicit>no", "itunes:explicit"),
        (b'isPermaLink="false"', b'isPermaLink="true"', "no link"),
        (b'type="audio/mpeg"', b'type="audio/x-m4a"', "name must end"),
        (b' length="', b' long="', "length"),
        (b"text/vtt", b"text/html", "VTT"),
        (b"Personal Journals", b"Family Stories", "category"),
        (b"</channel>", b"<itunes:owner/></channel>", "e-mail"),
        (b"<itunes:duration>20", b"<itunes:duration>0:20", "itunes:duration"),
    ],
)
def test_the_rules_find_what_is_wrong(
    db: Connection, marlows: Family, bread: int, old: bytes, new: bytes, said: str
) -> None:
    feed = feed_of(db, marlows)
    assert old in feed
    assert any(said in rule for rule in broken_rules(feed.replace(old, new)))


def test_a_reader_sees_what_was_told(db: Connection, marlows: Family, bread: int) -> None:
    feed = feedparser.parse(feed_of(db, marlows))
    assert not feed.bozo
    assert feed.feed.title == "The Marlows family stories"
    assert feed.feed.language == "en"
    assert "told by Rose" in feed.feed.description
    (entry,) = feed.entries
    assert entry.title == "Saturday Bread"
    assert entry.summary == "How the bread was made."
    assert "Dough needs patience." in entry.content[0].value
    assert entry.itunes_duration == "20"
    assert entry.published_parsed[:5] == (2026, 5, 4, 12, 0)
    (enclosure,) = entry.enclosures
    assert (enclosure.href, enclosure.type) == (f"{ADDRESS}/episodes/{bread}.mp3", "audio/mpeg")
    assert int(enclosure.length) == len(mp3())


def test_the_newest_story_is_first(db: Connection, marlows: Family, bread: int) -> None:
    given_episode(db, None, marlows, "The Boat", recorded_at=NOON - timedelta(days=900))
    given_episode(db, None, marlows, "The Sea", recorded_at=NOON + timedelta(days=1))
    assert titles(db, marlows) == ["The Sea", "Saturday Bread", "The Boat"]


def test_the_same_stories_give_the_same_bytes(db: Connection, marlows: Family, bread: int) -> None:
    assert feed_of(db, marlows) == feed_of(db, marlows)


def test_names_for_ever_do_not_change_with_the_address(
    db: Connection, marlows: Family, bread: int
) -> None:
    before = feedparser.parse(feed_of(db, marlows))
    with as_owner(db, marlows.id):
        channel = read_channel(db, marlows.id, "https://elsewhere.example/feeds")
    assert channel is not None
    moved = write_rss(channel, "https://elsewhere.example/feeds/ksf_2", "https://elsewhere.example")
    after = feedparser.parse(moved)
    assert after.feed.podcast_guid == before.feed.podcast_guid
    assert after.entries[0].id == before.entries[0].id


def test_the_guid_is_that_of_the_podcast_namespace(db: Connection, marlows: Family) -> None:
    # https://podcasting2.org: the guid of the feed podnews.net/rss.
    assert uuid5(PODCAST_NAMESPACE, "podnews.net/rss") == UUID(
        "9b024349-ccf0-5f69-a609-6b82873eab3c"
    )
    named = uuid5(PODCAST_NAMESPACE, "keepsake.example/feeds/the-marlows")
    assert channel_of(db, marlows).guid == named


def test_a_story_that_is_hidden_or_deleted_leaves_at_once(
    db: Connection, marlows: Family, bread: int
) -> None:
    boat = given_episode(db, None, marlows, "The Boat")
    before = channel_of(db, marlows).changed_at
    with as_owner(db, marlows.id):
        assert not decide(db, None, marlows.id, bread, "hidden").in_feed
    assert titles(db, marlows) == ["The Boat"]
    delete_record(db, marlows.id, boat)
    assert titles(db, marlows) == []
    assert channel_of(db, marlows).changed_at > before


def test_the_date_of_a_feed_stays_while_nothing_changes(
    db: Connection, marlows: Family, bread: int
) -> None:
    before = channel_of(db, marlows).changed_at
    assert channel_of(db, marlows).changed_at == before
    db.execute("UPDATE stories SET summary = 'Another.' WHERE record_id = %s", (bread,))
    assert channel_of(db, marlows).changed_at > before


def test_a_family_may_approve_each_story(db: Connection, marlows: Family, bread: int) -> None:
    given_episode(db, None, marlows, "The Boat")
    set_policy(db, marlows.id, "approved")
    assert titles(db, marlows) == []
    decide(db, None, marlows.id, bread, "approved")
    assert titles(db, marlows) == ["Saturday Bread"]
    decide(db, None, marlows.id, bread, None)
    assert titles(db, marlows) == []
    set_policy(db, marlows.id, "all")
    assert len(titles(db, marlows)) == 2


def test_a_story_can_be_decided_before_it_has_an_episode(db: Connection, marlows: Family) -> None:
    record = given_record(db, line="family", owner_id=marlows.id, external_id="new").record_id
    decided = decide(db, None, marlows.id, record, "approved")
    assert (decided.state, decided.has_episode, decided.in_feed) == ("approved", False, False)


def test_only_stories_are_approved(db: Connection, marlows: Family) -> None:
    record = given_record(db, line="bookmarks", owner_id=marlows.id, external_id="b").record_id
    with pytest.raises(InvalidInput, match="is of the line bookmarks"):
        decide(db, None, marlows.id, record, "approved")
    with pytest.raises(InvalidInput, match="no policy 'some'"):
        set_policy(db, marlows.id, "some")


def test_another_family_sees_and_decides_nothing(
    db: Connection, marlows: Family, bread: int
) -> None:
    others = add_family(db, "The Others")
    assert titles(db, others) == []
    with as_owner(db, others.id), pytest.raises(InvalidInput, match="no record"):
        decide(db, None, others.id, bread, "hidden")
    assert visibility(db, marlows.id, bread).in_feed


def test_a_title_that_a_person_gave_counts_at_once(
    db: Connection, marlows: Family, bread: int
) -> None:
    db.execute(
        "INSERT INTO edits (record_id, owner_id, field, value) VALUES (%s, %s, 'title', 'Bread')",
        (bread, marlows.id),
    )
    assert titles(db, marlows) == ["Bread"]


@pytest.mark.parametrize("text", ["\x01bell \x0b tab\ufffe", "👩‍🍳 パン", "]]>&<b>", " "])
def test_whatever_was_written_is_text(db: Connection, marlows: Family, text: str) -> None:
    given_episode(db, None, marlows, text, summary=f"{text} said", quotes=[text])
    feed = feed_of(db, marlows)
    assert broken_rules(feed) == []
    assert not feedparser.parse(feed).bozo


def test_a_long_summary_is_cut_between_words(db: Connection, marlows: Family) -> None:
    given_episode(db, None, marlows, "Long", summary="Brötchen " * 1000)
    feed = feed_of(db, marlows)
    assert broken_rules(feed) == []
    assert feedparser.parse(feed).entries[0].summary.endswith("Brötchen …")


def test_a_story_without_a_summary_is_described_by_its_title(
    db: Connection, marlows: Family
) -> None:
    given_episode(db, None, marlows, "Bread", summary="")
    feed = feed_of(db, marlows)
    assert broken_rules(feed) == []
    assert feedparser.parse(feed).entries[0].summary == "Bread"


def test_the_artwork_is_large_square_and_rgb() -> None:
    with av.open(BytesIO(cover("The Marlows", LARGE)), "r") as picture:
        frame = next(picture.decode(video=0))
    assert (frame.width, frame.height, frame.format.name) == (1500, 1500, "rgb24")


def test_two_thousand_episodes_are_written_quickly(db: Connection, marlows: Family) -> None:
    _many(db, marlows, 2000)
    begun = process_time()
    feed = feed_of(db, marlows)
    assert process_time() - begun < 2  # 0.2 s usually
    assert feed.count(b"<item>") == 2000
    assert len(feed) < 5_000_000


def _many(db: Connection, family: Family, count: int) -> None:
    """Copies of one episode, a day apart."""
    one = given_episode(db, None, family, "Story 0", recorded_at=datetime(2020, 1, 1, tzinfo=UTC))
    db.execute(
        "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " SELECT line, owner_id, 'copy ' || n, recorded_at + n * interval '1 day', content_hash"
        " FROM records, generate_series(1, %s) AS n WHERE id = %s",
        (count - 1, one),
    )
    for table in ("responses", "stories", "podcasts", "quotes"):
        names = db.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' AND attname <> 'record_id'",
            (table,),
        )
        columns = [name for (name,) in names]
        db.execute(
            f"INSERT INTO {table} (record_id, {', '.join(columns)})"
            f" SELECT r.id, {', '.join(f't.{name}' for name in columns)} FROM {table} t, records r"
            " WHERE t.record_id = %s AND r.external_id LIKE 'copy %%'".encode(),
            (one,),
        )
