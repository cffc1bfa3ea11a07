"""Search by words in what was made of records, and the filters of a search."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pytest

from keepsake.clients.models import open_models
from keepsake.database import Connection, Pool, connect
from keepsake.errors import InvalidInput
from keepsake.family import response as family
from keepsake.search.filters import Filters, kinds
from keepsake.search.index import ensure_vector_index, index_name
from keepsake.search.search import Answer, search
from keepsake.settings import ModelSettings
from tests.given import given_record, in_pool
from tests.test_search import EAST, MODEL, NORTH, SOUTH, House, scans


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


@pytest.fixture
def marlows(db: Connection) -> House:
    return House(db, "The Marlows")


def insert(db: Connection, table: str, record_id: int, **values: object) -> None:
    """A row of a record, as a step stores it."""
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    db.execute(
        f"INSERT INTO {table} (record_id, owner_id, {names})"
        f" SELECT id, owner_id, {places} FROM records WHERE id = %s",
        (*values.values(), record_id),
    )


def given(db: Connection, owner_id: int, line: str) -> int:
    return given_record(db, line=line, owner_id=owner_id, external_id=line).record_id


# -- texts --------------------------------------------------------------------------------------


def test_a_word_of_any_text_finds_its_record_and_says_of_which_kind_it_is(
    db: Connection, marlows: House
) -> None:
    said, owner = marlows.say("We sailed north.", NORTH), marlows.family.id
    saved, run = given(db, owner, "bookmarks"), given(db, owner, "running")
    insert(db, "stories", said, title="Wtitle", summary="Wsummary", text="Wtext")
    insert(db, "quotes", said, position=0, text="I said wquote.", starts_at=34, ends_at=36)
    insert(
        db, "wisdom", said, position=0, advice="Be wwise.", audience="all", life_area="work",
        support="", starts_at=42, ends_at=44,
    )  # fmt: skip
    family.tag(db, owner, said, "wvalue")
    insert(db, "bookmarks", saved, url="https://wsite.example/wpath", title="Wgiven")
    insert(db, "pages", saved, url="", text="", words=0, title="Wpage", site="Wcafe")
    insert(db, "summaries", saved, summary="It says wbrief.")
    insert(db, "keywords", saved, keyword="wkey", source="ai")
    insert(db, "activity_files", run, file_key="", file_name="wride.fit", format="fit", sha256="")
    insert(db, "letters", run, letter="Dear wrunner.")
    insert(db, "coaching_insights", run, heart_rate="Wpulse", pacing="Wpace", recommendation="Wrec")
    expected = {
        "wtitle": (said, "story"), "wsummary": (said, "story"), "wtext": (said, "story"),
        "wquote": (said, "quote"), "wwise": (said, "wisdom"), "wvalue": (said, "tag"),
        "wpath": (saved, "page"), "wgiven": (saved, "page"), "wcafe": (saved, "page"),
        "wbrief": (saved, "summary"), "wkey": (saved, "tag"),
        "wride": (run, "activity"), "wrunner": (run, "letter"), "wrec": (run, "insight"),
    }  # fmt: skip
    found = {query: marlows.by_words(query) for query in expected}
    assert {
        query: (hit.record_id, hit.kind) for query, hits in found.items() for hit in hits
    } == expected
    assert all(hit.marks for hits in found.values() for hit in hits)
    assert (found["wquote"][0].starts_at, found["wwise"][0].starts_at) == (34, 42)
    assert set(kinds()) == {"passage", *(kind for _, kind in expected.values())}


def test_another_owners_texts_are_never_found(db: Connection, marlows: House) -> None:
    other = House(db, "The Others")
    insert(db, "stories", other.say("Hello.", NORTH), title="Boat", summary="", text="")
    assert marlows.by_words("boat") == []
    assert len(other.by_words("boat")) == 1


def test_a_record_counts_by_its_best_text_of_each_list(db: Connection, marlows: House) -> None:
    marlows.say("We rowed home by night, in the boat of old, all of us.", NORTH)
    both = marlows.say("A boat by night.", EAST)
    insert(db, "stories", both, title="The Night Boat", summary="", text="")
    db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
    (first, second) = marlows.by_words("night boat")
    assert (first.record_id, first.title) == (both, "The Night Boat")
    assert first.score == pytest.approx(1 / 61 + 1 / 61)
    assert second.score == pytest.approx(1 / 62)


def test_of_a_long_text_the_stretch_with_most_of_the_words_is_shown(
    db: Connection, marlows: House
) -> None:
    text = "A boat was built. " + "We waited. " * 60 + "Then the boat sailed at night."
    insert(db, "stories", marlows.say("Hello.", NORTH), title="", summary="", text=text)
    (hit,) = marlows.by_words("boat night")
    assert hit.text.endswith("Then the boat sailed at night.")
    assert len(hit.text) < 900
    assert [hit.text[start:end] for start, end in hit.marks] == ["boat", "night"]


def test_words_of_texts_are_found_by_an_index_though_policies_hold(
    db: Connection, marlows: House
) -> None:
    record_id = marlows.say("Hello.", NORTH)
    db.execute(
        "INSERT INTO quotes (record_id, owner_id, position, text)"
        " SELECT %s, %s, n, 'Number ' || n || ' of many' FROM generate_series(1, 5000) AS n",
        (record_id, marlows.family.id),
    )
    db.execute("VACUUM ANALYZE quotes")
    before = scans(db, "quotes_search")
    (hit,) = marlows.by_words("4711")
    assert hit.text == "Number 4711 of many"
    assert scans(db, "quotes_search") == before + 1


def test_few_texts_among_many_of_others_are_found_by_their_owner(
    db: Connection, marlows: House
) -> None:
    other = House(db, "The Others")
    db.execute(
        "INSERT INTO quotes (record_id, owner_id, position, text)"
        " SELECT %s, %s, n, 'The same word' FROM generate_series(1, 5000) AS n",
        (other.say("Hello.", NORTH), other.family.id),
    )
    insert(db, "quotes", marlows.say("Hello.", NORTH), position=0, text="The word")
    db.execute("VACUUM ANALYZE quotes")
    before = scans(db, "quotes_of_owner")
    assert [hit.text for hit in marlows.by_words("word")] == ["The word"]
    assert scans(db, "quotes_of_owner") == before + 1


# -- filters ------------------------------------------------------------------------------------


@pytest.fixture
def kept(db: Connection, marlows: House) -> dict[str, int]:
    """Three records with the same words: two of the family, a year apart, and a page."""
    ids = {"spring": marlows.say("We sailed.", NORTH), "saved": marlows.say("We sailed.", SOUTH)}
    marlows.member = family.add_member(db, marlows.family, "Ellen")
    ids["winter"] = marlows.say("We sailed.", EAST)
    db.execute(
        "UPDATE records SET recorded_at = '2025-04-30 23:59+00' WHERE id = %s", (ids["spring"],)
    )
    db.execute("UPDATE records SET line = 'bookmarks' WHERE id = %s", (ids["saved"],))
    db.execute("DELETE FROM responses WHERE record_id = %s", (ids["saved"],))
    insert(db, "pages", ids["saved"], url="", text="", words=0, site="Tides")
    insert(db, "keywords", ids["saved"], keyword="Sea", source="human")
    family.tag(db, marlows.family.id, ids["winter"], "sea")
    return ids


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), {"spring", "winter", "saved"}),
        (Filters(line="family"), {"spring", "winter"}),
        (Filters(person="rose"), {"spring"}),
        (Filters(person="ELLEN"), {"winter"}),
        (Filters(person="Tides"), {"saved"}),
        (Filters(person="Nobody"), set()),
        (Filters(tag="SEA"), {"winter", "saved"}),
        (Filters(tag="sea", line="bookmarks"), {"saved"}),
        (Filters(tag="sea", person="Ellen"), {"winter"}),
        (Filters(until=date(2025, 4, 30)), {"spring"}),
        (Filters(since=date(2025, 5, 1)), {"winter", "saved"}),
        (Filters(since=date(2025, 5, 1), line="family"), {"winter"}),
        (Filters(kind="passage"), {"spring", "winter", "saved"}),
        (Filters(kind="story"), set()),
    ],
    ids=lambda value: str(value if isinstance(value, Filters) else sorted(value)),
)
def test_filters_hold_by_meaning_and_by_words(
    marlows: House, kept: dict[str, int], filters: Filters, expected: set[str]
) -> None:
    wanted = {kept[name] for name in expected}
    assert {hit.record_id for hit in marlows.by_words("sailed", filters=filters)} == wanted
    assert {hit.record_id for hit in marlows.search(NORTH, filters=filters)} == wanted
    indexed = marlows.search(NORTH, filters=filters, exact_up_to=0)
    assert {hit.record_id for hit in indexed} == wanted


def test_filters_hold_for_a_record_without_passages(marlows: House) -> None:
    record_id = marlows.add("We sailed north.")
    (hit,) = marlows.by_words("sailed", filters=Filters(line="family", person="Rose"))
    assert (hit.record_id, hit.kind) == (record_id, "passage")
    assert marlows.by_words("sailed", filters=Filters(line="bookmarks")) == []
    assert marlows.by_words("sailed", filters=Filters(tag="sea")) == []


def test_a_kind_of_text_is_found_alone(db: Connection, marlows: House) -> None:
    record_id = marlows.say("We sailed.", NORTH)
    insert(db, "stories", record_id, title="We sailed", summary="", text="")
    insert(db, "quotes", record_id, position=0, text="We sailed.")
    for kind in ("passage", "story", "quote"):
        (hit,) = marlows.by_words("sailed", filters=Filters(kind=kind))
        assert hit.kind == kind


def test_the_vector_index_goes_on_until_enough_pass_the_filter(
    db: Connection, marlows: House
) -> None:
    """The nearest 60 are of another line; the index looks at 40 at first."""
    for number in range(60):
        near = marlows.say(f"Near {number}", (np.ones(32) + 0.001 * number).tolist())
        db.execute("UPDATE records SET line = 'bookmarks' WHERE id = %s", (near,))
    mine = {marlows.say(f"Far {n}", (np.ones(32) * -n).tolist()) for n in range(1, 5)}
    ensure_vector_index(db, MODEL, 32)
    db.execute("ANALYZE")
    db.execute(f"ALTER DATABASE {db.info.dbname} SET enable_sort = off")
    found = marlows.search(np.ones(32).tolist(), filters=Filters(line="family"), exact_up_to=0)
    assert {hit.record_id for hit in found} == mine
    assert scans(db, index_name(MODEL, 32)) == 1


def test_many_matches_that_do_not_pass_leave_room_for_those_that_do(
    db: Connection, marlows: House
) -> None:
    many = marlows.say("Hello.", NORTH)
    db.execute(
        "INSERT INTO quotes (record_id, owner_id, position, text)"
        " SELECT %s, %s, n, 'We sailed' FROM generate_series(1, 2500) AS n",
        (many, marlows.family.id),
    )
    late = marlows.say("Hello.", NORTH)
    insert(db, "quotes", late, position=0, text="We sailed")
    family.tag(db, marlows.family.id, late, "sea")
    (hit,) = marlows.by_words("sailed", filters=Filters(tag="sea"))
    assert hit.record_id == late


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"line": "letters"}, "line letters is not registered"),
        ({"kind": "song"}, "no kind 'song' .kinds: passage, story"),
        ({"since": date(2026, 1, 2), "until": date(2026, 1, 1)}, "no day is from 2026-01-02"),
    ],
)
def test_filters_that_nothing_can_pass_are_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        Filters(**given)  # type: ignore[arg-type]


# -- without a model ----------------------------------------------------------------------------


def test_without_an_embeddings_endpoint_words_are_found_and_it_is_said(
    db: Connection, database_url: str, marlows: House
) -> None:
    marlows.say("We sailed north.", NORTH)
    settings = ModelSettings.model_validate(
        {"embeddings_base_url": "http://127.0.0.1:9/v1", "embeddings_model": MODEL}
    )

    async def ask(pool: Pool) -> Answer:
        async with open_models(settings) as models:
            return await search(pool, models.embeddings, "sailed", owner_id=marlows.family.id)

    answer = in_pool(database_url, ask)
    assert answer.words_only
    assert [hit.text for hit in answer.hits] == ["We sailed north."]


@pytest.mark.parametrize("query", ["", " ", "\0"])
def test_an_empty_query_is_refused(database_url: str, query: str) -> None:
    async def ask(pool: Pool) -> Answer:
        async with open_models(ModelSettings.model_validate({})) as models:
            return await search(pool, models.embeddings, query, owner_id=1)

    with pytest.raises(InvalidInput, match="the query is empty"):
        in_pool(database_url, ask)
