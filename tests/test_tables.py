"""Tables: whole in a pipe, readable on 80 columns."""

import pytest

from keepsake.terminal.tables import lay_out

STEPS = [
    {"line": "bookmarks", "step": "coaching_insights", "pending": 3, "being made": 0, "done": 12,
     "failed": 0, "switched off": 7, "a minute": 12.5, "time left": "3 h 20 min"},
    {"line": "family", "step": "stories", "pending": 14, "being made": 1, "done": 1200,
     "failed": 0, "switched off": 0, "a minute": None, "time left": ""},
]  # fmt: skip
FAILED = [
    {"step": "stories", "model": "smollm2-135m-instruct", "tries": 3,
     "remark": "the model is gone: check CHAT_BASE_URL, and that the server behind it is up"},
]  # fmt: skip


def test_in_a_pipe_a_row_is_a_line_with_all_its_values() -> None:
    heading, *rows = lay_out(FAILED * 2, list(FAILED[0]))
    assert heading.split() == ["step", "model", "tries", "remark"]
    assert [row.count("\n") for row in rows] == [0, 0]
    assert all(str(FAILED[0]["remark"]) in row for row in rows)


def test_numbers_are_aligned_to_the_right_and_none_is_empty() -> None:
    assert lay_out([{"a": 1, "b": "x"}, {"a": 100, "b": None}], ["a", "b"]) == [
        "  a  b", "  1  x", "100"
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [STEPS, FAILED])
def test_80_columns_hold_every_word_unbroken(rows: list[dict[str, object]]) -> None:
    heading, *lines = lay_out(rows, list(rows[0]), 80)
    assert heading
    assert max(len(line) for text in (heading, *lines) for line in text.splitlines()) <= 80
    for row, text in zip(rows, lines, strict=True):
        words = " ".join(str(value) for value in row.values() if value is not None).split()
        assert sorted("".join(text.split())) == sorted("".join(words))
        assert all(word in text for word in words if "-" not in word)


def test_a_terminal_too_narrow_for_columns_has_a_line_for_each_value() -> None:
    heading, *blocks = lay_out(STEPS, list(STEPS[0]), 40)
    assert heading == ""
    assert "step          coaching_insights\npending       3\n" in blocks[0]


def test_a_letter_that_takes_two_places_moves_no_column() -> None:
    rows = [{"name": "王家", "n": 1}, {"name": "Rose", "n": 2}]
    assert lay_out(rows, ["name", "n"]) == ["name  n", "王家  1", "Rose  2"]


def test_what_would_control_a_terminal_is_left_out() -> None:
    [_, row] = lay_out([{"title": "On\x1b[2J bread\nand \x9b31msalt"}], ["title"])
    assert row == "On[2J bread and 31msalt"
