"""Texts with the times of their words, as pages light them."""

import pytest

from keepsake.family.spoken_text import SpokenParagraph, spoken_text

WORDS = [("He", 0.0, 0.5), (" said,", 0.5, 1.0), (" I", 1.0, 1.2), (" can", 1.2, 1.5)]


def _words(paragraphs: list[SpokenParagraph]) -> list[str]:
    return [word.text for paragraph in paragraphs for sentence in paragraph for word in sentence]


def test_nothing_of_a_text_is_left_out() -> None:
    text = "“He said, ‘I can!’” … Then he (the well-known one)\n\nleft — at 5.30."
    shown = spoken_text(text, WORDS)
    assert "".join(_words(shown)) == text.replace("\n\n", "")
    assert _words(shown)[2] == "‘I "  # a quotation mark belongs to the word it opens


def test_a_blank_line_parts_paragraphs_and_a_point_sentences() -> None:
    shown = spoken_text("He said. I can.\n\nHe said.", WORDS)
    assert [len(paragraph) for paragraph in shown] == [2, 1]


def test_words_have_the_times_of_the_recording() -> None:
    ((sentence,),) = spoken_text("He said, I can", WORDS)
    assert [word.starts_at for word in sentence] == [0.0, 0.5, 1.0, 1.2]


def test_words_that_were_corrected_share_the_time_of_those_before() -> None:
    ((sentence,),) = spoken_text("He had said, I can", WORDS)
    times = [word.starts_at for word in sentence]
    assert times[0] == 0.0
    assert times[-2:] == [1.0, 1.2]
    assert None not in times


def test_stretches_of_words_share_their_time_out() -> None:
    ((sentence,),) = spoken_text("He said, I can", [("He said, I can", 0.0, 4.0)])
    times = [word.starts_at for word in sentence]
    assert times[0] == 0.0
    assert times == sorted(times, key=lambda time: time or 0.0)


@pytest.mark.parametrize("text", ["He said, I can", "…"])
def test_without_times_a_text_is_shown_all_the_same(text: str) -> None:
    ((sentence,),) = spoken_text(text, [])
    assert "".join(word.text for word in sentence) == text
    assert {word.starts_at for word in sentence} == {None}
