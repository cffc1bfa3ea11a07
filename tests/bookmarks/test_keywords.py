"""Keywords: few, in the forms that their owner has already; what people set is never touched."""

from keepsake.bookmarks.steps.keywords import few_keywords
from keepsake.bookmarks.views import Keyword, read_bookmark
from keepsake.database import connect
from keepsake.pipeline.spec import EngineConfig
from tests.family.house import Storyteller

from .conftest import OpensShelf
from .shelf import BREAD, DAY, NOON, Pages, Shelf, article


async def keywords(
    shelf: Shelf, site: Pages, path: str = "/bread", **bookmark: object
) -> dict[str, str]:
    """The keywords of a new bookmark, made now."""
    record_id = shelf.add(site.put(path, article(f"Slow bread{path}", *BREAD)), **bookmark)
    await shelf.run("pages", "keywords")
    return shelf.keywords(record_id)


async def test_keywords_are_lower_case_and_at_most_six(
    shelf: Shelf, site: Pages, teller: Storyteller
) -> None:
    teller.will(
        "Keywords", {"keywords": ["Bread", "#oven", "flour.", "dough", "night", "crust", "water"]}
    )
    assert list(await keywords(shelf, site)) == [
        "bread",
        "oven",
        "flour",
        "dough",
        "night",
        "crust",
    ]


async def test_a_keyword_takes_the_form_that_its_owner_has_already(
    shelf: Shelf, site: Pages, teller: Storyteller
) -> None:
    shelf.add(
        "https://a.example/",
        tags=["Recipes", "movies", "red wine"],
        recorded_at=NOON.replace(year=2025),
    )
    teller.will("Keywords", {"keywords": ["recipe", "film", "white wine", "ovens", "oven"]})
    found = await keywords(shelf, site)
    assert found == dict.fromkeys(["Recipes", "movies", "white wine", "ovens"], "ai")
    shown = teller.prompts[0].splitlines()[0].removeprefix("Tags already in use: ")
    assert set(shown.split(", ")) == {"Recipes", "movies", "red wine"}


async def test_an_owner_with_many_tags_is_shown_some_and_keeps_the_form_of_all(
    shelf: Shelf, site: Pages, teller: Storyteller
) -> None:
    many = [f"A{number}" for number in range(120)]
    shelf.add("https://a.example/", tags=[*many, "Zebras"], recorded_at=NOON.replace(year=2025))
    teller.will("Keywords", {"keywords": ["zebra"]})
    assert await keywords(shelf, site) == {"Zebras": "ai"}
    assert "Zebras" not in teller.prompts[0]


async def test_a_page_without_a_word_to_choose_has_no_keywords(
    shelf_with: OpensShelf, site: Pages
) -> None:
    embedded = shelf_with()
    page = "<html><title>Log in</title><input type=password></html>"
    record_id = embedded.add(site.put("/in", page))
    await embedded.run("pages", "keywords")
    assert embedded.ledger(record_id)["keywords"]["status"] == "succeeded"
    assert embedded.keywords(record_id) == {}


async def test_tags_that_people_set_stay_theirs(
    shelf: Shelf, site: Pages, teller: Storyteller
) -> None:
    teller.will("Keywords", {"keywords": ["bread", "oven"]}, {"keywords": ["flour"]})
    assert await keywords(shelf, site, tags=["Bread"]) == {"Bread": "human", "oven": "ai"}
    await shelf.run("keywords", redo=True)
    (row,) = shelf.rows("SELECT record_id FROM pages")
    assert shelf.keywords(row["record_id"]) == {"Bread": "human", "flour": "ai"}


async def test_a_tag_that_a_person_adds_takes_the_place_of_a_models(
    shelf: Shelf, site: Pages, teller: Storyteller
) -> None:
    teller.will("Keywords", {"keywords": ["bread", "oven"]})
    await keywords(shelf, site)
    record_id = shelf.add(site.address + "/bread", tags=["Bread", "oven"])
    assert shelf.keywords(record_id) == {"Bread": "human", "oven": "human"}


async def test_bookmarks_of_one_run_see_each_others_keywords_before_they_are_written(
    shelf: Shelf, site: Pages, teller: Storyteller
) -> None:
    teller.will("Keywords", {"keywords": ["ovens"]}, {"keywords": ["oven"]})
    for path in ("/one", "/two"):
        shelf.add(site.put(path, article(f"Slow bread{path}", *BREAD)))
    with shelf.under(CHAT_CONCURRENCY="1") as one_by_one:
        await one_by_one.run("pages", "keywords", config=EngineConfig(flush_seconds=5))
    assert {row["keyword"] for row in shelf.rows("SELECT keyword FROM keywords")} == {"ovens"}


async def test_another_owner_has_tags_of_their_own(
    shelf: Shelf, site: Pages, teller: Storyteller
) -> None:
    shelf.change("INSERT INTO owners (slug, name) VALUES ('sam', 'Sam')")
    shelf.change(
        "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " SELECT 'bookmarks', id, 'x', '2025-01-01', '' FROM owners WHERE slug = 'sam'"
    )
    shelf.change(
        "INSERT INTO keywords (record_id, owner_id, keyword, source)"
        " SELECT id, owner_id, 'ovens', 'human' FROM records"
    )
    teller.will("Keywords", {"keywords": ["oven"]})
    assert await keywords(shelf, site) == {"oven": "ai"}
    assert "ovens" not in teller.prompts[0].partition("<page>")[0]


async def test_the_check_finds_too_many_keywords(shelf: Shelf, site: Pages) -> None:
    await keywords(shelf, site)
    with connect(shelf.url) as db:
        assert (few_keywords(db, DAY).checked, list(few_keywords(db, DAY).bad)) == (1, [])
        db.execute(
            "INSERT INTO keywords (record_id, owner_id, keyword, source)"
            " SELECT record_id, owner_id, upper(keyword), 'ai' FROM keywords"
        )
        assert len(few_keywords(db, DAY).bad) == 1


async def test_a_bookmark_is_read_back_as_people_look_at_it(shelf: Shelf, site: Pages) -> None:
    address = site.put("/bread", article("Slow bread", *BREAD))
    record_id = shelf.add(address, tags=["food"])
    await shelf.run()
    with connect(shelf.url) as db:
        kept = read_bookmark(db, 1, record_id)
    assert (kept.owner, kept.status, kept.url) == ("Rose", "COMPLETED", address)
    assert (kept.title, kept.summary) == (
        "Slow bread",
        "It tells how bread is baked. Time matters most.",
    )
    assert kept.keywords[0] == Keyword("food", "human")
    assert kept.media == ()
