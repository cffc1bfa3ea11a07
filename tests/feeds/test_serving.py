"""A family's podcast as players fetch it: played through, resumed, revoked, in nobody's log."""

import asyncio
import io
import json
import logging
import os
import re
from pathlib import Path

import av
import httpx
import pytest
from lxml import etree  # type: ignore[import-untyped]

from keepsake.accounts.listeners import listeners, revoke_listener
from keepsake.accounts.tokens import create_token
from keepsake.clients.objects import S3Store
from keepsake.family.response import add_family, add_member
from keepsake.records.deletion import delete_record

from .conftest import PUBLIC, OpensRadio, Radio
from .episodes import given_episode, mp3
from .rules import broken_rules


def _addresses(feed: bytes) -> list[str]:
    """Every address that a feed names and that is served with it."""
    document = etree.fromstring(feed)
    found = [*document.xpath("//@url"), *document.xpath("//@href"), *document.xpath("//url/text()")]
    return [str(address) for address in found]


def test_a_listener_plays_an_episode_through(radio_anywhere: Radio, tmp_path: Path) -> None:
    radio, sound = radio_anywhere, tmp_path / "bread.mp3"
    radio.add("Saturday Bread")
    feed = radio.player.refresh(radio.feed)
    assert feed is not None
    enclosure = feed.entries[0].enclosures[0]
    assert radio.player.head(enclosure.href).headers["Content-Length"] == enclosure.length
    radio.player.download(enclosure.href, sound)
    with av.open(str(sound)) as container:
        seconds = sum(f.samples / f.sample_rate for f in container.decode(audio=0))
    assert seconds == pytest.approx(20, abs=0.1)


def test_a_download_that_broke_off_goes_on(radio_anywhere: Radio, tmp_path: Path) -> None:
    radio, sound = radio_anywhere, tmp_path / "bread.mp3"
    address = f"{PUBLIC}/feeds/{radio.token}/episodes/{radio.add('Saturday Bread')}.mp3"
    radio.player.download(address, sound, breaks_off_after=100_000)
    assert 0 < sound.stat().st_size < len(mp3())
    assert radio.player.download(address, sound)
    assert sound.read_bytes() == mp3()


def test_a_download_begins_again_if_the_episode_was_made_again(
    radio_anywhere: Radio, tmp_path: Path
) -> None:
    radio, sound = radio_anywhere, tmp_path / "bread.mp3"
    record, other = radio.add("Saturday Bread"), mp3()[::-1]
    address = f"{PUBLIC}/feeds/{radio.token}/episodes/{record}.mp3"
    radio.player.download(address, sound, breaks_off_after=100_000)
    found = radio.db.execute("SELECT audio_key FROM podcasts WHERE record_id = %s", (record,))
    ((key,),) = found.fetchall()
    asyncio.run(radio.store.put_bytes(key, other, "audio/mpeg"))
    assert not radio.player.download(address, sound)
    assert sound.read_bytes() == other


def test_what_has_not_changed_is_not_sent_again(radio: Radio) -> None:
    radio.add("Saturday Bread")
    assert radio.player.refresh(radio.feed) is not None
    assert radio.player.refresh(radio.feed) is None
    radio.add("The Boat")
    feed = radio.player.refresh(radio.feed)
    assert feed is not None
    assert {entry.title for entry in feed.entries} == {"Saturday Bread", "The Boat"}


def test_all_that_the_feed_names_answers_head_ranges_and_conditions(radio_anywhere: Radio) -> None:
    radio = radio_anywhere
    radio.add("Saturday Bread")
    feed = radio.player.get(radio.feed).content
    assert broken_rules(feed) == []
    addresses = _addresses(feed)
    assert len(addresses) == 7  # itself, artwork twice, sound, two transcripts, chapters
    for address in addresses:
        whole = radio.player.get(address)
        assert whole.status_code == 200, address
        head = radio.player.head(address)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.content))
        assert head.headers["Content-Type"] == whole.headers["Content-Type"]
        part = radio.player.get(address, Range="bytes=2-9")
        assert (part.status_code, part.content) == (206, whole.content[2:10])
        tag = whole.headers["ETag"]
        assert radio.player.get(address, **{"If-None-Match": tag}).status_code == 304
        assert radio.player.get(address, Range="bytes=99999999-").status_code == 416
        assert whole.headers["Cache-Control"] == "private, no-cache"


def test_enclosures_are_as_long_as_the_feed_says(radio: Radio) -> None:
    radio.add("Saturday Bread")
    (enclosure,) = etree.fromstring(radio.player.get(radio.feed).content).xpath("//enclosure")
    assert len(radio.player.get(enclosure.get("url")).content) == int(enclosure.get("length"))


