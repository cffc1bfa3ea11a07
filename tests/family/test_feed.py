"""What the line has told is what listeners hear: the feed of a family after a run of all steps."""

import feedparser

from keepsake.audio.captions import srt
from keepsake.audio.media import probe
from keepsake.database import connect
from keepsake.family.feed.episodes import read_channel
from keepsake.family.feed.rss import write_rss
from tests.feeds.rules import broken_rules

from .conftest import Told

ROOT = "https://keepsake.example/feeds"


def test_the_stories_of_a_run_are_in_the_feed(told: Told) -> None:
    family = told.house.family
    with connect(told.house.url) as db, db.transaction(force_rollback=True):
        channel = read_channel(db, family.id, ROOT)
    assert channel is not None
    assert {episode.record_id for episode in channel.episodes} == {told.spoken, told.written}
    feed = write_rss(channel, f"{ROOT}/ksf_token", "https://keepsake.example")
    assert broken_rules(feed) == []
    entries = feedparser.parse(feed).entries
    for episode, entry in zip(channel.episodes, entries, strict=True):
        sound = told.house.file(episode.audio_key)
        assert int(entry.enclosures[0].length) == sound.stat().st_size
        assert abs(int(entry.itunes_duration) - (probe(sound).duration or 0)) <= 1
        assert told.house.file(episode.chapters_key).exists()
        transcript = told.house.file(episode.vtt_key).read_text()
        assert transcript.count(" --> ") == srt(transcript).count(" --> ")
        assert entry.title == episode.title
    assert channel.tellers == ("Rose", "Sam")
