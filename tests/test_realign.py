"""Corrected words keep the times at which they were heard."""

import random
import time

from keepsake.text.realign import TimedWord, realigned
from keepsake.text.spans import Spoken

HEARD: list[TimedWord] = [
    (" We", 0.0, 0.2), (" baked", 0.2, 0.7), (" bred.", 0.9, 1.2), (" Every", 1.5, 1.7),
    (" Sunday!", 1.7, 2.4),
]  # fmt: skip


def test_words_that_stay_keep_their_times() -> None:
    assert realigned("We baked bred. Every Sunday!", HEARD) == [
        ("We", 0.0, 0.2), ("baked", 0.2, 0.7), ("bred.", 0.9, 1.2), ("Every", 1.5, 1.7),
        ("Sunday!", 1.7, 2.4),
    ]  # fmt: skip


def test_a_corrected_word_takes_the_time_of_the_one_before_it() -> None:
    assert realigned("“We” BAKED bread; every Sunday", HEARD)[2] == ("bread;", 0.9, 1.2)


def test_several_words_share_the_time_of_those_they_replace() -> None:
    words = realigned("We baked bread and a tart. Every Sunday!", HEARD)
    assert words[2:6] == [
        ("bread", 0.9, 1.015), ("and", 1.015, 1.085), ("a", 1.085, 1.108), ("tart.", 1.108, 1.2),
    ]  # fmt: skip


def test_words_put_in_stand_between_their_neighbours() -> None:
    words = realigned("So we baked bred. Always. Every Sunday! Yes!", HEARD)
    assert words[0] == ("So", 0.0, 0.0)
    assert words[4] == ("Always.", 1.2, 1.5)
    assert words[-1] == ("Yes!", 2.4, 2.4)


def test_words_taken_out_leave_the_others_where_they_are() -> None:
    assert realigned("We baked Sunday!", HEARD)[-1] == ("Sunday!", 1.7, 2.4)


def test_what_a_transcriber_calls_one_word_may_become_two() -> None:
    words = realigned("well known bread", [("well-known", 0.0, 0.9), ("bread", 1.0, 1.5)])
    assert words == [("well", 0.0, 0.4), ("known", 0.4, 0.9), ("bread", 1.0, 1.5)]


def test_writing_without_spaces_is_aligned_by_its_characters() -> None:
    words = realigned("我爱面包。", [("我爱", 0.0, 1.0), ("米包", 1.0, 2.0)])
    assert [word for word, _, _ in words] == ["我", "爱", "面", "包。"]
    assert words[3] == ("包。", 1.5, 2.0)


def test_without_times_there_are_none() -> None:
    assert realigned("We baked bread.", []) == []
    assert realigned("…", HEARD) == []


def test_every_word_is_found_in_the_text_and_time_never_runs_back() -> None:
    chance = random.Random(7)
    said = chance.choices(["we", "baked", "the", "bread", "and", "a", "tart"], k=900)
    heard = [(word, at * 0.4, at * 0.4 + 0.3) for at, word in enumerate(said)]
    edited = [word if chance.random() < 0.8 else "honey" for word in said if chance.random() < 0.9]
    text = " ".join(edited)
    words = realigned(text, heard)
    assert [word for word, _, _ in words] == edited
    times = [moment for _, start, end in words for moment in (start, end)]
    assert times == sorted(times)
    assert Spoken(text, words).time(Spoken(text).sentences[0]) is not None


def test_two_hours_of_speech_take_no_more_than_seconds() -> None:
    chance = random.Random(1)
    vocabulary = [f"w{number}" for number in range(3000)]
    weights = [1 / rank for rank in range(1, 3001)]  # as words are: a few are everywhere
    said = chance.choices(vocabulary, weights, k=18_000)
    heard = [(word, at * 0.5, at * 0.5 + 0.25) for at, word in enumerate(said)]
    edited = [word if chance.random() < 0.95 else "honey" for word in said]
    began = time.process_time()
    words = realigned(" ".join(edited), heard)
    assert time.process_time() - began < 20
    same = sum(new == old for new, old in zip(words, heard, strict=True))
    assert same > 17_000