def test_transcripts_and_chapters_are_read(radio: Radio) -> None:
    base = f"{PUBLIC}/feeds/{radio.token}/episodes/{radio.add('Saturday Bread')}"
    vtt = radio.player.get(f"{base}/transcript.vtt")
    assert vtt.headers["Content-Type"] == "text/vtt; charset=utf-8"
    assert vtt.text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:04.000\n<v Rose>My name is Rose")
    srt = radio.player.get(f"{base}/transcript.srt")
    assert srt.text == (
        "1\n00:00:00,000 --> 00:00:04,000\nRose: My name is Rose & I bake.\n\n"
        "2\n00:00:04,000 --> 00:00:09,500\nEvery week.\n"
    )
    chapters = radio.player.get(f"{base}/chapters.json")
    assert chapters.headers["Content-Type"] == "application/json+chapters"
    assert json.loads(chapters.content)["chapters"][0]["title"] == "The story"


def test_players_in_a_browser_may_read_transcripts_and_chapters_alone(radio: Radio) -> None:
    radio.add("Saturday Bread")
    open_to_scripts = {
        address.rpartition("/")[2]
        for address in _addresses(radio.player.get(radio.feed).content)
        if "Access-Control-Allow-Origin"
        in radio.player.get(address, Origin="https://p.example").headers
    }
    assert open_to_scripts == {"transcript.vtt", "transcript.srt", "chapters.json"}


def test_the_artwork_has_another_address_when_the_family_has_another_name(radio: Radio) -> None:
    def artwork() -> tuple[str, bytes]:
        document = etree.fromstring(radio.player.get(radio.feed).content)
        (address,) = document.xpath("//image/url/text()")
        return str(address), radio.player.get(address).content

    before, picture = artwork()
    with av.open(io.BytesIO(picture), "r") as container:
        assert container.streams.video[0].width == 1500
    radio.db.execute("UPDATE owners SET name = 'The Harbors' WHERE id = %s", (radio.family.id,))
    after, other = artwork()
    assert after != before
    assert other != picture


def test_one_listener_is_revoked_alone(radio: Radio) -> None:
    record = radio.add("Saturday Bread")
    other = radio.new_token("Aunt May")
    (tom,) = (each for each in listeners(radio.db, radio.family.id) if each.name == "Grandson Tom")
    revoke_listener(radio.db, radio.family.id, tom.id)
    for name in (".xml", f"/episodes/{record}.mp3", f"/episodes/{record}/transcript.vtt"):
        assert radio.player.get(f"{PUBLIC}/feeds/{radio.token}{name}").status_code == 404
        assert radio.player.get(f"{PUBLIC}/feeds/{other}{name}").status_code == 200


