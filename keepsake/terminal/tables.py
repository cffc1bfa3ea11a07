"""Rows as lines of text: one line a row in a pipe, wrapped to fit on a narrow terminal."""

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Any

# A page's title must not move the cursor or clear the screen of who reads it.
CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
LONGEST_WORD = 18  # a longer one (an address) may be broken


def lay_out(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], width: int | None = None
) -> list[str]:
    """The heading and the rows, each as one text of one or more lines.

    Args:
        rows: with a value for every name.
        names: the columns, in their order. Those that hold numbers only are aligned to the right.
        width: of the terminal. None: every row is one line. What does not fit is made to, by
            wrapping headings, by narrower gaps, by wrapping texts at blanks. If that is not enough,
            every row is a block with a line for each value, and the heading is empty.
    """
    if not names:
        return [""]
    columns = [_Column(name, [row[name] for row in rows]) for name in names]
    for gap, wrapped in ((2, False), (2, True), (1, True)):
        widths = [column.narrow if wrapped else column.natural for column in columns]
        if width is None or sum(widths) + gap * (len(widths) - 1) <= width:
            break
    else:
        room = (width or 0) - len(columns) + 1
        widths, wrapped = _shrunk(columns, room), True
        if sum(widths) > room:
            return ["", *(_block(names, row) for row in rows)]
    every = [_lines(columns, widths, number, wrapped) for number in range(len(rows) + 1)]
    return ["\n".join((" " * gap).join(line).rstrip() for line in lines) for lines in every]


class _Column:
    """One column: its texts, the heading first, and how wide it must be."""

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.cells = [name, *map(cell, values)]
        self.right = all(isinstance(value, int | float | None) for value in values)
        body = max(map(_len, self.cells[1:]), default=0)
        self.natural = max(_len(name), body)
        self.narrow = max(body, *map(_len, name.split()), 1)
        words = [word for text in self.cells[1:] for word in re.split(r"\s|(?<=-)", text)]
        longest = max(map(_len, words), default=0)
        self.least = body if self.right else min(longest, LONGEST_WORD)
        self.least = max(self.least, *map(_len, name.split()), 1)


def _lines(
    columns: "Sequence[_Column]", widths: Sequence[int], number: int, wrapped: bool
) -> list[tuple[str, ...]]:
    """The lines of one row (0: the heading), each cell filled up to the width of its column."""
    texts = [column.cells[number] for column in columns]
    if wrapped:
        parts = [wrap(text, width) or [""] for text, width in zip(texts, widths, strict=True)]
    else:
        parts = [[text] for text in texts]
    if number == 0:  # short headings are set just above the rows
        tallest = max(map(len, parts))
        parts = [[""] * (tallest - len(part)) + part for part in parts]
    filled = [
        [_filled(line, width, column.right) for line in part]
        for part, width, column in zip(parts, widths, columns, strict=True)
    ]
    blanks = [" " * width for width in widths]
    return [
        tuple(part if part is not None else blank for part, blank in zip(line, blanks, strict=True))
        for line in zip_longest(*filled)
    ]


def _shrunk(columns: "Sequence[_Column]", room: int) -> list[int]:
    """Widths that fit into `room`, the widest texts wrapped most; wider where they cannot."""
    widths = [column.narrow for column in columns]
    while sum(widths) > room:
        spare = [i for i, column in enumerate(columns) if widths[i] > column.least]
        if not spare:
            break
        widths[max(spare, key=lambda i: widths[i])] -= 1
    return widths


def _block(names: Sequence[str], row: Mapping[str, Any]) -> str:
    label = max(map(_len, names))
    return (
        "\n".join(f"{name:{label}}  {cell(row[name])}" for name in names if cell(row[name])) + "\n"
    )


def cell(value: Any) -> str:
    """A value on one line, without what would control a terminal."""
    return "" if value is None else " ".join(str(value).translate(CONTROLS).split())


def _filled(text: str, width: int, right: bool) -> str:
    gap = " " * (width - _len(text))
    return gap + text if right else text + gap


def _len(text: str) -> int:
    """The places it takes: a letter of Chinese takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
