"""What is told: the types of events, and what each says. Ids, counts and states, never content."""

from collections.abc import Sequence
from typing import Literal, get_args

from keepsake.errors import InvalidInput

Event = Literal[
    "record.added",
    "record.completed",
    "record.failed",
    "record.deleted",
    "batch.completed",
    "story.approved",
    "story.hidden",
    "episode.published",
    "job.started",
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "alert.firing",
    "alert.resolved",
    "webhook.disabled",
    "webhook.ping",
]

PING: Event = "webhook.ping"
EVENTS: tuple[Event, ...] = get_args(Event)


def check_events(events: Sequence[str]) -> list[str]:
    """Types of events, each once; none means all of them.

    Raises:
        InvalidInput: there is no such type.
    """
    for event in events:
        if event not in EVENTS:
            raise InvalidInput(
                f"there is no event {event[:100]!r}: choose some of {', '.join(EVENTS)}, or none "
                "to get all of them"
            )
    return sorted(set(events))
