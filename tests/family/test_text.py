"""Text as spans: what is cut, found and cleaned can be traced to the words it came from."""

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from keepsake.text.spans import (
    Span,
    Spoken,
    Timed,
    chunks,
    clean_speech,
    invented,
    loops,
    opening,
    paragraphs,
    passages,
    sentences,
    text_key,
    word_count,
)

TEXTS = {
    "english": "Mr. Hansen waited at the gate. He said: “I could hear you coming!” So I sang... "
    "and sang, um, until J. R. Tolkien himself heard it.\n\nWas I brave? No. I I wasn't.",
    "german": "Er kam um acht, ähm, und die die Tür war zu. „Wo warst du?“, fragte sie. Dr. Weiß "
    "lachte… dann gingen wir heim.",
    "hebrew": "סבתא אפתה לחם כל יום שישי. הריח מילא את הרחוב! האם אתם זוכרים?",
    "arabic": "كانت جدتي تخبز كل جمعة. هل تذكرون؟ نعم، أتذكر جيدا.",
    "japanese": "祖母は毎週土曜日にパンを焼いた。「待ちなさい。」と言った！",
    "emoji": "We danced 💃🕺 all night. 👨‍👩‍👧‍👦 Then it rained ☔️! And we stayed.",
    "spaces": "  First line \n \n\n second   line\twith\u00a0gaps \n",
    "without an end": "and then we went on and on " * 120,
    "no words": " ... !? … ",
    "nothing": "",
}
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def cut(text: str, spans: list[Span]) -> list[str]:
    return [text[span.start : span.end] for span in spans]


# -- sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We sang. Then we left!", ["We sang.", "Then we left!"]),
        ("Mr. Hansen met Dr. Weiß at St. Anne.", ["Mr. Hansen met Dr. Weiß at St. Anne."]),
        ("J. R. R. Tolkien wrote. We read.", ["J. R. R. Tolkien wrote.", "We read."]),
        ("It was I. You knew.", ["It was I.", "You knew."]),
        ("She said: “Come in!” I came.", ["She said: “Come in!”", "I came."]),
        ('He asked "why?" (nobody knew.) End', ['He asked "why?"', "(nobody knew.)", "End"]),
        ("I was... afraid. It was… dark.", ["I was... afraid.", "It was… dark."]),
        ("I waited... Nobody came… Then he did.", ["I waited...", "Nobody came…", "Then he did."]),
        ("It cost 3.50 at a.com today.", ["It cost 3.50 at a.com today."]),
        ("「待ちなさい。」と言った。はい！", ["「待ちなさい。」", "と言った。", "はい！"]),
        ("هل تذكرون؟ نعم.", ["هل تذكرون؟", "نعم."]),
        ("हम गए। फिर लौटे।", ["हम गए।", "फिर लौटे।"]),
        ("We danced. 💃 All night!", ["We danced.", "💃 All night!"]),
        ("A title\n\nno full stop\n \nend", ["A title", "no full stop", "end"]),
        ("  only space around \n", ["only space around"]),
        (" \n ", []),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert cut(text, sentences(text)) == expected


@every_text
def test_sentences_leave_out_nothing_but_space(text: str) -> None:
    spans = sentences(text)
    between = [Span(0, 0), *spans, Span(len(text), len(text))]
    assert all(not text[one.end : other.start].strip() for one, other in pairwise(between))


# -- passages and chunks --------------------------------------------------------------------------


def story(words: int, seed: int) -> str:
    """Sentences of 1 to 60 words, some with a blank line behind them."""
    chance = random.Random(seed)
    said: list[str] = []
    while len(said) < words:
        length = min(chance.randint(1, 60), words - len(said))
        sentence = [f"w{len(said) + at}" for at in range(length)]
        sentence[-1] += chance.choice([".", "!", "?", "...", ".\n\n"])
        said += sentence
    return " ".join(said)


@pytest.mark.parametrize("words", [1, 149, 150, 199, 200, 451, 3000])
def test_passages_hold_every_word_once_and_in_order(words: int) -> None:
    text = story(words, seed=words)
    pieces = cut(text, passages(text))
    assert " ".join(pieces).split() == text.split()
    assert all(150 <= word_count(piece) < 150 + 60 + 50 for piece in pieces[:-1])
    assert word_count(pieces[-1]) >= min(words, 50)


@every_text
def test_passages_begin_and_end_with_sentences(text: str) -> None:
    starts = {span.start for span in sentences(text)}
    ends = {span.end for span in sentences(text)}
    found = passages(text, words=6)
    if max((word_count(piece) for piece in cut(text, sentences(text))), default=0) <= 12:
        assert all(span.start in starts and span.end in ends for span in found)
    assert text_key(" ".join(cut(text, found))) == text_key(text)


def test_a_sentence_without_end_is_cut_between_words() -> None:
    text = TEXTS["without an end"]
    pieces = cut(text, passages(text))
    assert " ".join(pieces).split() == text.split()
    assert all(word_count(piece) <= 300 for piece in pieces)


