"""What is read from a page."""

import time
from datetime import date

import pytest

from keepsake.web.page import MOST_TEXT, Page, read_page
from tests.doubles.site import ARTICLE, LOGIN, WORDS

URL = "https://notes.example/2025/how-boats%20float.html?from=feed"


def read(markup: str | bytes, content_type: str = "text/html", url: str = URL) -> Page:
    body = markup.encode() if isinstance(markup, str) else markup
    return read_page(body, url=url, content_type=content_type)


def page(head: str = "", body: str = f"<p>{WORDS}</p>") -> str:
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"


def test_a_page_says_who_wrote_it_when_and_what_it_is_about() -> None:
    said = read(ARTICLE)
    assert said.title == "How boats float"
    assert said.description == "About water & wood."
    assert (said.author, said.site) == ("Tomas Reyes", "Harbour Notes")
    assert (said.language, said.published_on) == ("en", date(2025, 9, 3))
    assert said.note is None


def test_relative_addresses_are_made_absolute() -> None:
    said = read(ARTICLE)
    assert said.image_url == "https://notes.example/boat.png"
    assert said.canonical_url == "https://notes.example/boats"


def test_the_text_is_what_is_there_to_read() -> None:
    said = read(ARTICLE)
    assert WORDS in said.text
    assert "newsletter" not in said.text
    assert said.words == len(said.text.split())


def test_json_ld_is_read() -> None:
    head = """<title>x</title><script type="application/ld+json">{"@context": "https://schema.org",
    "@type": "Article", "headline": "Boats", "datePublished": "2024-01-31",
    "author": {"@type": "Person", "name": "Ida Holm"}}</script>"""
    said = read(page(head))
    assert (said.author, said.published_on) == ("Ida Holm", date(2024, 1, 31))


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:image/png;base64,x", "http://["])
def test_addresses_that_are_not_of_the_web_are_left_out(address: str) -> None:
    head = f'<meta property="og:image" content="{address}"><link rel="canonical" href="{address}">'
    said = read(page(head))
    assert (said.image_url, said.canonical_url) == (None, None)


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title> A  title\n here </title>", "<h1>Heading</h1>", "A title here"),
        ('<title></title><meta property="og:title" content="Open">', "<h1>Heading</h1>", "Open"),
        ("", "<h1>Heading <b>one</b></h1><h1>two</h1>", "Heading one"),
        ("", "", "how-boats float.html"),
    ],
)
def test_a_page_always_has_a_title(head: str, body: str, title: str) -> None:
    assert read(page(head, f"{body}<p>{WORDS}</p>")).title == title


def test_a_page_without_a_name_is_called_by_its_host() -> None:
    assert read(page(), url="https://notes.example/").title == "notes.example"


# ------------------------------------------------------------------------------------------------
# Charsets
# ------------------------------------------------------------------------------------------------

FRENCH = f"<p>Le café était fermé. Où aller ? {WORDS}</p>"
RUSSIAN = "<p>" + "Лодка держится на воде, потому что она легче воды. " * 20 + "</p>"
JAPANESE = "<p>" + "船は水より軽いので水に浮かびます。" * 20 + "</p>"


@pytest.mark.parametrize(
    ("text", "encoding", "header", "meta"),
    [
        (FRENCH, "utf-8", "", ""),
        (FRENCH, "utf-8-sig", "", ""),
        (FRENCH, "utf-16", "", ""),
        (FRENCH, "cp1252", "iso-8859-1", ""),
        (RUSSIAN, "cp1251", "windows-1251", ""),
        (RUSSIAN, "koi8-r", "", "koi8-r"),
        (JAPANESE, "shift_jis", "", "shift_jis"),
        (JAPANESE, "iso-2022-jp", "iso-2022-jp", ""),
        # Nothing is declared.
        (FRENCH, "cp1252", "", ""),
        (RUSSIAN, "cp1251", "", ""),
        (JAPANESE, "euc_jp", "", ""),
        # What is declared is wrong.
        (FRENCH, "utf-8", "iso-8859-1", "shift_jis"),
        (FRENCH, "cp1252", "utf-8", "utf-8"),
        (RUSSIAN, "cp1251", "utf-8", ""),
        (JAPANESE, "utf-8", "no-such-charset", "base64"),
    ],
)
def test_the_charset_is_found(text: str, encoding: str, header: str, meta: str) -> None:
    head = f'<meta charset="{meta}">' if meta else ""
    declared = f"text/html; charset={header}" if header else "text/html"
    said = read(page(head, text).encode(encoding), declared)
    assert text[10:30] in said.text


