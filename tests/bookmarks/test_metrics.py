"""What is counted of bookmarks names nothing that is theirs."""

from keepsake.monitoring.exposition import OPENMETRICS, TEXT
from tests.monitoring.scraped import scrape

from .shelf import BREAD, Pages, Shelf, article

SECRET = "Zanzibar"


async def test_no_name_address_or_text_of_a_person_is_in_a_metric(
    shelf: Shelf, site: Pages
) -> None:
    shelf.change("UPDATE owners SET name = %s, slug = %s", SECRET, SECRET.lower())
    page = article(f"Bread of {SECRET}", *(f"{text} {SECRET}." for text in BREAD))
    shelf.add(site.put(f"/{SECRET}", page), title=SECRET)
    shelf.add(f"{site.address}/{SECRET}/gone")
    await shelf.run()
    figures = scrape(shelf.url, TEXT) + scrape(shelf.url, OPENMETRICS)
    assert 'keepsake_steps_total{line="bookmarks",status="failed",step="pages"} 1.0' in figures
    assert 'keepsake_steps_total{line="bookmarks",status="succeeded",step="pages"} 1.0' in figures
    assert SECRET.lower() not in figures.lower()
    assert site.address.removeprefix("http://") not in figures
