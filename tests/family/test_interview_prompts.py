"""Questions to ask a family next: a few a week, and none that was asked before."""

import asyncio
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from assets.family.interview_prompts import interview_prompts
from assets.partitions import Calendar
from keepsake.database import connect
from keepsake.family.interview_prompts import EACH_WEEK
from keepsake.family.response import add_family, add_member
from keepsake.settings import load_settings
from resources.database import DatabaseResource
from resources.models import ModelsResource

from .house import House, Storyteller

WEEK = "2026-05-04"
QUESTIONS = [
    "Who taught you to swim, and where was it?",
    "What did your first wage buy?",
    "Which song did your mother sing while she worked?",
]
NOTHING = {"families": 0, "made": 0, "failed": 0, "model calls": 0}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def house(weak_house: House, teller: Storyteller) -> House:
    """A house with one story."""
    teller.will("Questions", {"questions": QUESTIONS})
    tell(weak_house, "Songs in the dark")
    return weak_house


def tell(house: House, title: str, member: str = "Rose") -> None:
    record_id = asyncio.run(house.add(text=title, member=member))
    house.change(
        "INSERT INTO stories (record_id, owner_id, title, summary, text)"
        " SELECT id, owner_id, %s, 'A summary.', 'A text.' FROM records WHERE id = %s",
        title,
        record_id,
    )


def ask(instance: dg.DagsterInstance, week: str = WEEK) -> dg.ExecuteInProcessResult:
    """Materialise a week."""
    settings = load_settings()
    resources = {
        "database": DatabaseResource(settings=settings),
        "models": ModelsResource.of(settings),
        "settings": settings,
    }
    return dg.materialize(
        [interview_prompts(settings, Calendar(settings.first_day))],
        partition_key=week,
        resources=resources,
        instance=instance,
        raise_on_error=False,
    )


def counts(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Some of the numbers of the materialisation."""
    [event] = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    return {name: metadata[name].value for name in ("families", "made", "failed", "model calls")}


def asked(house: House) -> list[str]:
    return [
        row["question"] for row in house.rows("SELECT question FROM interview_prompts ORDER BY id")
    ]


def test_a_family_gets_a_few_questions_for_the_week(
    house: House, instance: dg.DagsterInstance, teller: Storyteller
) -> None:
    result = ask(instance)
    assert result.success
    assert counts(result) == {"families": 1, "made": EACH_WEEK, "failed": 0, "model calls": 2}
    assert asked(house) == QUESTIONS
    [row] = house.rows("SELECT DISTINCT week::text, source, model FROM interview_prompts")
    assert row == {"week": WEEK, "source": "ai", "model": "some-model"}
    assert "Songs in the dark" in teller.prompts[0]


def test_the_same_week_again_asks_no_model(
    house: House, instance: dg.DagsterInstance, teller: Storyteller
) -> None:
    ask(instance)
    before = len(teller.seen)
    assert counts(ask(instance)) == NOTHING
    assert (len(teller.seen), len(asked(house))) == (before, EACH_WEEK)


def test_no_question_comes_twice_nor_in_other_words(
    house: House, instance: dg.DagsterInstance, teller: Storyteller
) -> None:
    ask(instance)
    again = ["who taught you to swim and where was it", "What was it your first wage did buy?"]
    new = ["What did the house you were born in smell of?", "Who was your best friend at school?"]
    more = ["When were you most afraid at sea?"]
    teller.will(
        "Questions",
        {"questions": [f"{again[0]}?", again[1], *new]},
        {"questions": [*new, *more, QUESTIONS[0]]},
    )
    result = ask(instance, "2026-05-11")
    assert result.success
    assert asked(house)[EACH_WEEK:] == [*new, *more]
    assert QUESTIONS[0] in teller.prompts[1]


def test_questions_are_asked_for_in_the_familys_language(
    house: House, instance: dg.DagsterInstance, teller: Storyteller
) -> None:
    house.change("UPDATE families SET language = 'de'")
    assert ask(instance).success
    assert "in the language with the ISO 639 code de" in teller.prompts[0]


def test_what_is_no_question_is_left_out(
    house: House, instance: dg.DagsterInstance, teller: Storyteller
) -> None:
    teller.will("Questions", {"questions": ["Tell me about the war.", *QUESTIONS[:2]]})
    assert ask(instance).success
    assert asked(house) == QUESTIONS[:2]


def test_a_family_that_has_told_nothing_is_asked_nothing(
    weak_house: House, instance: dg.DagsterInstance, teller: Storyteller
) -> None:
    assert counts(ask(instance)) == NOTHING
    assert teller.seen == []


def test_a_family_without_questions_fails_the_week_and_the_others_have_theirs(
    house: House, instance: dg.DagsterInstance, teller: Storyteller
) -> None:
    with connect(house.url) as db:
        second = add_family(db, "Müller")
        add_member(db, second, "Emma")
    other = House(house.settings, house.url, second)
    tell(other, "Bread on Saturdays", "Emma")

    teller.confused_by = "Songs in the dark"
    result = ask(instance)
    assert not result.success
    assert f"1 of 2 families got no questions (ids [{house.family.id}])" in str(
        result.failure_data_for_node("interview_prompts")
    )
    rows = house.rows("SELECT DISTINCT owner_id FROM interview_prompts")
    assert rows == [{"owner_id": second.id}]
    teller.confused_by = None
    assert counts(ask(instance)) == {
        "families": 1,
        "made": EACH_WEEK,
        "failed": 0,
        "model calls": 2,
    }