def test_a_few_broken_bytes_do_not_cost_the_rest() -> None:
    body = page(body=JAPANESE).encode().replace("船".encode(), b"\xe8\x88", 1)
    assert "浮かびます" in read(body).text


def test_nothing_that_a_database_refuses_is_kept() -> None:
    said = read(page("<title>a&#0;b\0c&#xD800;d</title>", f"<p>{WORDS} &#0; &#xDFFF; \0 end</p>"))
    said.text.encode()
    assert "\0" not in said.text + said.title


# ------------------------------------------------------------------------------------------------
# What is no article
# ------------------------------------------------------------------------------------------------


def test_a_login_wall_is_recognised() -> None:
    said = read(LOGIN)
    assert (said.title, said.note) == ("Sign in", "behind a login")


def test_an_article_with_a_login_form_beside_it_is_none() -> None:
    form = '<form><input type="password"></form>'
    article = f"<article><p>{WORDS}</p></article>"
    assert read(page(body=form + article)).note is None


@pytest.mark.parametrize("body", ["", "   ", "<html></html>", "<!-- nothing -->"])
def test_a_page_with_nothing_to_read_says_so(body: str) -> None:
    said = read(body)
    assert (said.text, said.words, said.note) == ("", 0, "no readable text")


@pytest.mark.parametrize(
    ("content_type", "body", "note"),
    [
        ("application/pdf", b"%PDF-1.7", "a PDF: its text is not read"),
        ("application/octet-stream", b"%PDF-1.7", "a PDF: its text is not read"),
        ("image/png", b"\x89PNG", "an image"),
        ("video/mp4", b"....", "a video"),
        ("application/zip", b"PK", "a file that is no page"),
        ("", b"\x00\x01", "a file that is no page"),
        ("nonsense", b"\x00\x01", "a file that is no page"),
    ],
)
def test_a_file_is_a_page_with_a_title_and_a_note(
    content_type: str, body: bytes, note: str
) -> None:
    said = read(body, content_type, "https://notes.example/files/My%20Boat.x")
    assert (said.title, said.text, said.note) == ("My Boat.x", "", note)


def test_an_image_shows_itself() -> None:
    assert read(b"\x89PNG", "image/png").image_url == URL


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/octet-stream"])
def test_html_is_recognised_whatever_it_is_called(content_type: str) -> None:
    assert read(ARTICLE, content_type).title == "How boats float"


@pytest.mark.parametrize(
    "before", ["<!-- x -->", "<!---->" * 100, " <?xml version='1.0'?>\n<!--\n-->"]
)
def test_html_is_recognised_behind_comments(before: str) -> None:
    assert read(before + ARTICLE, "").title == "How boats float"


@pytest.mark.parametrize("body", ["<!---->" * 146 + "x", " " * 1024, "<!--" * 256])
def test_what_only_begins_like_html_takes_no_time(body: str) -> None:
    started = time.monotonic()
    read(body, "text/plain")
    assert time.monotonic() - started < 1


def test_a_charset_that_is_hard_to_find_takes_no_time() -> None:
    started = time.monotonic()
    read(b"<meta" * 36 + b"charset=" + b" " * 3800 + b"\xff")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "parameters", ["charset*=undefined'x'%ff; charset*1*=a", f"charset*{'9' * 5000}=a"]
)
def test_a_malformed_content_type_is_read_as_far_as_it_goes(parameters: str) -> None:
    assert read(ARTICLE, f"text/html; {parameters}").title == "How boats float"


def test_plain_text_is_its_own_text() -> None:
    said = read(f"{WORDS}\n\n<b>", "text/plain; charset=utf-8")
    assert said.text == f"{WORDS}\n\n<b>"


def test_text_and_lines_have_a_bound() -> None:
    long = "word " * MOST_TEXT
    said = read(page(f"<title>{long}</title>", f"<p>{long}</p>"))
    assert len(said.text) <= MOST_TEXT
    assert len(said.title) <= 1000


def test_deep_nesting_is_survived() -> None:
    read(page(body="<div>" * 20_000 + WORDS))
