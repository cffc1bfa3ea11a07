"""Bookmarks changed by hand: tags taken off, titles given."""

from pathlib import Path

from keepsake.bookmarks.imports import import_bookmarks
from keepsake.bookmarks.views import read_bookmark
from keepsake.changes.edits import edit_title
from keepsake.changes.tags import tag, untag
from keepsake.database import connect
from tests.given import in_pool

from .shelf import BREAD, Pages, Shelf, article


async def test_a_tag_taken_off_stays_off_until_a_person_sets_it(
    shelf: Shelf, site: Pages, tmp_path: Path
) -> None:
    page = site.put("/bread", article("Bread", *BREAD))
    record_id = shelf.add(page, tags=["Slow food"])
    await shelf.run()
    assert shelf.keywords(record_id) == {"Slow food": "human", "bread": "ai", "baking": "ai"}
    with connect(shelf.url) as db:
        untag(db, 1, record_id, ["bread", "slow food"])
    await shelf.run("keywords", redo=True)
    assert shelf.keywords(record_id) == {"baking": "ai"}
    file = tmp_path / "a.csv"
    file.write_text(f"url,title,tags\n{page},Bread,Slow food\n")
    # Once more what it came with.
    in_pool(shelf.url, lambda pool: import_bookmarks(pool, shelf.settings, shelf.owner, file))
    assert "Slow food" not in shelf.keywords(record_id)
    with connect(shelf.url) as db:
        tag(db, 1, record_id, "Bread")
    shelf.add(page, tags=["Slow food"])
    assert shelf.keywords(record_id) == {"Slow food": "human", "Bread": "human", "baking": "ai"}


async def test_a_title_by_hand_makes_what_is_made_with_it_again_and_fetches_nothing(
    shelf: Shelf, site: Pages
) -> None:
    record_id = shelf.add(site.put("/bread", article("Bread", *BREAD)))
    await shelf.run()
    with connect(shelf.url) as db:
        assert edit_title(db, 1, record_id, "On patience")
    report = await shelf.run(mode="due")
    made = {step for step, of in report.steps.items() if of.made}
    assert made == {"summaries", "keywords", "bookmark_embeddings"}
    assert site.asked_for("/bread") == 1
    with connect(shelf.url) as db:
        assert read_bookmark(db, 1, record_id).title == "On patience"
        edit_title(db, 1, record_id, None)
        assert read_bookmark(db, 1, record_id).title == "Bread"
