"""WebVTT, SubRip and JSON chapters, as players read them."""

import json

from keepsake.audio.captions import ChapterMark, Cue, chapters_json, srt, vtt


def test_a_cue_names_its_time_and_speaker() -> None:
    assert vtt([Cue(1.5, 3.25, "Bread needs patience.", "Oma")]) == (
        "WEBVTT\n\n00:00:01.500 --> 00:00:03.250\n<v Oma>Bread needs patience.\n"
    )


def test_times_go_beyond_an_hour() -> None:
    assert "01:01:01.001 --> 10:00:00.000" in vtt([Cue(3661.001, 36000, "Late.")])


def test_a_cue_never_ends_as_it_starts() -> None:
    assert "00:00:02.000 --> 00:00:02.001" in vtt([Cue(2.0, 2.0, "Oh.")])


def test_words_cannot_become_markup() -> None:
    text = vtt([Cue(0, 1, "a < b --> c & <i>d</i>", "Tom & <Jerry>")])

    assert "<v Tom &amp; &lt;Jerry&gt;>a &lt; b --&gt; c &amp; &lt;i&gt;d&lt;/i&gt;" in text


def test_lines_are_at_most_65_characters_and_none_is_empty() -> None:
    said = "one\n\ntwo " + "patience " * 30 + "x" * 100

    lines = vtt([Cue(0, 1, said)]).split("\n\n")[1].splitlines()[1:]

    assert all(0 < len(line) <= 65 for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(said.split())


def test_cues_without_words_are_left_out() -> None:
    assert vtt([Cue(0, 1, " \n ")]) == "WEBVTT\n"


def test_subrip_says_the_same_without_markup() -> None:
    cues = [Cue(0, 1.5, "Tom & <Jerry> --> here.", "Oma"), Cue(3661.25, 3662, "Late.")]

    assert srt(vtt(cues)) == (
        "1\n00:00:00,000 --> 00:00:01,500\nOma: Tom & <Jerry> --> here.\n\n"
        "2\n01:01:01,250 --> 01:01:02,000\nLate.\n"
    )


def test_a_transcript_without_words_is_empty_in_subrip_too() -> None:
    assert srt(vtt([])) == ""


def test_chapters_follow_podcasting_2() -> None:
    marks = [ChapterMark(0, 20.25, "Opening"), ChapterMark(20.25, 60.6500227, "Bread 🍞")]

    assert json.loads(chapters_json(marks)) == {
        "version": "1.2.0",
        "chapters": [
            {"startTime": 0, "endTime": 20.25, "title": "Opening"},
            {"startTime": 20.25, "endTime": 60.65, "title": "Bread 🍞"},
        ],
    }