@pytest.mark.parametrize("words", [1, 7, 50, 1000])
@every_text
def test_chunks_stay_within_their_bound_and_lose_no_word(text: str, words: int) -> None:
    pieces = cut(text, chunks(text, words=words))
    assert all(word_count(piece) <= words for piece in pieces)
    assert text_key(" ".join(pieces)) == text_key(text)


def test_chunks_are_filled_with_whole_sentences() -> None:
    text = "One two three. Four five. Six seven eight nine."
    assert cut(text, chunks(text, words=5)) == [
        "One two three. Four five.",
        "Six seven eight nine.",
    ]


# -- words in time --------------------------------------------------------------------------------

SAID = "It’s late, said Oma. Don't wait: open the door first. Then count the bowls!"


def spoken(text: str = SAID) -> Spoken:
    """A text whose every word lasts half a second, one word a second."""
    return Spoken(text, [(word, at, at + 0.5) for at, word in enumerate(text.split())])


def found(spoken: Spoken, quote: str) -> str | None:
    span = spoken.find(quote)
    return None if span is None else spoken.text[span.start : span.end]


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("open the door first", "open the door first."),
        ("OPEN, THE DOOR -- FIRST", "open the door first."),
        ("it's late", "It’s late"),
        ("“Don’t wait: open”", "Don't wait: open"),
        ("first then count", "first. Then count"),
        ("count the bowls", "count the bowls!"),
        ("ｏｐｅｎ the door", "open the door"),  # full-width letters
    ],
)
def test_a_quote_is_found_as_it_stands(quote: str, expected: str) -> None:
    assert found(spoken(), quote) == expected


@pytest.mark.parametrize(
    "quote",
    [
        "open the first",  # a word left out
        "open the red door",  # a word put in
        "the open door",  # in another order
        "pen the door",  # part of a word
        "door first then count the bowls please",  # goes on past the end
        "...",
        "",
    ],
)
def test_what_was_not_said_word_for_word_is_not_found(quote: str) -> None:
    assert spoken().find(quote) is None


def test_a_quote_is_found_where_all_of_it_stands() -> None:
    assert found(Spoken("I sang. I sang every song."), "I sang every") == "I sang every"


def test_quotes_are_found_in_every_script() -> None:
    assert found(Spoken(TEXTS["hebrew"]), "הריח מילא את הרחוב") == "הריח מילא את הרחוב!"
    assert found(Spoken(TEXTS["japanese"]), "パンを焼いた") == "パンを焼いた。"


def test_a_span_lasts_from_its_first_word_to_its_last() -> None:
    said = spoken()
    span = said.find("open the door")
    assert span is not None
    assert said.time(span) == Timed(6, 8.5)


def test_a_span_of_part_of_a_word_has_the_time_of_the_word() -> None:
    at = SAID.index("wait")
    assert spoken().time(Span(at + 1, at + 2)) == Timed(5, 5.5)


def test_a_word_that_is_not_in_the_text_gives_no_time_and_disturbs_no_other() -> None:
    said = Spoken("Open the door.", [("Open", 0, 1), ("[noise]", 1, 2), (" door.", 3, 4)])
    assert said.time(Span(0, 14)) == Timed(0, 4)
    assert said.time(Span(5, 8)) is None


def test_a_written_text_has_no_times() -> None:
    assert Spoken("Open the door.").time(Span(0, 4)) is None


# -- loops ----------------------------------------------------------------------------------------


def looped(text: str) -> list[tuple[str, int]]:
    words = text.split()
    return [(" ".join(words[o.start : o.start + o.length]), o.times) for o in loops(words)]


def test_words_said_over_and_over_are_a_loop_whatever_their_case_and_punctuation() -> None:
    assert looped("So. Thank you. thank you, THANK YOU Thank you! Bye") == [("Thank you.", 4)]
    assert looped("la " * 8 + "end") == [("la", 8)]


def test_what_people_repeat_is_no_loop() -> None:
    assert looped("no, no, no, no! Thank you, thank you, thank you. La la la la la la la") == []


def test_each_loop_of_a_text_is_found() -> None:
    assert looped("we sang it " * 5 + "and then " + "so " * 9) == [("we sang it", 5), ("so", 9)]


# -- cleaning -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "clean"),
    [
        ("Um, I was, uh, going to the the store.", "I was, going to the store."),
        ("I, I, I, I think so.", "I think so."),
        ("He came, um. We left. Hm. It rained.", "He came. We left. It rained."),
        ("we sang . then we left ,", "We sang. Then we left,"),
        ("I was... afraid.", "I was... afraid."),
        ("I went to the ER at UM.", "I went to the ER at UM."),
        ("Uh-huh, she said.", "Uh-huh, she said."),
        ("The number was 5 5 5 5.", "The number was 5 5 5 5."),
        ("uh", "Uh"),
        ("", ""),
    ],
)
def test_hesitations_and_stutters_go(said: str, clean: str) -> None:
    assert clean_speech(said, "en") == clean


