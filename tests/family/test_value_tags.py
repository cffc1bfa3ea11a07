"""Value tags: few, from the family's own words, and what people said is never overruled."""

import pytest

from keepsake.database import connect
from keepsake.family.response import DEFAULT_VALUES, tag
from keepsake.family.steps.tags import MOST, tags_in_the_vocabulary

from .conftest import Told
from .house import DAY, House, Storyteller

TEXT = "I was afraid in the dark, so I sang every song I knew, and I kept walking."


async def tags(house: House, record_id: int) -> dict[str, str]:
    """Value and source of each tag, after a run."""
    await house.run("transcripts", "tags", redo=True)
    return {row["value"]: row["source"] for row in house.of("tags", record_id)}


def test_the_embedded_model_stays_within_the_vocabulary(told: Told) -> None:
    for record_id in (told.spoken, told.written):
        values = [row["value"] for row in told.house.of("tags", record_id)]
        assert 1 <= len(values) <= MOST
        assert set(values) <= set(DEFAULT_VALUES)


async def test_the_model_sees_the_familys_own_values(
    weak_house: House, teller: Storyteller
) -> None:
    weak_house.change("INSERT INTO vocabulary (owner_id, value) VALUES (1, 'singing')")
    teller.will("Values", {"values": ["Singing", "courage"]})
    record_id = await weak_house.add(text=TEXT)
    assert await tags(weak_house, record_id) == {"courage": "ai", "singing": "ai"}
    assert "singing" in teller.prompts[0]


async def test_other_words_for_a_value_are_merged_into_it(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["COURAGEOUS", " hardworking", "courage", "gratefulness"]})
    record_id = await weak_house.add(text=TEXT)
    assert set(await tags(weak_house, record_id)) == {"courage", "gratitude", "hard work"}
    assert weak_house.of("refusals", record_id)[0]["refused"] == 0


async def test_what_is_near_to_no_value_is_refused_and_counted(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["quantum physics", "hope", "", "🍞"]})
    record_id = await weak_house.add(text=TEXT)
    assert await tags(weak_house, record_id) == {"hope": "ai"}
    [refusals] = weak_house.of("refusals", record_id)
    assert (refusals["step"], refusals["offered"], refusals["refused"]) == ("tags", 4, 3)
    assert weak_house.rows("SELECT count(*) FROM vocabulary")[0]["count"] == len(DEFAULT_VALUES)


async def test_tags_of_people_survive_whatever_the_model_says(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["hope", "courage"]}, {"values": ["faith"]})
    record_id = await weak_house.add(text=TEXT)
    assert await tags(weak_house, record_id) == {"hope": "ai", "courage": "ai"}
    with connect(weak_house.url) as db:
        tag(db, 1, record_id, "Night walks")  # a value of their own
        tag(db, 1, record_id, "courage")  # they agree with the model
    assert await tags(weak_house, record_id) == {
        "faith": "ai",
        "courage": "human",
        "night walks": "human",
    }


async def test_a_value_that_left_the_vocabulary_is_no_longer_given(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["hope", "faith"]})
    record_id = await weak_house.add(text=TEXT)
    weak_house.change("DELETE FROM vocabulary WHERE value = 'faith'")
    assert await tags(weak_house, record_id) == {"hope": "ai"}


async def test_a_long_text_is_tagged_by_all_of_its_parts(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["hope"]}, {"values": ["faith", "hope"]}, {"values": ["hope"]})
    with weak_house.under(CHAT_CONTEXT_WORDS="200") as house:
        record_id = await house.add(text=f"{TEXT} " * 35)
        assert await tags(house, record_id) == {"hope": "ai", "faith": "ai"}
    assert len(teller.prompts) == 4
    assert weak_house.of("refusals", record_id)[0]["refused"] == 0


@pytest.mark.parametrize(
    "answer", ["I cannot do that.", '{"values": []}', '{"tags": ["hope"]}', '{"values": "hope"}']
)
async def test_a_model_that_answers_nonsense_twice_fails_that_step_of_that_record(
    weak_house: House, teller: Storyteller, answer: str
) -> None:
    teller.will("Values", answer, answer, {"values": ["hope"]})
    newer = await weak_house.add(text=TEXT)
    await weak_house.run("transcripts", "tags")
    kind, message = weak_house.error(newer, "tags")
    assert kind == "UnfitAnswer"
    assert message.startswith("answer did not fit the schema after one repair: ")
    assert len(teller.prompts) == 2
    assert "could not be used" in teller.prompts[1]
    other = await weak_house.add(text="We baked bread every Saturday.")
    await weak_house.run("transcripts", "tags", mode="due")
    assert weak_house.of("tags", other)
    assert weak_house.ledger(newer)["tags"]["status"] == "failed"


async def test_an_answer_that_is_repaired_counts(weak_house: House, teller: Storyteller) -> None:
    teller.will("Values", "<think>{hope?}</think> hope", '```json\n{"values": ["hope"]}\n```')
    record_id = await weak_house.add(text=TEXT)
    assert await tags(weak_house, record_id) == {"hope": "ai"}
    assert weak_house.ledger(record_id)["tags"]["calls"] == 2


async def test_the_check_finds_a_tag_outside_the_vocabulary(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["hope"]})
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run("transcripts", "tags")
    with connect(weak_house.url) as db:
        assert tags_in_the_vocabulary(db, DAY).checked == 1
        db.execute("SET session_replication_role = replica")  # past the foreign key
        db.execute("UPDATE tags SET value = 'gluttony'")
        assert list(tags_in_the_vocabulary(db, DAY).bad) == [record_id]
