"""Fingerprints are equal if and only if the content is, in every process."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pytest

from keepsake.pipeline.fingerprint import fingerprint


@dataclass(frozen=True)
class Word:
    text: str
    start: float


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x", "y", "z"}, frozenset({"z", "y", "x"})),
        ([Word("a", 0.5)], [Word("a", 0.5)]),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0])),
        ((1, 2), [1, 2]),
    ],
)
def test_equal_content_has_equal_fingerprints(one: Any, other: Any) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "b"),
        ("1", 1),
        (["ab", "c"], ["a", "bc"]),
        ([], None),
        (Word("a", 0.5), Word("a", 0.6)),
        (np.array([1.0, 2.0]), np.array([2.0, 1.0])),
        (date(2026, 1, 2), date(2026, 2, 1)),
        ("grüße", "grusse"),
    ],
)
def test_other_content_has_another_fingerprint(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_parts_are_told_apart() -> None:
    assert fingerprint("a", "b") != fingerprint(["a", "b"]) != fingerprint("ab")


def test_half_a_character_has_a_fingerprint() -> None:
    assert len(fingerprint("\ud83d")) == 32


def test_another_process_finds_the_same() -> None:
    content = {"values": {"kindness", "humour", "courage"}, "text": "größer"}
    program = (
        f"from keepsake.pipeline.fingerprint import fingerprint; print(fingerprint({content!r}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == fingerprint(content)
