"""Search within one family, on a real PostgreSQL with pgvector."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import pytest
from pgvector import HalfVector
from psycopg.sql import SQL, Identifier

from keepsake.database import Connection, connect, open_pool, owner_transaction
from keepsake.family import response as family
from keepsake.search.filters import Filters
from keepsake.search.fusion import find
from keepsake.search.hits import Hit
from keepsake.search.index import EXACT_UP_TO, ensure_vector_index, index_name
from keepsake.search.passages import Meaning
from keepsake.search.words import records_processing
from tests.given import given_record

NORTH, EAST, SOUTH = [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0]
MODEL = "compass"


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


Found = TypeVar("Found")


def run(
    db: Connection,
    of_owner: int,
    search: Callable[..., Awaitable[Found]],
    *given: Any,
    **named: Any,
) -> Found:
    """What a search finds, in a transaction of this owner on the database of `db`."""

    async def found() -> Found:
        async with open_pool(db.info.dsn, size=1) as pool:
            async with owner_transaction(pool, of_owner) as connection:
                result = await search(connection, *given, **named)
            async with pool.connection() as connection:
                await connection.execute("SELECT pg_stat_force_next_flush()")  # for `scans`
            return result

    return asyncio.run(found())


class House:
    """A family with one member and passages, each the only one of its record."""

    def __init__(self, db: Connection, name: str) -> None:
        self.db = db
        self.family = family.add_family(db, name)
        self.member = family.add_member(db, self.family, "Rose")
        self.count = 0

    def say(self, text: str, vector: Sequence[float], *, model: str = MODEL) -> int:
        self.count += 1
        record_id = given_record(
            self.db,
            line=family.LINE,
            owner_id=self.family.id,
            external_id=str(self.count),
            recorded_at=datetime(2026, 11, 1, tzinfo=UTC),
        ).record_id
        self.db.execute(
            "INSERT INTO responses (record_id, owner_id, member_id, text) VALUES (%s, %s, %s, %s)",
            (record_id, self.family.id, self.member, text),
        )
        self.db.execute(
            "INSERT INTO passages (record_id, position, owner_id, text, model, dimensions,"
            " embedding) VALUES (%s, 0, %s, %s, %s, %s, %s::text::halfvec)",
            (record_id, self.family.id, text, model, len(vector), str(list(vector))),
        )
        return record_id

    def search(
        self,
        vector: Sequence[float],
        query: str = "nothing like it",
        *,
        model: str = MODEL,
        floor: float | None = None,
        exact_up_to: int = EXACT_UP_TO,
        filters: Filters | None = None,
    ) -> list[Hit]:
        meaning = Meaning(HalfVector(list(vector)), model, len(vector), floor, exact_up_to)
        return run(
            self.db, self.family.id, find, query, owner_id=self.family.id, meaning=meaning,
            filters=filters,
        )  # fmt: skip

    def by_words(self, query: str, *, filters: Filters | None = None) -> list[Hit]:
        return run(
            self.db, self.family.id, find, query, owner_id=self.family.id, meaning=None,
            filters=filters,
        )  # fmt: skip

    def add(self, text: str) -> int:
        """A response as it comes in: without passages, all its steps due."""
        record_id = self.say(text, NORTH, model="gone")
        self.db.execute("DELETE FROM passages WHERE record_id = %s", (record_id,))
        return record_id


@pytest.fixture
def marlows(db: Connection) -> House:
    return House(db, "The Marlows")


def test_the_nearest_in_meaning_comes_first(marlows: House) -> None:
    away = marlows.say("We sailed south.", SOUTH)
    near = marlows.say("We sailed north.", NORTH)
    assert [hit.record_id for hit in marlows.search(NORTH)] == [near, away]


def test_words_count_beside_meaning(marlows: House) -> None:
    marlows.say("We sailed north.", NORTH)
    named = marlows.say("Joseph built the bench.", [0.6, 0.8, 0.0, 0.0])
    first, second = marlows.search(NORTH, "joseph bench")
    assert first.record_id == named
    assert first.score > second.score


def test_a_hit_tells_who_said_it_and_when(marlows: House) -> None:
    record_id = marlows.say("We sailed north.", NORTH)
    marlows.db.execute(
        "UPDATE passages SET starts_at = 3.5, ends_at = 9 WHERE record_id = %s", (record_id,)
    )
    (hit,) = marlows.search(NORTH)
    assert (hit.by, hit.title, hit.starts_at, hit.ends_at) == ("Rose", None, 3.5, 9.0)
    assert hit.recorded_at == datetime(2026, 11, 1, tzinfo=UTC)


def test_another_familys_passages_are_never_found(db: Connection, marlows: House) -> None:
    other = House(db, "The Others")
    other.say("We sailed north.", NORTH)
    assert marlows.search(NORTH, "sailed north") == []


def test_another_owners_passages_are_not_there_for_a_wrong_question(
    db: Connection, marlows: House
) -> None:
    """Whoever it asks about, a transaction of one owner finds only what is its own."""
    marlows.say("We sailed north.", NORTH)
    other = House(db, "The Others")
    for exact_up_to in (0, EXACT_UP_TO):
        meaning = Meaning(HalfVector(NORTH), MODEL, 4, exact_up_to=exact_up_to)
        found = run(
            db, other.family.id, find, "sailed north", owner_id=marlows.family.id, meaning=meaning
        )
        assert found == []


def test_passages_of_another_model_are_never_compared(marlows: House) -> None:
    old = marlows.say("We sailed north.", NORTH, model="old")
    marlows.say("We sailed north again.", [1.0, 0.0], model=MODEL)
    new = marlows.say("We sailed south.", SOUTH)
    assert [hit.record_id for hit in marlows.search(NORTH)] == [new]
    assert [hit.record_id for hit in marlows.search(NORTH, model="old")] == [old]


def test_passages_of_another_model_are_found_by_their_words(marlows: House) -> None:
    old = marlows.say("We sailed north.", [1.0, 0.0], model="old")
    marlows.say("We baked bread.", NORTH)
    (hit,) = marlows.search(NORTH, "sailed", floor=1.1)
    assert (hit.record_id, hit.similarity) == (old, None)
    assert [hit.text[start:end] for start, end in hit.marks] == ["sailed"]


@pytest.mark.parametrize("query", ["", "'", '"unclosed', "a:* & !(", "100%", "👵🏽", "שלום"])
def test_any_words_may_be_asked(marlows: House, query: str) -> None:
    record_id = marlows.say("We sailed north.", NORTH)
    assert [hit.record_id for hit in marlows.search(NORTH, query)] == [record_id]


def test_a_record_is_one_hit_by_its_best_passage(marlows: House) -> None:
    record_id = marlows.say("We sailed south.", SOUTH)
    other = marlows.say("We sailed east.", EAST)
    marlows.db.execute(
        "INSERT INTO passages (record_id, position, owner_id, text, model, dimensions, embedding)"
        " SELECT record_id, 1, owner_id, 'We sailed north.', model, dimensions, %s::text::halfvec"
        " FROM passages WHERE record_id = %s",
        (str(NORTH), record_id),
    )
    assert [(hit.record_id, hit.text) for hit in marlows.search(NORTH)] == [
        (record_id, "We sailed north."),
        (other, "We sailed east."),
    ]


def test_what_is_below_the_floor_is_no_hit_unless_it_holds_the_words(marlows: House) -> None:
    near = marlows.say("We sailed north.", NORTH)
    marlows.say("We sailed south.", SOUTH)
    named = marlows.say("Joseph built the bench.", SOUTH)
    assert [hit.record_id for hit in marlows.search(NORTH, floor=0.5)] == [near]
    found = {hit.record_id: hit.similarity for hit in marlows.search(NORTH, "bench", floor=0.5)}
    assert found == pytest.approx({near: 1, named: -1}, abs=1e-3)


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("what did JOSEPH build on the bench", ["Joseph", "bench"]),
        ('wood -bench -"the big plank"', ["wood"]),
        ("the or was", []),
        ("Was hat Joseph mit dem Holz gemacht?", ["Joseph"]),
    ],
)
def test_the_telling_words_of_the_query_are_marked(
    marlows: House, query: str, marked: list[str]
) -> None:
    marlows.say("The bench was of wood, and Joseph had made it of the plank.", NORTH)
    (hit,) = marlows.search(NORTH, query) or marlows.search(NORTH)
    assert sorted(hit.text[start:end] for start, end in hit.marks) == sorted(marked)


class TestBeforePassagesAreMade:
    """A record that has just come in."""

    def test_it_counts_as_being_processed(self, db: Connection, marlows: House) -> None:
        record_id = marlows.add("We sailed north.")
        House(db, "The Others").add("We sailed north.")
        assert run(db, marlows.family.id, records_processing, marlows.family.id) == 1
        db.execute("UPDATE ledger SET due_at = NULL WHERE record_id = %s", (record_id,))
        assert run(db, marlows.family.id, records_processing, marlows.family.id) == 0

    def test_its_words_are_found(self, db: Connection, marlows: House) -> None:
        marlows.add("We baked bread.")
        record_id = marlows.add("We waited. " * 100 + "Then we sailed north.")
        House(db, "The Others").add("We sailed north.")
        (hit,) = marlows.by_words("sailed north")
        assert (hit.record_id, hit.by, hit.similarity) == (record_id, "Rose", None)
        assert hit.text.endswith("Then we sailed north.")
        assert len(hit.text) < 600
        assert [hit.text[start:end] for start, end in hit.marks] == ["sailed", "north"]

    def test_a_recording_without_a_transcript_has_no_words(
        self, db: Connection, marlows: House
    ) -> None:
        record_id = marlows.add("")
        db.execute(
            "UPDATE responses SET text = NULL, audio_key = 'a' WHERE record_id = %s", (record_id,)
        )
        assert marlows.by_words("sailed") == []


def test_words_are_found_by_their_index_though_policies_hold(
    db: Connection, marlows: House
) -> None:
    crowd(marlows, 4000)
    vector = (-np.ones(32)).tolist()
    marlows.say("We sailed north.", vector)
    db.execute("VACUUM ANALYZE passages")
    before = scans(db, "passages_search")
    (hit,) = marlows.search(vector, "sailed", floor=0.99)
    assert hit.text == "We sailed north."
    assert scans(db, "passages_search") == before + 1


class TestTheVectorIndex:
    """One partial index a model."""

    def test_is_made_once(self, db: Connection) -> None:
        first = ensure_vector_index(db, "text-embedding-3-small", 1536)
        assert ensure_vector_index(db, "text-embedding-3-small", 1536) == first
        assert indexes(db) == [first]

    def test_is_one_for_each_model_and_length(self, db: Connection) -> None:
        names = {
            ensure_vector_index(db, model, dimensions)
            for model, dimensions in [("a", 4), ("a", 8), ("b's 100%", 4)]
        }
        assert sorted(names) == indexes(db)

    def test_a_broken_one_is_made_anew(self, db: Connection) -> None:
        name = ensure_vector_index(db, MODEL, 4)
        db.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", (name,)
        )
        ensure_vector_index(db, MODEL, 4)
        assert db.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (name,)
        ).fetchone() == (True,)

    def test_is_what_a_search_among_thousands_reads(self, db: Connection, marlows: House) -> None:
        crowd(marlows, 4000)
        name = ensure_vector_index(db, MODEL, 32)
        db.execute("ANALYZE passages")
        assert scans(db, name) == 0
        marlows.search(np.ones(32).tolist())
        assert scans(db, name) == 0
        marlows.search(np.ones(32).tolist(), exact_up_to=3999)
        assert scans(db, name) == 1

    def test_gives_a_small_family_all_its_passages(self, db: Connection, marlows: House) -> None:
        crowd(House(db, "The Crowd"), 60)  # the index looks at 40 at first
        mine = {marlows.say(f"Passage {i}", (np.ones(32) * -i).tolist()) for i in range(1, 5)}
        ensure_vector_index(db, MODEL, 32)
        db.execute("ANALYZE passages")
        # With so few the planner would sort instead.
        db.execute(
            SQL("ALTER DATABASE {} SET enable_sort = off").format(Identifier(db.info.dbname))
        )
        found = marlows.search(np.ones(32).tolist(), exact_up_to=0)
        assert {hit.record_id for hit in found} == mine
        assert scans(db, index_name(MODEL, 32)) == 1


def crowd(house: House, passages: int) -> None:
    """Give one record of `house` thousands of passages with random vectors."""
    record_id = house.say("The first.", NORTH, model="none")
    numbers = np.random.default_rng(0).normal(size=(passages, 32)).round(3)
    with house.db.cursor() as cursor, cursor.copy(
        "COPY passages (record_id, position, owner_id, text, model, dimensions, embedding)"
        " FROM STDIN"
    ) as copy:  # fmt: skip
        for position, vector in enumerate(numbers.tolist(), start=1):
            copy.write_row(
                (record_id, position, house.family.id, "One of many.", MODEL, 32, str(vector))
            )


def indexes(db: Connection) -> list[str]:
    rows = db.execute(
        "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'passages_vectors%' ORDER BY 1"
    ).fetchall()
    return [row[0] for row in rows]


def scans(db: Connection, index: str) -> int:
    """How often the index was read."""
    db.execute("SELECT pg_stat_force_next_flush()")
    row = db.execute(
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s", (index,)
    ).fetchone()
    assert row is not None
    return int(row[0])
