"""Who wrote a page and when: as the page states it, or not at all."""

from datetime import date
from pathlib import Path

import pytest

from keepsake.web.page import Page, read_page

PAGES = Path(__file__).parent / "pages"
TEXT = "The mill opens at nine on weekdays, and children get a small loaf to take home. " * 4


def read(head: str = "", byline: str = "", after: str = "") -> Page:
    markup = (
        f"<html><head><title>The mill</title>{head}</head><body><nav><a class='username'>Username"
        f"</a></nav><article><h1>The mill</h1>{byline}<p>{TEXT}</p></article>{after}</body></html>"
    )
    return read_page(markup.encode(), url="https://mill.example/a", content_type="text/html")


def test_the_page_with_a_byline_and_a_date() -> None:
    page = read_page(
        (PAGES / "page-author-date.html").read_bytes(), url="https://a.example/", content_type=""
    )
    assert (page.author, page.published_on) == ("Ada Fenn", date(2019, 5, 20))
    assert "The mill opens at nine" in page.text
    assert "Visitors can grind" in page.text


def test_the_page_that_says_its_author_three_times() -> None:
    page = read_page(
        (PAGES / "page-author.html").read_bytes(), url="https://a.example/", content_type=""
    )
    assert page.author == "Ada Fenn"


def json_ld(author: str) -> str:
    return (
        '<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [{"@type":'
        f' "NewsArticle", "author": {author}, "datePublished": "2024-01-31T08:00:00Z"}}]}}</script>'
    )


@pytest.mark.parametrize(
    ("head", "byline", "author"),
    [
        (json_ld('{"@type": "Person", "name": "Ada Fenn"}'), "", "Ada Fenn"),
        (json_ld('[{"name": "Ada Fenn"}, {"name": "Bo Lind"}]'), "", "Ada Fenn, Bo Lind"),
        (json_ld('"Ada Fenn"'), "<p class='byline'>By Somebody Else</p>", "Ada Fenn"),
        ("<meta name='author' content='Ada Fenn'>", "", "Ada Fenn"),
        ("<meta name='DC.Creator' content='Fenn, Ada'>", "", "Ada Fenn"),
        ("<meta property='article:author' content='https://faces.example/ada'>", "", None),
        ("<meta name='author' content='admin'>", "", None),
        ("<meta name='author' content='Ada Fenn'><meta name='author' content='ADA FENN'>", "",
         "Ada Fenn"),
        ("", "<span itemprop='author'><span itemprop='name'>Ada Fenn</span></span>", "Ada Fenn"),
        ("", "<a rel='author' href='/ada'>Ada Fenn</a>", "Ada Fenn"),
        ("", "<p class='byline'>By Ada Fenn and Bo Lind</p>", "Ada Fenn, Bo Lind"),
        ("", "<p class='byline'>By Ada Fenn | Staff writer</p>", "Ada Fenn"),
        ("", "<p class='byline'>Von Ada Fenn, 20. Mai 2019</p>", "Ada Fenn"),
        ("", "<p class='byline'>Ada Fenn Ada Fenn</p>", "Ada Fenn"),
        ("", "<div class='byline'>Print By Ada Fenn, MD</div>", "Ada Fenn"),
        ("", "<p>By Ada Fenn, March 3, 2019</p>", "Ada Fenn"),
        ("", "<p class='byline'>May 20, 2019</p>", None),
        ("", "<p class='byline'>By admin</p>", None),
        ("", "<p>By the river stands a mill.</p>", None),
        ("", "", None),
    ],
)  # fmt: skip
def test_the_author_is_who_the_page_says(head: str, byline: str, author: str | None) -> None:
    assert read(head, byline).author == author


def test_who_comments_is_no_author() -> None:
    comments = "<div class='comments'><p class='comment-author'>Rude Guest</p></div>"
    assert read(after=comments).author is None


@pytest.mark.parametrize(
    ("head", "byline", "day"),
    [
        (json_ld('"x"'), "", date(2024, 1, 31)),
        ("<meta property='article:published_time' content='2024-01-31T08:00:00Z'>", "",
         date(2024, 1, 31)),
        ("", "<time datetime='2024-01-31'>last week</time>", date(2024, 1, 31)),
        ("", "<div class='byline'>By Ada Fenn <span>January 31, 2024</span></div>",
         date(2024, 1, 31)),
        ("", "", None),
    ],
)  # fmt: skip
def test_the_day_is_what_the_page_says(head: str, byline: str, day: date | None) -> None:
    assert read(head, byline).published_on == day
