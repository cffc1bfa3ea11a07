"""A short poetic letter to the runner about each activity, in plain text.

It speaks of what was measured and of nothing else: every number in it is one of the activity's
facts.
"""

import random
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, create_model

from keepsake.database import AsyncConnection, Connection
from keepsake.pipeline.line import Made, Step
from keepsake.pipeline.window import Window
from keepsake.running.activity import Activity
from keepsake.running.steps.activities import Computed
from keepsake.running.steps.prompts import (
    RULES,
    facts_of,
    given,
    is_plain,
    listed,
    plain_and_grounded,
    ungrounded_records,
)
from keepsake.running.wording import Fact, is_local, part_of_day
from keepsake.steps.checks import Finding
from keepsake.steps.rows import replace_rows
from keepsake.steps.tools import Tools

LONGEST = 1200  # characters

SYSTEM = (
    "You write short letters to a runner, one after each activity. The letter is poetic and warm, "
    "three to six sentences, speaks to the runner as `you`, and turns a few of the facts into "
    "images; it neither lists them all nor gives advice. No greeting, no signature. Name the sport "
    "as the facts do. " + RULES
)

# What a model writes with that is too weak to write freely: a small grammar of images, of which
# each activity gets a few, so that letters differ. The model chooses every word of the line, and
# none of them can be false of any activity.
_SUBJECTS = ("The road", "The wind", "The sky", "Your breath", "Your shadow", "The quiet")
_VERBS = ("held", "carried", "followed", "knew", "kept", "remembered", "waited for")
_OBJECTS = ("you", "your steps", "your patience", "every step")
_LIKE = ("a river", "an old friend", "a song", "a tide", "a lantern", "rain on leaves", "a promise")
_ENDINGS = ("you listened", "you answered", "you gave it back", "you came home lighter")
_DONE = {
    "running": "ran",
    "walking": "walked",
    "hiking": "hiked",
    "cycling": "rode",
    "swimming": "swam",
}


class Letter(BaseModel):
    """The model's answer. Validated with the facts' texts as context."""

    letter: Annotated[
        str, Field(min_length=40, max_length=LONGEST), AfterValidator(plain_and_grounded)
    ]


def line_shape(record_id: int, hour: str | None) -> type[BaseModel]:
    """The shape of a weak model's answer: one line out of the activity's own small grammar.

    Args:
        record_id: of the activity.
        hour: the part of the day, None where the runner's time zone is not known.
    """
    hours = (f"The {hour}",) if hour else ()
    chance = random.Random(record_id)  # noqa: S311  # the same for an activity every time
    subjects, verbs, objects, like, endings = (
        "|".join(chance.sample(words, 3))
        for words in ((*_SUBJECTS, *hours), _VERBS, _OBJECTS, _LIKE, _ENDINGS)
    )
    pattern = (
        rf"^({subjects}) ({verbs}) ({objects}) (like|as surely as) ({like}), and ({endings})\.$"
    )
    return create_model("Line", line=(Annotated[str, Field(pattern=pattern)], ...))


def opening(facts: Sequence[Fact]) -> str:
    """What was done, in one sentence out of the facts."""
    by_name = {fact.name: fact.text for fact in facts}
    sport = by_name.get("sport")
    done = _DONE.get(sport, f"did {sport},") if sport else "went"
    if "distance" not in by_name:
        return f"On {by_name['date']} you {done} for {by_name['moving time']}."
    pace = f", at {by_name['pace']}" if "pace" in by_name else ""
    distance, moving = by_name["distance"], by_name["moving time"]
    return f"On {by_name['date']} you {done} {distance} in {moving}{pace}."


async def write(activity: Activity, computed: Computed, tools: Tools) -> str:
    """Write the letter of an activity.

    Raises:
        PermanentError: the model's answer was not plain, or invented a number, after one repair.
    """
    facts = facts_of(computed)
    ask = tools.models.chat.ask
    if tools.models.chat.enforces_schema:
        shape = line_shape(activity.record_id, _hour(computed))
        line = await ask(shape, system=SYSTEM, user=listed(facts), max_tokens=200)
        return f"{opening(facts)}\n\n{line.line}"  # type: ignore[attr-defined]
    letter = await ask(
        Letter,
        system=SYSTEM,
        user=listed(facts),
        max_tokens=600,
        context=[fact.text for fact in given(facts)],
    )
    return letter.letter


def _hour(computed: Computed) -> str | None:
    if not is_local(computed.zone):
        return None
    return part_of_day(computed.facts.started_at.astimezone(computed.zone))


async def save(connection: AsyncConnection, made: Sequence[Made[str]]) -> None:
    """Store letters."""
    await replace_rows(connection, "letters", made, ("letter",), lambda letter: [(letter,)])


def letters_plain(connection: Connection, window: Window) -> Finding:
    """Whether every letter is plain text."""
    letters = _letters(connection, window)
    return Finding(
        checked=len(letters),
        bad=[record_id for record_id, letter in letters if not is_plain(letter)],
        fault="Letters have Markdown or links in them.",
    )


def letters_grounded(connection: Connection, window: Window) -> Finding:
    """Whether every number in a letter is one of the activity's facts."""
    letters = _letters(connection, window)
    return Finding(
        checked=len(letters),
        bad=ungrounded_records(connection, letters),
        fault="Letters have numbers that are not among the facts, which may have been computed "
        "anew since.",
    )


def _letters(connection: Connection, window: Window) -> list[tuple[int, str]]:
    return connection.execute(
        "SELECT record_id, letter FROM letters JOIN records r ON r.id = record_id"
        " WHERE r.line = %s AND r.recorded_at >= %s AND r.recorded_at < %s ORDER BY record_id",
        (window.line, window.start, window.end),
    ).fetchall()


LETTERS = Step(
    name="letters",
    version="2",
    needs=("activities",),
    roles=("chat",),
    make=write,
    save=save,
)