def test_revoked_unknown_and_malformed_tokens_are_answered_alike(radio: Radio) -> None:
    gone, unknown = radio.new_token("Aunt May"), radio.new_token("never used")
    for listener in listeners(radio.db, radio.family.id):
        revoke_listener(radio.db, radio.family.id, listener.id)
    radio.db.execute("DELETE FROM listeners WHERE name = 'never used'")
    api_token, _ = create_token(radio.db, "t", owner_id=radio.family.id, scopes=["read"])
    answers = [
        radio.player.get(f"{PUBLIC}/feeds/{token}{rest}")
        for token in (gone, unknown, f"{gone[:-1]}x", "ksf_short", api_token)
        for rest in (".xml", "/episodes/1.mp3", "/running.atom", "/artwork-00000000.png")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_a_feed_token_opens_nothing_else(radio: Radio) -> None:
    answer = radio.player.get(f"{PUBLIC}/api/records/1", Authorization=f"Bearer {radio.token}")
    assert answer.status_code == 401


def test_a_story_of_another_family_is_not_in_reach(radio: Radio) -> None:
    others = add_family(radio.db, "The Others")
    add_member(radio.db, others, "Rose")
    record = given_episode(radio.db, radio.store, others, "Theirs")
    for name in (".mp3", "/transcript.vtt", "/transcript.srt", "/chapters.json"):
        answer = radio.player.get(f"{PUBLIC}/feeds/{radio.token}/episodes/{record}{name}")
        assert answer.status_code == 404


def test_what_is_hidden_or_deleted_is_gone_with_its_files(radio: Radio) -> None:
    bread, boat = radio.add("Saturday Bread"), radio.add("The Boat")
    token, _ = create_token(radio.db, "t", owner_id=radio.family.id, scopes=["read", "edit"])
    hidden = radio.player.client.put(
        f"{radio.url}/api/records/{bread}/feed",
        json={"state": "hidden"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert hidden.json()["in_feed"] is False
    delete_record(radio.db, radio.family.id, boat)
    assert radio.titles() == []
    for record in (bread, boat):
        for name in (".mp3", "/transcript.vtt", "/transcript.srt", "/chapters.json"):
            address = f"{PUBLIC}/feeds/{radio.token}/episodes/{record}{name}"
            assert radio.player.get(address).status_code == 404


def test_a_file_that_is_lost_is_not_found(radio_anywhere: Radio) -> None:
    record = given_episode(radio_anywhere.db, None, radio_anywhere.family, "No files")
    for name in (".mp3", "/transcript.vtt", "/transcript.srt", "/chapters.json"):
        address = f"{PUBLIC}/feeds/{radio_anywhere.token}/episodes/{record}{name}"
        assert radio_anywhere.player.get(address).status_code == 404


def test_a_store_that_is_down_is_asked_again_later(opens_radio: OpensRadio) -> None:
    radio = opens_radio(
        s3_endpoint="http://127.0.0.1:9",
        s3_bucket="away",
        s3_access_key="key",
        s3_secret_key="secret",
    )
    assert isinstance(radio.store, S3Store)
    record = given_episode(radio.db, None, radio.family, "Saturday Bread")
    answer = radio.player.get(f"{PUBLIC}/feeds/{radio.token}/episodes/{record}.mp3")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert radio.titles() == ["Saturday Bread"]


def test_a_file_that_ends_too_early_breaks_the_transfer_off(
    radio: Radio, caplog: pytest.LogCaptureFixture
) -> None:
    record = radio.add("Saturday Bread")
    ((key,),) = radio.db.execute("SELECT audio_key FROM podcasts").fetchall()
    sound = Path(radio.store.url(key))
    with sound.open("r+b") as file:
        file.truncate(50_000_000)  # more than fits between server and player
    address = f"{radio.url}/feeds/{radio.token}/episodes/{record}.mp3"

    def play() -> None:
        with radio.player.client.stream("GET", address) as answer:
            assert answer.headers["Content-Length"] == "50000000"
            for number, _ in enumerate(answer.iter_raw(16_384)):
                if number == 0:
                    os.truncate(sound, 1000)

    with pytest.raises(httpx.RemoteProtocolError):
        play()
    assert "a file broke off while it was sent: an object ended" in caplog.text
    assert radio.token not in caplog.text


def test_without_a_public_address_there_is_no_feed(opens_radio: OpensRadio) -> None:
    radio = opens_radio(public_url="")
    answer = radio.player.get(radio.feed)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_configured")
    assert "PUBLIC_URL" in answer.json()["detail"]


def test_a_fetch_is_noted_with_the_player(radio: Radio) -> None:
    radio.player.get(radio.feed, **{"User-Agent": "Overcast/3.0 (+x; 1 subscribers)" + "x" * 500})
    (listener,) = listeners(radio.db, radio.family.id)
    assert listener.last_used_at is not None
    assert listener.user_agent is not None
    assert listener.user_agent.startswith("Overcast/3.0")
    assert len(listener.user_agent) <= 200


def test_no_log_has_a_token(radio: Radio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").disabled = logging.getLogger("httpcore").disabled = True
    record = radio.add("Saturday Bread")
    for name in (".xml", f"/episodes/{record}.mp3", "/nothing", "/episodes/0.mp3"):
        radio.player.get(f"{PUBLIC}/feeds/{radio.token}{name}")
    said = "\n".join(line.getMessage() for line in caplog.records)
    assert "GET /feeds/*** 200" in said
    assert not re.search("ksf_[0-9A-Za-z]{10}", said)


def test_only_who_may_edit_decides(radio: Radio) -> None:
    record = radio.add("Saturday Bread")
    reader, _ = create_token(radio.db, "t", owner_id=radio.family.id, scopes=["read"])
    client = httpx.Client(base_url=radio.url, headers={"Authorization": f"Bearer {reader}"})
    with client:
        refused = client.put(f"/api/records/{record}/feed", json={"state": "hidden"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        seen = client.get(f"/api/records/{record}/feed").json()
        assert (seen["in_feed"], seen["policy"], seen["state"]) == (True, "all", None)


def test_a_decision_that_is_none_is_refused(radio: Radio) -> None:
    record = radio.add("Saturday Bread")
    token, _ = create_token(radio.db, "t", owner_id=radio.family.id, scopes=["edit"])
    answer = radio.player.client.put(
        f"{radio.url}/api/records/{record}/feed",
        json={"state": "gone"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert radio.titles() == ["Saturday Bread"]
