"""Search after the embeddings model has changed: by words, what was embedded before is found."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from keepsake.database import Connection, connect
from keepsake.family import response as family
from keepsake.search.hits import Hit
from keepsake.search.words import search_other_models
from tests.given import given_record
from tests.test_search import run


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def kept(db: Connection, owner_id: int, name: str, *texts: str, model: str, length: int) -> int:
    """A record with a passage for each text."""
    record_id = given_record(
        db,
        line=family.LINE,
        owner_id=owner_id,
        external_id=name,
        recorded_at=datetime(2026, 11, 1, tzinfo=UTC),
    ).record_id
    for position, text in enumerate(texts):
        db.execute(
            "INSERT INTO passages (record_id, position, owner_id, text, model, dimensions,"
            " embedding) VALUES (%s, %s, %s, %s, %s, %s, %s::text::halfvec)",
            (record_id, position, owner_id, text, model, length, str([1.0] * length)),
        )
    return record_id


def found(db: Connection, owner_id: int, query: str, *, limit: int = 5) -> list[Hit]:
    """What is found of all models but the one in force."""
    return run(db, owner_id, search_other_models, query, model="new", dimensions=4, limit=limit)


def test_passages_of_other_models_are_found_by_their_words(db: Connection) -> None:
    marlows, others = (family.add_family(db, name).id for name in ("The Marlows", "The Others"))
    old = kept(
        db, marlows, "a", "We waited.", "We sailed north.", "North we sailed, north.",
        model="old", length=8,
    )  # fmt: skip
    longer = kept(db, marlows, "b", "We sailed.", "So north.", model="new", length=8)
    kept(db, marlows, "c", "We sailed north.", model="new", length=4)  # `search` finds it
    kept(db, others, "d", "We sailed north.", model="old", length=8)

    (hit,) = found(db, marlows, "sailed north")
    assert (hit.record_id, hit.similarity) == (old, None)
    assert [hit.text[start:end].lower() for start, end in hit.marks][:1] in (["sailed"], ["north"])
    assert {hit.record_id for hit in found(db, marlows, "sailed")} == {old, longer}
    assert len(found(db, marlows, "sailed", limit=1)) == 1
    assert found(db, marlows, "zzzzqqq") == []
