"""What is read from a page."""

import time
from datetime import date
from pathlib import Path

import pytest

from keepsake.web.page import MOST_TEXT, Page, read_page, sends_on, sent_on_to
from tests.doubles.site import ARTICLE, LOGIN, WORDS

PAGES = Path(__file__).parent / "pages"

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
    assert 600 < said.words < 700


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
        (
            "<title>How boats float | Notes</title>",
            "<h1>Notes</h1><h1>How boats float</h1>",
            "How boats float",
        ),
        (
            "<title>How boats float on water</title>",
            "<h1>How boats float</h1>",
            "How boats float on water",
        ),
        ("<title>How boats float | Notes</title>", "<h1>Of boats</h1>", "How boats float | Notes"),
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
        (FRENCH, "cp1252", "utf-16", ""),
        # Names mean on the web what browsers make of them.
        (f"<p>{WORDS}</p><p>Zhu Rongji 朱镕基</p>", "gb18030", "", "gb2312"),
        ("<p>" + "①㈱ 船は水に浮かびます。" * 20 + "</p>", "cp932", "shift_jis", ""),
        ("<p>" + "뷁 배는 물에 뜬다. " * 20 + "</p>", "cp949", "euc-kr", ""),
        (f"<p>“Smart” quotes – and dashes</p><p>{WORDS}</p>", "cp1252", "", "iso-8859-1"),
    ],
)
def test_the_charset_is_found(text: str, encoding: str, header: str, meta: str) -> None:
    head = f'<meta charset="{meta}">' if meta else ""
    declared = f"text/html; charset={header}" if header else "text/html"
    said = read(page(head, text).encode(encoding), declared)
    assert text[10:30] in said.text


@pytest.mark.parametrize("name", ["utf-16", "utf-16le", "unicode", "utf-8", "x-user-defined"])
def test_a_meta_that_can_be_read_as_ascii_is_not_utf_16(name: str) -> None:
    said = read(page(f"<meta charset={name}><title>Boats</title>").encode())
    assert (said.title, said.text) == ("Boats", WORDS)


@pytest.mark.parametrize(
    ("name", "title", "says"),
    [
        ("page-gb2312-with-a-name.html", "Zhu Rongji 朱镕基 and the harbor", "朱镕基"),
        ("page-says-utf-16.html", "The quiet harbor", "the boats lay still on the water"),
    ],
)
def test_pages_whose_charset_lies_are_read(name: str, title: str, says: str) -> None:
    said = read((PAGES / name).read_bytes())
    assert said.title == title
    assert says in said.text


def test_an_xml_declaration_names_the_charset() -> None:
    markup = f'<?xml version="1.0" encoding="windows-1251"?>{page(body=RUSSIAN)}'
    assert "Лодка держится" in read(markup.encode("cp1251"), "application/xhtml+xml").text


def test_a_broken_byte_in_a_rightly_declared_charset_costs_one_letter() -> None:
    body = (
        page("<meta charset=windows-1251>", RUSSIAN).encode("cp1251").replace(b"\xcb", b"\x98", 1)
    )
    text = read(body).text
    assert "одка держится на воде" in text
    assert "Лодка держится на воде" in text


def test_a_few_broken_bytes_do_not_cost_the_rest() -> None:
    body = page(body=JAPANESE).encode().replace("船".encode(), b"\xe8\x88", 1)
    assert "浮かびます" in read(body).text


def test_nothing_that_a_database_refuses_is_kept() -> None:
    said = read(page("<title>a&#0;b\0c&#xD800;d</title>", f"<p>{WORDS} &#0; &#xDFFF; \0 end</p>"))
    said.text.encode()
    assert "\0" not in said.text + said.title


# ------------------------------------------------------------------------------------------------
# Addresses
# ------------------------------------------------------------------------------------------------


def test_addresses_follow_the_base_of_the_page() -> None:
    said = read((PAGES / "page-base.html").read_bytes())
    assert said.canonical_url == "https://archive.example/html/2312v2/article"
    assert said.image_url == "https://archive.example/html/2312v2/x1.png"


@pytest.mark.parametrize("base", ["javascript:x", "", "http://["])
def test_a_base_that_is_none_is_passed_over(base: str) -> None:
    said = read(page(f'<base href="{base}"><link rel="canonical" href="/boats">'))
    assert said.canonical_url == "https://notes.example/boats"


@pytest.mark.parametrize(
    ("head", "target"),
    [
        ('<meta http-equiv="refresh" content="0; url=/new">', "https://notes.example/new"),
        ("<META HTTP-EQUIV=Refresh CONTENT=\"5;URL='new'\">", "https://notes.example/2025/new"),
        ('<meta content="0, https://b.example/" http-equiv="refresh">', "https://b.example/"),
        ('<base href="https://c.example/d/"><meta http-equiv=refresh content="0;url=e">',
         "https://c.example/d/e"),
        ('<meta http-equiv="refresh" content="300; url=/new">', None),
        ('<meta http-equiv="refresh" content="0">', None),
        ('<meta http-equiv="refresh" content="0; url=#top">', None),
        ('<meta http-equiv="refresh" content="0; url=javascript:alert(1)">', None),
        ('<noscript><meta http-equiv="refresh" content="0; url=/no-script"></noscript>', None),
        ("<p>&lt;meta http-equiv=refresh content='0; url=/new'&gt;</p>", None),
    ],
)  # fmt: skip
def test_a_page_that_only_sends_elsewhere_says_where(head: str, target: str | None) -> None:
    body = page(head).encode()
    assert sends_on(body)
    assert sent_on_to(body, url=URL, content_type="text/html") == target


