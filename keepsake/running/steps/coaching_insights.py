"""What a coach says after each activity: about the heart rate, the pacing, and what to do next.

It rests on the activity's facts, and has no number that is not one of them. Without a heart rate
in the file there is nothing to say about it, and no model is asked to.
"""

import random
from collections.abc import Sequence
from dataclasses import astuple, dataclass
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
    listed,
    plain_and_grounded,
    stated,
    ungrounded_records,
)
from keepsake.steps.checks import Finding
from keepsake.steps.prompts import one_of
from keepsake.steps.rows import columns_of, replace_rows
from keepsake.steps.tools import Tools

SYSTEM = (
    "You are a running coach who looks at one activity of a runner, and speaks to the runner as "
    "`you`. Say in one to three sentences each what the heart rate shows, what the pacing shows, "
    "and one thing to do in the next activities. Rest every statement on the facts; where they "
    "do not show something, say that they do not. No medical advice. " + RULES
)
NO_HEART_RATE = "This activity was recorded without a heart rate: it shows nothing of yours."
NO_PACING = "This activity is too short to show how it was paced."
# The names of facts that say something of each.
HEART_RATE = {"average heart rate", "highest heart rate", "heart rate zones", "heart rate drift"}
PACING = {"pace", "pauses", "fastest kilometre", "slowest kilometre"}

# What a model chooses among that is too weak to advise: true of every activity.
ADVICE = (
    "Keep the next activity easy enough to talk, so that this one can settle.",
    "Begin the next activity a little slower than feels right, and end it a little faster.",
    "Take the same route again soon at an easy effort, and compare how it feels.",
    "Add a few relaxed strides to the end of your next easy day.",
    "Let a rest day follow, and sleep well: that is when the legs grow stronger.",
)
Words = Annotated[str, Field(min_length=10, max_length=700), AfterValidator(plain_and_grounded)]


@dataclass(frozen=True)
class Insight:
    """A coaching insight, in three short texts."""

    heart_rate: str
    pacing: str
    recommendation: str


class WithoutHeartRate(BaseModel):
    """The model's answer. Validated with the facts' texts as context."""

    pacing: Words
    recommendation: Words


class WithHeartRate(WithoutHeartRate):
    """The model's answer about an activity with a heart rate."""

    heart_rate: Words


def advice_shape(record_id: int) -> type[BaseModel]:
    """The shape of a weak model's answer: one of two recommendations, others for each activity."""
    chance = random.Random(record_id)  # noqa: S311  # the same for an activity every time
    return create_model("Advice", recommendation=(one_of(chance.sample(ADVICE, 2)), ...))


async def advise(activity: Activity, computed: Computed, tools: Tools) -> Insight:
    """Say what a coach would say about an activity.

    Raises:
        PermanentError: the model's answer was not plain, or invented a number, after one repair.
    """
    facts = facts_of(computed)
    beats = computed.facts.heart_rate is not None
    ask = tools.models.chat.ask
    if tools.models.chat.enforces_schema:
        shape = advice_shape(activity.record_id)
        chosen = await ask(shape, system=SYSTEM, user=listed(facts), max_tokens=200)
        return Insight(
            heart_rate=stated(facts, HEART_RATE) if beats else NO_HEART_RATE,
            pacing=stated(facts, PACING) or NO_PACING,
            recommendation=chosen.recommendation,  # type: ignore[attr-defined]
        )
    answer = await ask(
        WithHeartRate if beats else WithoutHeartRate,
        system=SYSTEM,
        user=listed(facts),
        max_tokens=900,
        context=[fact.text for fact in given(facts)],
    )
    heart_rate = answer.heart_rate if isinstance(answer, WithHeartRate) else NO_HEART_RATE
    return Insight(heart_rate, answer.pacing, answer.recommendation)


async def save(connection: AsyncConnection, made: Sequence[Made[Insight]]) -> None:
    """Store insights."""
    await replace_rows(
        connection,
        "coaching_insights",
        made,
        columns_of(Insight),
        lambda insight: [astuple(insight)],
    )


def insights_grounded(connection: Connection, window: Window) -> Finding:
    """Whether every number in an insight is one of the activity's facts."""
    texts = connection.execute(
        "SELECT record_id, concat_ws(E'\\n', heart_rate, pacing, recommendation)"
        " FROM coaching_insights JOIN records r ON r.id = record_id"
        " WHERE r.line = %s AND r.recorded_at >= %s AND r.recorded_at < %s ORDER BY record_id",
        (window.line, window.start, window.end),
    ).fetchall()
    return Finding(
        checked=len(texts),
        bad=ungrounded_records(connection, texts),
        fault="Insights have numbers that are not among the facts, which may have been computed "
        "anew since.",
    )


COACHING_INSIGHTS = Step(
    name="coaching_insights",
    version="2",
    needs=("activities",),
    roles=("chat",),
    make=advise,
    save=save,
)
