"""Pages: what a site gives, kept as it came; content in its place; asked again only if changed."""

import gzip
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from keepsake.bookmarks.steps import pages

from .shelf import BREAD, Pages, Shelf, article


async def test_a_page_is_read_and_its_response_is_kept_as_it_came(
    shelf: Shelf, site: Pages
) -> None:
    html = article("Slow bread", *BREAD)
    record_id = shelf.add(site.put("/bread", html))
    await shelf.run("pages")
    page = shelf.page(record_id)
    assert (page["http_status"], page["title"], page["note"]) == (200, "Slow bread", None)
    assert BREAD[1] in page["text"]
    assert page["words"] > 60
    kept = (shelf.settings.objects_folder / page["body_key"]).read_bytes()
    assert gzip.decompress(kept) == html.encode()
    assert page["size_bytes"] == len(html)


async def test_a_page_made_again_is_asked_for_only_if_it_changed(shelf: Shelf, site: Pages) -> None:
    record_id = shelf.add(site.put("/bread", article("Slow bread", *BREAD)))
    await shelf.run("pages")
    before = shelf.page(record_id)
    await shelf.run("pages", redo=True)
    again = shelf.page(record_id)
    assert site.seen[-1].headers["if-none-match"] == before["etag"]
    assert again.pop("fetched_at") > before.pop("fetched_at")
    assert again == before
    site.put("/bread", article("Slower bread", *BREAD))
    await shelf.run("pages", redo=True)
    assert shelf.page(record_id)["title"] == "Slower bread"


async def test_a_page_that_leads_elsewhere_now_is_asked_for_in_full(
    shelf: Shelf, site: Pages
) -> None:
    site.put("/old", article("Slow bread", *BREAD))
    site.put("/new", article("Fast bread", *BREAD))
    no_robots = PlainTextResponse("", 404)
    site.next(no_robots, RedirectResponse("/old"))
    record_id = shelf.add(f"{site.address}/short")
    await shelf.run("pages")
    # What is there now is older than what we have: nothing changed since, it says.
    site.next(no_robots, RedirectResponse("/new"), Response(status_code=304))
    site.next(RedirectResponse("/new"))
    await shelf.run("pages", redo=True)
    page = shelf.page(record_id)
    assert (page["title"], page["url"]) == ("Fast bread", f"{site.address}/new")


def moved(to: str) -> str:
    """A page that only sends elsewhere."""
    return f'<title>Moved</title><meta http-equiv="refresh" content="0; url={to}"><p>Moved.</p>'


async def test_a_page_that_only_sends_elsewhere_is_followed(shelf: Shelf, site: Pages) -> None:
    site.put("/bread", article("Slow bread", *BREAD))
    site.put("/older", moved("bread"))
    record_id = shelf.add(site.put("/oldest", moved("/older")))
    for redo in (False, True):
        await shelf.run("pages", redo=redo)
        page = shelf.page(record_id)
        assert (page["title"], page["url"]) == ("Slow bread", f"{site.address}/bread")
        assert BREAD[1] in page["text"]


async def test_pages_that_send_in_a_circle_fail(shelf: Shelf, site: Pages) -> None:
    site.put("/a", moved("/b"))
    site.put("/b", moved("/a"))
    record_id = shelf.add(f"{site.address}/a")
    await shelf.run("pages")
    kind, message = shelf.error(record_id, "pages")
    assert (kind, "without end" in message) == ("PermanentError", True)
    assert (site.asked_for("/a"), site.asked_for("/b")) == (1, 1)


async def test_pages_that_send_on_and_on_are_left(shelf: Shelf, site: Pages) -> None:
    for n in range(9):
        site.put(f"/{n}", moved(f"/{n + 1}"))
    record_id = shelf.add(f"{site.address}/0")
    await shelf.run("pages")
    assert shelf.error(record_id, "pages")[0] == "PermanentError"
    assert len([seen for seen in site.seen if seen.path != "/robots.txt"]) <= 5


