"""How far a response is on its way to a story, as its page says it."""

from collections.abc import Sequence
from dataclasses import dataclass

from keepsake.database import Connection
from keepsake.pipeline.ledger.states import record_steps

# In the order in which people see them.
_SAID = {
    "transcripts": "The words are written down",
    "stories": "The story gets its title",
    "quotes": "Sentences worth quoting are found",
    "wisdom": "Advice is gathered",
    "tags": "It is sorted by what it is about",
    "embeddings": "It can be found",
    "podcasts": "The episode is produced",
}


@dataclass(frozen=True)
class Stage:
    """A step in plain words, and how it is: `done`, `now`, `next` or `failed`."""

    words: str
    state: str


@dataclass(frozen=True)
class Progress:
    """All steps, and whether there is a story already."""

    stages: Sequence[Stage]
    told: bool

    @property
    def open(self) -> bool:
        """Whether more is to come."""
        return any(stage.state in ("now", "next") for stage in self.stages)

    @property
    def failed(self) -> bool:
        """Whether something will not come by itself."""
        return any(stage.state == "failed" for stage in self.stages)


def progress_of(connection: Connection, owner_id: int, record_id: int) -> Progress | None:
    """How far a response of an owner is; None: there is no such response."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM stories s WHERE s.record_id = r.record_id) FROM responses r"
        " WHERE r.record_id = %s AND r.owner_id = %s",
        (record_id, owner_id),
    ).fetchone()
    if row is None:
        return None
    steps = {row["step"]: row for row in record_steps(connection, owner_id, record_id)}
    return Progress(
        [
            Stage(words, _state(steps[step]["status"], steps[step]["due_at"] is not None))
            for step, words in _SAID.items()
            if step in steps and not steps[step]["hold_reason"]
        ],
        told=row[0],
    )


def _state(status: str, due: bool) -> str:
    if status == "running":
        return "now"
    if status == "succeeded":
        return "next" if due else "done"
    return "failed" if status == "failed" else "next"
