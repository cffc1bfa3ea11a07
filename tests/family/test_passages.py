"""Passages: the whole transcript, cut for search by meaning, with its times and its vectors."""

from collections.abc import Callable

import pytest

from keepsake.database import connect
from keepsake.settings.embedding_models import USE
from keepsake.steps.passages import vectors_of_the_declared_size
from keepsake.text.spans import text_key, word_count
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import Double

from .conftest import Told
from .house import DAY, House


def test_passages_hold_the_whole_transcript_in_order(told: Told) -> None:
    for record_id in (told.spoken, told.written):
        text = told.house.of("transcripts", record_id)[0]["text"]
        passages = told.house.of("passages", record_id)
        assert text_key(" ".join(row["text"] for row in passages)) == text_key(text)
        assert [row["position"] for row in passages] == list(range(len(passages)))


def test_a_spoken_passage_knows_when_it_is_said_and_a_written_one_does_not(told: Told) -> None:
    words = told.house.of("transcripts", told.spoken)[0]["words"]
    [passage] = told.house.of("passages", told.spoken)
    assert passage["starts_at"] == pytest.approx(words[0][1])
    assert passage["ends_at"] == pytest.approx(words[-1][2])
    [passage] = told.house.of("passages", told.written)
    assert (passage["starts_at"], passage["ends_at"]) == (None, None)


def test_a_passage_says_which_model_embedded_it(told: Told) -> None:
    rows = told.house.rows(
        "SELECT model, dimensions, vector_dims(embedding) AS length, owner_id FROM passages"
    )
    assert rows == 2 * [
        {"model": USE, "dimensions": 512, "length": 512,
         "owner_id": told.house.family.id}
    ]  # fmt: skip


async def test_a_long_text_is_cut_into_passages_of_about_80_words(house: House) -> None:
    text = " ".join(f"On day {day} we baked bread and sang a song together." for day in range(90))
    record_id = await house.add(text=text)
    await house.run("transcripts", "embeddings")
    passages = [row["text"] for row in house.of("passages", record_id)]
    assert " ".join(passages) == text
    assert all(80 <= word_count(passage) <= 90 for passage in passages[:-1])
    assert house.ledger(record_id)["embeddings"]["calls"] == 1  # in one batch


async def test_what_means_the_same_is_near(house: House) -> None:
    for text in (
        "We were frightened in the dark woods.",
        "I was scared at night in the forest.",
        "My grandmother baked bread every Saturday.",
        "He bought a red car and drove to work.",
    ):
        await house.add(text=text)
    await house.run("transcripts", "embeddings")
    nearest = house.rows(
        "SELECT text FROM passages ORDER BY embedding <=>"
        " (SELECT embedding FROM passages WHERE text LIKE '%%scared%%') LIMIT 2 OFFSET 1"
    )
    assert "frightened" in nearest[0]["text"]


async def test_another_model_takes_the_place_of_the_first(
    house: House, serve: Callable[[Double], str]
) -> None:
    record_id = await house.add(text="We baked bread.")
    await house.run("transcripts", "embeddings")
    with house.under(
        EMBEDDINGS_BASE_URL=serve(OpenAI()),
        EMBEDDINGS_MODEL="some-model",
        EMBEDDINGS_API_KEY="k-test",
        EMBEDDINGS_DIMENSIONS="4",
    ) as changed:
        report = await changed.run("transcripts", "embeddings")
    assert (report.steps["transcripts"].up_to_date, report.steps["embeddings"].made) == (1, 1)
    [passage] = house.of("passages", record_id)
    assert (passage["model"], passage["dimensions"]) == ("some-model", 4)


async def test_an_endpoint_with_vectors_of_another_length_is_stopped_not_the_record(
    house: House, serve: Callable[[Double], str]
) -> None:
    with house.under(
        EMBEDDINGS_BASE_URL=serve(OpenAI()),
        EMBEDDINGS_MODEL="some-model",
        EMBEDDINGS_API_KEY="k-test",
        EMBEDDINGS_DIMENSIONS="8",
    ) as changed:
        record_id = await changed.add(text="We baked bread.")
        await changed.run("transcripts", "embeddings")
    row = house.ledger(record_id)["embeddings"]
    assert (row["status"], row["attempts"]) == ("pending", 0)
    assert "vectors of 4 numbers, not 8: set EMBEDDINGS_DIMENSIONS" in row["error_message"]


async def test_the_check_finds_a_vector_that_is_no_vector(house: House) -> None:
    record_id = await house.add(text="We baked bread.")
    await house.run("transcripts", "embeddings")
    with connect(house.url) as db:
        finding = vectors_of_the_declared_size(db, DAY)
        assert (finding.checked, list(finding.bad)) == (1, [])
        db.execute("UPDATE passages SET embedding = array_fill(0, '{512}')::halfvec")
        assert list(vectors_of_the_declared_size(db, DAY).bad) == [record_id]