async def test_a_page_cannot_send_us_into_our_own_network(shelf: Shelf, site: Pages) -> None:
    record_id = shelf.add(site.put("/a", moved("http://169.254.169.254/latest/meta-data")))
    await shelf.run("pages")
    kind, message = shelf.error(record_id, "pages")
    assert kind == "AddressRefused"
    assert "meta-data" not in message


async def test_robots_are_asked_before_a_page_is_followed(shelf: Shelf, site: Pages) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /bread", "text/plain")
    site.put("/bread", article("Slow bread", *BREAD))
    record_id = shelf.add(site.put("/old", moved("/bread")))
    await shelf.run("pages")
    assert shelf.error(record_id, "pages")[0] == "PermanentError"
    assert site.asked_for("/bread") == 0


async def test_which_extractor_found_the_text_is_kept(shelf: Shelf, site: Pages) -> None:
    record_id = shelf.add(site.put("/bread", article("Slow bread", *BREAD)))
    await shelf.run("pages")
    assert shelf.page(record_id)["extractor"] == "readability"


async def test_a_pdf_is_summed_up_by_its_text(shelf: Shelf, site: Pages) -> None:
    report = (Path(__file__).parents[1] / "web/pages/report.pdf").read_bytes()
    site.next(PlainTextResponse("", 404), Response(report, media_type="text/html"))
    record_id = shelf.add(f"{site.address}/report.pdf")
    await shelf.run()
    page = shelf.page(record_id)
    assert (page["title"], page["note"], page["extractor"]) == ("report.pdf", None, None)
    assert "The harbor was quiet" in page["text"]
    assert shelf.of("summaries", record_id)


async def test_an_etag_that_cannot_be_sent_back_is_not(shelf: Shelf, site: Pages) -> None:
    bread = Response(article("Slow bread", *BREAD), headers={"etag": '"\xe9"'})
    record_id = shelf.add(f"{site.address}/bread")
    for redo in (False, True):
        site.next(PlainTextResponse("", 404), bread)
        await shelf.run("pages", redo=redo)
        assert shelf.ledger(record_id)["pages"]["error_type"] is None
    assert site.asked_for("/bread") == 2


async def test_a_page_that_says_the_same_again_leaves_later_steps_alone(
    shelf: Shelf, site: Pages
) -> None:
    shelf.add(site.put("/bread", article("Slow bread", *BREAD)))
    await shelf.run()
    site.put("/bread", article("Slow bread", *BREAD) + "<!-- visitor 2 -->")
    shelf.change("UPDATE ledger SET due_at = now() WHERE step = 'pages'")
    report = await shelf.run()
    assert report.steps["pages"].made == 1
    assert report.steps["summaries"].up_to_date == 1


async def test_a_page_whose_response_was_lost_is_asked_for_in_full(
    shelf: Shelf, site: Pages
) -> None:
    record_id = shelf.add(site.put("/bread", article("Slow bread", *BREAD)))
    await shelf.run("pages")
    (shelf.settings.objects_folder / shelf.page(record_id)["body_key"]).unlink()
    await shelf.run("pages", redo=True)
    assert "if-none-match" not in site.seen[-1].headers
    assert (shelf.settings.objects_folder / shelf.page(record_id)["body_key"]).exists()


async def test_a_page_that_is_not_there_fails_with_a_clear_error(shelf: Shelf, site: Pages) -> None:
    record_id = shelf.add(f"{site.address}/gone?secret=1")
    await shelf.run()
    kind, message = shelf.error(record_id, "pages")
    assert kind == "PermanentError"
    assert "127.0.0.1" in message
    assert "secret" not in message
    assert shelf.status(record_id) == "FAILED"


async def test_content_takes_the_place_of_a_page_that_cannot_be_had(
    shelf: Shelf, site: Pages
) -> None:
    text = " ".join(BREAD)
    gone = shelf.add(f"{site.address}/gone", content=text, title="My bread")
    await shelf.run()
    page = shelf.page(gone)
    assert (page["text"], page["title"], page["http_status"]) == (text, "My bread", None)
    assert page["note"].endswith("made from the content that came with the bookmark")
    assert shelf.of("summaries", gone)
    assert shelf.status(gone) == "COMPLETED"


