"""Jobs in words that people understand: what one does, how far it is, what it came to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from keepsake.jobs.registry import JobType, Registry
from keepsake.jobs.rows import Attempt, Job
from keepsake.text.moments import clock

# Of a job and of an attempt; the second word is how it looks.
WORDS: Mapping[str, tuple[str, str]] = {
    "pending": ("Waiting", "waiting"),
    "running": ("Under way", "working"),
    "succeeded": ("Done", "made"),
    "failed": ("Failed", "failed"),
    "cancelled": ("Cancelled", "nothing"),
    "expired": ("Not begun in time", "failed"),
    "timed_out": ("Took too long", "failed"),
    "orphaned": ("Broke off", "failed"),
    "given_back": ("Put off: its worker was stopped", "again"),
}
_STOP = re.compile(r"[.:;](?: |$)")
_AT_ONCE = timedelta(seconds=2)  # what is due so soon after it was asked for is due now


@dataclass(frozen=True)
class Moment:
    """A part of what became of a job.

    Attributes:
        title: what happened.
        look: of its mark in the timeline.
        at: when.
        seconds: how long it took; None: that does not matter, or it is not over.
        said: why, and what to do.
        attempt: which attempt it was; None: none.
        worker_id, run_id: what ran it.
    """

    title: str
    look: str
    at: datetime | None
    seconds: float | None = None
    said: str | None = None
    attempt: int | None = None
    worker_id: int | None = None
    run_id: str | None = None


def type_of(registry: Registry, name: str) -> JobType[Any] | None:
    """The type of that name; None: it is of another version of Keepsake."""
    return next((kind for kind in registry.all() if kind.name == name), None)


def title(registry: Registry, name: str) -> str:
    """What jobs of a type do, as short as a heading: its description up to the first stop."""
    kind = type_of(registry, name)
    return _STOP.split(kind.description, maxsplit=1)[0] if kind else name


def more_of(description: str) -> str:
    """What a description says beyond its heading."""
    rest = _STOP.split(description, maxsplit=1)[1]
    return rest[:1].upper() + rest[1:]


def counted(number: int, most: int | None = None) -> str:
    """`1,203`; `more than 1,000` where no more than `most` were counted."""
    return f"more than {most:,}" if most is not None and number > most else f"{number:,}"


def jobs(number: int, most: int | None = None) -> str:
    """`1 job`, `1,203 jobs`."""
    return f"{counted(number, most)} {'job' if number == 1 else 'jobs'}"


def took(seconds: float) -> str:
    """`0.4 s`, `4:51`."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def label(name: str) -> str:
    """A name in code as people read it: `record_id` is `Record id`."""
    return name.replace("_", " ").capitalize()


def is_due_later(job: Job) -> bool:
    """Whether it waits for its time."""
    return job.status == "pending" and job.due_at > datetime.now(UTC) + _AT_ONCE


def facts(document: Any) -> list[tuple[str, str]] | None:
    """A document as names and values; None: it has another form."""
    if not isinstance(document, Mapping) or any(
        isinstance(value, Mapping | list) for value in document.values()
    ):
        return None
    return [(label(name), _said(value)) for name, value in document.items()]


def _said(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case None:
            return "none"
    return str(value)


def timeline(job: Job, attempts: Sequence[Attempt]) -> list[Moment]:
    """What became of a job, from its submission on."""
    return [
        Moment("Asked for", "made", job.created_at),
        *(_ended(attempt) for attempt in attempts),
        *_now(job, attempts),
    ]


def _ended(attempt: Attempt) -> Moment:
    words, look = WORDS[attempt.outcome]
    return Moment(
        words,
        look,
        attempt.started_at,
        (attempt.finished_at - attempt.started_at).total_seconds(),
        attempt.error,
        attempt.attempt,
        attempt.worker_id,
        attempt.run_id,
    )


def _now(job: Job, attempts: Sequence[Attempt]) -> list[Moment]:
    """What is under way or comes next; how it ended, where that was without an attempt."""
    if job.status == "running":
        words, look = WORDS["running"]
        return [Moment(words, look, job.started_at, attempt=job.attempt, run_id=job.run_id)]
    if job.status == "pending":
        again = "To be tried again" if job.attempt else "To begin"
        return [Moment(again, "waiting", job.due_at)]
    if any(attempt.finished_at == job.finished_at for attempt in attempts):
        return []
    words, look = WORDS[job.status]
    return [Moment(words, look, job.finished_at)]
