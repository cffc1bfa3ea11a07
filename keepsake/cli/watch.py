"""Following records until nothing is open: a live table on a terminal, lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from keepsake.records.progress import StepProgress

Look = Callable[[], "list[StepProgress]"]

SECONDS_BETWEEN_LOOKS = 1.0
LOOKING_SHARE = 0.1  # of the time is spent on looking, at most, however many records there are
COLUMNS = {  # heading by count
    "pending": "pending",
    "running": "being made",
    "done": "done",
    "failed": "failed",
    "waiting": "waiting",
    "beyond_tier": "beyond the tier",
    "switched_off": "switched off",
    "over_budget": "over budget",
}
ALWAYS = ("pending", "running", "done", "failed")


def watch(look: Look, out: "Console") -> None:
    """Show what `look` sees until nothing is open; Ctrl-C ends it earlier."""
    try:
        _follow(look, out)
    except KeyboardInterrupt:
        out.print("No longer watching; the work goes on.")


def _follow(look: Look, out: "Console") -> None:
    from rich.live import Live

    from keepsake.records.progress import time_left

    if out.is_terminal:
        with Live(console=out, auto_refresh=False) as live:
            for steps in _looks(look):
                live.update(_table(steps, out.width), refresh=True)
        return
    said: object = None
    for steps in _looks(look):
        counts = [(step.open, step.done, step.failed) for step in steps]
        if counts != said:
            opened, done, failed = (sum(numbers) for numbers in zip(*counts, strict=True))
            left = duration(time_left(steps))
            out.print(f"{opened} open, {done} done, {failed} failed; {left} left")
            said = counts


def _looks(look: Look) -> "Iterator[list[StepProgress]]":
    while True:
        began = time.monotonic()
        steps = look()
        took = time.monotonic() - began
        if not steps:
            return
        yield steps
        if not any(step.open for step in steps):
            return
        time.sleep(max(SECONDS_BETWEEN_LOOKS, took / LOOKING_SHARE))


def columns(steps: "Sequence[StepProgress]") -> list[str]:
    """The counts worth a column: the usual ones, and others where there are any."""
    return [name for name in COLUMNS if name in ALWAYS or any(getattr(s, name) for s in steps)]


def row(step: "StepProgress", counts: Sequence[str]) -> Mapping[str, Any]:
    """One step as people read it."""
    return {
        "line": step.line,
        "step": step.step,
        **{COLUMNS[name]: getattr(step, name) for name in counts},
        "a minute": round(step.per_minute, 1) if step.per_minute else None,
        "time left": duration(step.seconds_left) if step.open else "",
    }


def _table(steps: "Sequence[StepProgress]", width: int) -> "Text":
    from rich.text import Text

    from keepsake.records.progress import time_left
    from keepsake.terminal.tables import lay_out

    rows = [row(step, columns(steps)) for step in steps]
    heading, *lines = lay_out(rows, list(rows[0]), width)
    shown = Text(f"{heading}\n", style="bold")
    for step, line in zip(steps, lines, strict=True):
        shown.append(f"{line}\n", style="red" if step.failed else "" if step.open else "green")
    return shown.append(f"{duration(time_left(steps))} left", style="italic")


def duration(seconds: float | None) -> str:
    """A time as people say it: `40 s`, `12 min`, `3 h 20 min`; None is unknown."""
    if seconds is None:
        return "unknown"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