@pytest.mark.parametrize(
    ("language", "said"),
    [("de", "Er kam um acht."), ("pt", "Era um dia bom."), ("nl", "Was er wat?"), (None, "Er.")],
)
def test_what_hesitates_in_english_is_a_word_elsewhere(language: str | None, said: str) -> None:
    assert clean_speech(said, language) == said


MUMBLED = ["um", "Uh", "er", "hm...", "the", "I", "he", "so", "so,", "sang", "we", "home.", "Dr."]
MUMBLED += ["5", "bread!", "é", "ß", "...", ",", "\n\n", "🍞"]


def mumbled(seed: int) -> Iterator[str]:
    """Words, hesitations, stutters and stray punctuation in any order."""
    chance = random.Random(seed)
    for word in chance.choices(MUMBLED, k=300):
        yield from [word] * chance.choice([1, 1, 1, 2, 3])


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("text", [*TEXTS.values(), *(" ".join(mumbled(n)) for n in range(20))])
def test_cleaning_never_adds_a_word_nor_changes_their_order(text: str, language: str) -> None:
    left = iter(text_key(text).split())
    assert all(word in left for word in text_key(clean_speech(text, language)).split())


@every_text
def test_paragraphs_change_nothing_but_space(text: str) -> None:
    assert "".join(paragraphs(text, words=10).split()) == "".join(text.split())


def test_paragraphs_have_blank_lines_between_sentences() -> None:
    text = "We sang a song. " * 30
    parts = paragraphs(text, words=20).split("\n\n")
    assert len(parts) == 6
    assert all(part.endswith("song.") and word_count(part) == 20 for part in parts)


# -- invention ------------------------------------------------------------------------------------

TOLD = "In 1962 my aunt Rosa took the bus to Hansen's farm. We paid 3.50."


@pytest.mark.parametrize(
    "summary",
    ["Rosa’s trip to the Hansen farm in 1962", "She paid 3.50 there.", "A trip by bus", "We rode."],
)
def test_names_and_numbers_that_were_said_are_no_invention(summary: str) -> None:
    assert invented(summary, TOLD) == []


@pytest.mark.parametrize(
    ("summary", "names"),
    [
        ("Rosa went to Paris in 1963", ["Paris", "1963"]),
        ("With Aunt Bertha’s car", ["Bertha’s"]),
        ("They paid 3.60", ["3.60"]),
    ],
)
def test_names_and_numbers_that_nobody_said_are_found(summary: str, names: list[str]) -> None:
    assert invented(summary, TOLD) == names


def test_the_dot_of_a_german_date_ends_no_sentence() -> None:
    text = "Am 4. Mai kam er. Er war 12. Mein Bruder war 9."
    assert [text[s.start : s.end] for s in sentences(text)] == [
        "Am 4. Mai kam er.", "Er war 12.", "Mein Bruder war 9.",
    ]  # fmt: skip


def test_small_words_said_twice_stay_where_they_may_be_meant() -> None:
    assert clean_speech("So so, sagte er, um acht.", "de") == "So so, sagte er, um acht."
    assert clean_speech("So so, he said.", None) == "So so, he said."
    assert clean_speech("I I went to to town, um, early.", "en") == "I went to town, early."


def test_an_opening_ends_at_a_clause_or_between_words() -> None:
    text = "The winter I was nine, my father was ill, and I fetched the milk. He sang."
    assert opening(text, words=7) == "The winter I was nine…"
    assert opening("We paid 1,250 dollars for the old green truck of Bob.", words=4) == (
        "We paid 1,250…"
    )
    assert opening("We sang. We danced.", words=7) == "We sang."
    assert opening("We bought the truck in 1974 from a man in Duluth.", words=7) == (
        "We bought the truck in 1974…"
    )
    assert opening("I started running when I was fifty eight and ill.", words=7) == (
        "I started running…"
    )
    assert opening("祖母は毎週土曜日にパンを焼いた。", words=4) == "祖母は毎…"


def test_two_hours_without_a_full_stop_are_counted_once() -> None:
    """Each word was counted again for every word behind it: minutes for 20,000 words."""
    counted = 0

    def count(part: str) -> int:
        nonlocal counted
        counted += len(part)
        return word_count(part)

    said = "and then we went on " * 4_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keepsake.text.spans.word_count", count)
        assert opening(said, words=5) == "and then we went…"
    assert counted < 3 * len(said)


def test_blank_lines_are_looked_at_once() -> None:
    """From each of them on, all were looked at again: minutes for what 200,000 signs may hold."""
    assert clean_speech("One" + "\n" * 200_000 + "two , three") == (
        "One" + "\n" * 200_000 + "Two, three"
    )
