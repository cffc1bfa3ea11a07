"""Watching: a table on a terminal, lines elsewhere, until nothing is open."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from keepsake.cli import watch as watching
from keepsake.cli.watch import duration, watch
from keepsake.records.progress import StepProgress

START = StepProgress(
    line="running", step="letters", pending=3, running=1, done=0, failed=0, waiting=0,
    beyond_tier=0, switched_off=0, over_budget=0, per_minute=0, seconds_left=None,
)  # fmt: skip
MIDDLE = replace(START, pending=1, running=1, done=2, per_minute=4, seconds_left=30)
END = replace(START, pending=0, running=0, done=3, failed=1, beyond_tier=7, seconds_left=0)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS_BETWEEN_LOOKS", 0.001)


def shown(*looks: StepProgress | list[StepProgress], terminal: bool) -> str:
    """What people see of these looks, one after the other."""
    each = (look if isinstance(look, list) else [look] for look in looks)
    out = Console(file=StringIO(), force_terminal=terminal, width=100, color_system=None)
    watch(lambda: next(each), out)
    assert isinstance(out.file, StringIO)
    return out.file.getvalue()


def test_elsewhere_a_line_is_said_when_something_has_changed() -> None:
    assert shown(START, START, MIDDLE, END, terminal=False) == (
        "4 open, 0 done, 0 failed; unknown left\n"
        "2 open, 2 done, 0 failed; 30 s left\n"
        "0 open, 3 done, 1 failed; 0 s left\n"
    )


def test_on_a_terminal_a_table_follows() -> None:
    text = shown(START, MIDDLE, END, terminal=True)
    assert "being made" in text
    assert "30 s left" in text
    assert "beyond the tier" in text


def test_what_is_held_or_failed_is_not_waited_for() -> None:
    assert shown(END, MIDDLE, terminal=False) == "0 open, 3 done, 1 failed; 0 s left\n"


def test_with_no_records_there_is_nothing_to_watch() -> None:
    assert shown([], START, terminal=False) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "unknown"), (0, "0 s"), (99, "99 s"), (720, "12 min"), (12_000, "3 h 20 min")],
)
def test_times_as_people_say_them(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said
