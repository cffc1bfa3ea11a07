"""The values that a response shows, from its family's own vocabulary.

A model chooses; what it names in other words is merged into the nearest value by meaning, and what
is near to none is refused and counted, so that tags stay few and mean the same everywhere. Tags
that people set are never touched.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from keepsake.database import AsyncConnection, Connection, hold_records
from keepsake.family.response import Response
from keepsake.family.steps.prompts import RULES, portions, too_short, words_prompt
from keepsake.family.steps.transcripts import Transcript
from keepsake.pipeline.line import Made, Step
from keepsake.pipeline.window import Window
from keepsake.steps.checks import Finding
from keepsake.steps.prompts import nearest, one_of
from keepsake.steps.refusals import save_refusals
from keepsake.steps.tools import Tools

MOST = 4
FEWEST_WORDS = 5  # of a response that can show a value

SYSTEM = (
    "You tag family memories with the values they show. Choose one to three values that the words "
    "clearly show, the clearest first. " + RULES
)


@dataclass(frozen=True)
class ChosenValues:
    """The values of a response, the clearest first, and how many the model offered."""

    values: tuple[str, ...]
    offered: int
    refused: int
    nothing: str | None = None  # why there are none


async def _answer_shape(words: str, vocabulary: Sequence[str], tools: Tools) -> type[BaseModel]:
    """The shape of the answer. A weak model chooses among the few values nearest to the words."""
    if not tools.models.chat.enforces_schema:
        return Values
    value: Any = one_of(await nearest(vocabulary, words, tools))
    return create_model("Values", values=(list[value], Field(min_length=1, max_length=2)))


class Values(BaseModel):
    """The model's answer."""

    values: Annotated[list[str], Field(min_length=1, max_length=MOST)]


async def tag(response: Response, transcript: Transcript, tools: Tools) -> ChosenValues:
    """Choose the values of a response.

    Raises:
        PermanentError: the model's answer did not fit after one repair.
    """
    if nothing := too_short(transcript, "a value", needs=FEWEST_WORDS):
        return ChosenValues((), 0, 0, nothing)
    vocabulary = ", ".join(response.vocabulary)
    offers: Counter[str] = Counter()
    for words in portions(transcript, tools):
        prompt = f"The family's values: {vocabulary}\n\n{words_prompt(response, words)}"
        shape = await _answer_shape(words, response.vocabulary, tools)
        answer = await tools.models.chat.ask(shape, system=SYSTEM, user=prompt, max_tokens=120)
        named: list[str] = answer.values  # type: ignore[attr-defined]
        offers.update(dict.fromkeys((" ".join(name.lower().split()) for name in named), 1))
    chosen: Counter[str] = Counter()
    for name, value in (await _merge(list(offers), response.vocabulary, tools)).items():
        chosen[value] += offers[name]
    values = [value for value, _ in chosen.most_common(MOST)]
    offered, kept = offers.total(), sum(chosen.values())
    nothing = None if values else f"none of {offered} values offered is the family's"
    return ChosenValues(tuple(values), offered, offered - kept, nothing)


async def _merge(names: Sequence[str], vocabulary: Sequence[str], tools: Tools) -> dict[str, str]:
    """Each name's value in the vocabulary; a name that is near to none has none."""
    known = set(vocabulary)
    merged = {name: name for name in names if name in known}
    others = [name for name in names if name and name not in known]
    if not others:
        return merged
    alike = await tools.models.embeddings.similarity(others, vocabulary)
    for name, row in zip(others, alike, strict=True):
        best = int(row.argmax())
        if row[best] >= tools.models.embeddings.about.same_name:
            merged[name] = vocabulary[best]
    return merged


async def save(connection: AsyncConnection, made: Sequence[Made[ChosenValues]]) -> None:
    """Store the model's tags beside those that people set, without those they took off."""
    ids = [each.record_id for each in made]
    await hold_records(connection, ids)
    await connection.execute("DELETE FROM tags WHERE source = 'ai' AND record_id = ANY(%s)", (ids,))
    # A value may have left the vocabulary since it was chosen: then the tag goes with it.
    await connection.cursor().executemany(
        "INSERT INTO tags (record_id, owner_id, value, source)"
        " SELECT %(record)s, owner_id, value, 'ai' FROM vocabulary"
        " WHERE owner_id = %(owner)s AND value = %(value)s AND NOT EXISTS ("
        "SELECT FROM removed_tags WHERE record_id = %(record)s AND tag = %(value)s)"
        " ON CONFLICT (record_id, value) DO NOTHING",
        [
            {"record": record_id, "owner": owner_id, "value": value}
            for record_id, owner_id, chosen in made
            for value in chosen.values
        ],
    )
    await save_refusals(connection, "tags", made)


def tags_in_the_vocabulary(connection: Connection, window: Window) -> Finding:
    """Whether every tag is in its family's vocabulary."""
    rows = connection.execute(
        """
        SELECT t.record_id, v.value IS NOT NULL
        FROM tags t JOIN records r ON r.id = t.record_id
        LEFT JOIN vocabulary v ON v.owner_id = r.owner_id AND v.value = t.value
        WHERE r.line = %s AND r.recorded_at >= %s AND r.recorded_at < %s
        """,
        (window.line, window.start, window.end),
    ).fetchall()
    return Finding(
        checked=len(rows),
        bad=[record_id for record_id, good in rows if not good],
        fault="Tags are outside their family's vocabulary: add the value with `keepsake tag`, or "
        "have them made again.",
    )


TAGS = Step(
    name="tags",
    formerly="value_tags",
    version="2",
    needs=("transcripts",),
    roles=("chat", "embeddings"),
    make=tag,
    save=save,
    nothing=lambda tags: tags.nothing,
)