async def test_a_page_made_of_content_is_made_again(shelf: Shelf, site: Pages) -> None:
    """It has no response to note of what is replaced."""
    record_id = shelf.add(f"{site.address}/gone", content="We fed the starter every morning.")
    await shelf.run("pages")
    await shelf.run("pages", redo=True)
    page = shelf.page(record_id)
    assert (page["text"], page["body_key"]) == ("We fed the starter every morning.", None)
    assert shelf.ledger(record_id)["pages"]["status"] == "succeeded"


async def test_content_takes_the_place_of_a_text_that_is_not_for_strangers(
    shelf: Shelf, site: Pages
) -> None:
    address = site.put("/wall", "<html><title>Log in</title><form><input type=password></form>")
    record_id = shelf.add(address, content="What the post said to those who may read it.")
    await shelf.run("pages")
    page = shelf.page(record_id)
    assert page["text"] == "What the post said to those who may read it."
    assert page["http_status"] == 200
    assert "content that came with" in page["note"]


@pytest.mark.usefixtures("own_processes")  # one that starts takes longer than the page may
async def test_content_takes_the_place_of_a_page_that_cannot_be_read(
    shelf: Shelf, site: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "READ_SECONDS", 0.001)
    address = site.put("/bread", article("Slow bread", *BREAD))
    record_id = shelf.add(address, content="What it says.")
    await shelf.run("pages")
    page = shelf.page(record_id)
    assert (page["text"], page["http_status"]) == ("What it says.", 200)
    assert page["note"].startswith("read_page took longer than")


async def test_a_page_without_text_is_no_failure(shelf: Shelf, site: Pages) -> None:
    record_id = shelf.add(site.put("/cat.png", "no real image", "image/png"), title="A cat")
    await shelf.run()
    assert shelf.page(record_id)["text"] == ""
    assert shelf.page(record_id)["note"]
    assert shelf.of("summaries", record_id) == []
    assert shelf.keywords(record_id) == {"bread": "ai", "baking": "ai"}  # from its title
    assert shelf.of("passages", record_id)[0]["text"] == "A cat\n\ncat.png"
    assert shelf.status(record_id) == "COMPLETED"


async def test_a_site_in_trouble_is_asked_three_times(shelf: Shelf, site: Pages) -> None:
    site.put("/bread", article("Slow bread", *BREAD))
    site.next(PlainTextResponse("", 404), *(PlainTextResponse("", 503) for _ in range(2)))
    record_id = shelf.add(f"{site.address}/bread")
    await shelf.run("pages")
    assert site.asked_for("/bread") == 3
    assert shelf.page(record_id)["title"] == "Slow bread"


async def test_a_text_that_is_given_later_takes_the_place_of_what_was_missing(
    shelf: Shelf, site: Pages
) -> None:
    wall = "<html><title>Log in</title><form><input type=password></form></html>"
    address = site.put("/wall", wall)
    record_id = shelf.add(address)
    await shelf.run()
    assert shelf.page(record_id)["note"] == "behind a login"
    assert shelf.add(address, content=BREAD[0], title="Bread, for members") == record_id
    await shelf.run(mode="due")
    assert shelf.page(record_id)["text"] == BREAD[0]
    assert len(shelf.of("summaries", record_id)) == 1
    (row,) = shelf.of("bookmarks", record_id)
    assert (row["title"], row["content"]) == ("Bread, for members", BREAD[0])


async def test_what_was_given_first_stays_and_costs_nothing_again(
    shelf: Shelf, site: Pages
) -> None:
    address = site.put("/bread", article("Slow bread", *BREAD))
    record_id = shelf.add(address, content=BREAD[0], title="Bread")
    await shelf.run()
    shelf.add(address, content=BREAD[1], title="Other bread")
    assert all(row["due_at"] is None for row in shelf.ledger(record_id).values())
    (row,) = shelf.of("bookmarks", record_id)
    assert (row["title"], row["content"]) == ("Bread", BREAD[0])