def test_most_pages_send_nowhere() -> None:
    assert not sends_on(ARTICLE.encode())


# ------------------------------------------------------------------------------------------------
# Documents and feeds
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/pdf", "text/html", "text/plain", ""])
def test_a_pdf_gives_its_text_whatever_it_is_called(content_type: str) -> None:
    said = read((PAGES / "report.pdf").read_bytes(), content_type, "https://a.example/report.pdf")
    assert (said.title, said.note) == ("report.pdf", None)
    assert said.text.startswith("The harbor was quiet")
    assert said.words > 200


def test_a_pdf_says_its_title_and_who_wrote_it() -> None:
    said = read(pdf("/Title (Of boats) /Author (Ida Holm)"), "application/pdf")
    assert (said.title, said.author, said.text) == ("Of boats", "Ida Holm", "Boats float")


@pytest.mark.parametrize("title", ["untitled", "Microsoft Word - boats.doc", "boats.tex", ""])
def test_a_title_that_a_program_made_up_is_none(title: str) -> None:
    said = read(pdf(f"/Title ({title})"), "application/pdf", "https://a.example/boats.pdf")
    assert said.title == "boats.pdf"


def test_a_pdf_of_pictures_says_so() -> None:
    assert read(pdf("", "")).note == "a PDF without text: its pages are pictures"


def pdf(info: str, text: str = "Boats float") -> bytes:
    """A PDF as small as it gets, with this in its description."""
    stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< {info} >>",
    ]
    body = "".join(f"{n} 0 obj\n{said}\nendobj\n" for n, said in enumerate(objects, start=1))
    return f"%PDF-1.4\n{body}trailer\n<< /Root 1 0 R /Info 6 0 R >>\n%%EOF\n".encode()


@pytest.mark.parametrize("content_type", ["text/xml", "application/rss+xml", "text/html", ""])
def test_a_feed_gives_its_title_and_its_latest_entries(content_type: str) -> None:
    said = read((PAGES / "feed.xml").read_bytes(), content_type)
    assert (said.title, said.description) == ("Harbor news", "What happens at the pier")
    assert said.note == "a feed: its latest entries"
    assert said.text.startswith("Day 4\nIn the evening the lamps were lit")
    assert said.text.endswith("Day 1\nThe harbor was quiet in the morning and the boats lay still "
                              "on the water.")  # fmt: skip
    assert "n-1" not in said.text
    assert "<p>" not in said.text


def test_an_atom_feed_is_one_too() -> None:
    content = "<content type='html'>&lt;p&gt;Quiet.&lt;/p&gt;</content>"
    entry = f"<entry><title>Day 1</title>{content}</entry>"
    feed = (
        f"<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='en'><title>News</title>{entry}</feed>"
    )
    said = read(feed, "application/atom+xml")
    assert (said.title, said.text, said.language) == ("News", "Day 1\nQuiet.", "en")


def test_of_a_long_feed_the_latest_entries_are_read() -> None:
    items = "".join(
        f"<item><title>Day {n}</title><pubDate>{n:02} Mar 2026 07:00:00 GMT</pubDate></item>"
        for n in range(1, 31)
    )
    said = read(f"<rss><channel><title>News</title>{items}</channel></rss>", "text/xml")
    assert said.text.split("\n\n")[::19] == ["Day 30", "Day 11"]


def test_entities_of_a_feed_name_no_files() -> None:
    feed = (
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        "<rss><channel><title>a&x;b</title><item><title>c&x;</title></item></channel></rss>"
    )
    assert "root:" not in str(read(f'<?xml version="1.0"?>{feed}', "application/rss+xml"))


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
        ("application/pdf", b"%PDF-1.7", "a PDF that cannot be read"),
        ("application/octet-stream", b"%PDF-1.7", "a PDF that cannot be read"),
        ("text/html", b"\x89PNG\r\n\x1a\n", "an image"),
        ("text/html", b"PK\x03\x04 and so on", "a file that is no page"),
        ("text/plain", b"\x7fELF\x02\x01\0", "a file that is no page"),
        ("text/xml", b"<?xml version='1.0'?><svg/>", "a file that is no page"),
        ("application/rss+xml", b"<rss><channel><title>", "a feed without entries"),
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
    started = time.thread_time()
    assert read(body, "text/plain").text == body
    assert time.thread_time() - started < 1


def test_a_charset_that_is_hard_to_find_takes_no_time() -> None:
    started = time.thread_time()
    assert read(b"<meta" * 36 + b"charset=" + b" " * 3800 + b"\xff").text == ""
    assert time.thread_time() - started < 1


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
    said = read(page(body="<div>" * 20_000 + WORDS))
    assert (said.title, said.text) == ("how-boats float.html", "")
    assert said.note == "no readable text"


def test_a_page_is_read_whatever_stands_before_it() -> None:
    said = read(f"<math>{page('<title>Boats</title>', f'<article><p>{WORDS}</p></article>')}")
    assert (said.title, said.text) == ("Boats", WORDS)


def test_control_characters_in_a_formula_or_a_byline_are_left_out() -> None:
    formula = '<math alttext="a&#x1;b"></math><img class="tex" alt="c\ufffed">'
    said = read(page(body=f"<p class='byline'>By Ida&#x1; Holm</p><p>{formula} {WORDS}</p>"))
    assert "$ab$$cd$" in said.text
