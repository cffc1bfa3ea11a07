"""The readable text of a page: what a reader sees of its article.

Two extractors look for the article. readability-lxml scores containers and keeps one whole, so that
refrains, tables and formulas stay; trafilatura judges each element. Where readability finds next to
nothing beside the other, the article is not in one container, and trafilatura's text counts. Which
of them it was is stored with each page.

What a browser does not show is taken out before: such text holds notes to editors, copies for other
screens, and orders to its readers.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

# Of trafilatura's characters that readability must find for its text to count. With less it has
# taken a part for the whole; between this and half, on pages with a known text, it was right: the
# rest were lists of links.
SHARE = 0.25
MOST_LINKED = 0.85  # of the characters of a table that readers look things up in
SHORTEST_LEAD = 40  # characters of paragraphs
MOST_ELEMENTS = 40_000  # of a page that readability reads: its time grows faster than the page

_HIDDEN_STYLE = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\b", re.I
)
_HIDDEN = (
    "//*[@hidden or @aria-hidden='true' or @style or self::template or self::noscript"
    " or self::dialog[not(@open)]]"
)
_SPACE = re.compile(r"\s+")
# What the HTML parser lets through and refuses to have set as text.
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BLOCKS = frozenset(
    ["address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd",
     "details", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2",
     "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section",
     "summary", "table", "tbody", "tfoot", "thead", "tr", "ul"]
)  # fmt: skip
_NOT_READ = frozenset(
    ["button", "head", "iframe", "input", "link", "noscript", "object", "script", "select", "style",
     "svg", "template", "textarea"]
)  # fmt: skip
# What is no article by its own name; the rest of a page is weighed.
_AROUND = (
    "//script | //style | //link | //comment() | //nav | //*[@role='navigation']"
    " | //footer[not(ancestor::article or ancestor::main)]"
)
_TEX = "translate(@encoding, 'TEXLA', 'texla')"
_RENDERED = (
    "//*[contains(concat(' ', @class, ' '), ' MathJax ') or starts-with(@class, 'MathJax_')"
    " or starts-with(@class, 'mjx-chtml')]"
)
_FOOTNOTES = re.compile(r"(?:^|[\s_-])(?:footnotes|endnotes)(?:$|[\s_-])", re.I)
_FORMULA_IMAGE = re.compile(r"(?:^|[\s_-])(?:tex|latex|math|formula|equation)(?:$|[\s_-])", re.I)


@dataclass(frozen=True)
class Article:
    """Readable text, one line for each paragraph, and which extractor found it."""

    text: str
    extractor: str | None = None


def find_article(tree: Any, url: str) -> Article:
    """The readable text of a page that `show_what_is_seen` has been through.

    Args:
        tree: the page, an lxml tree; it stays as it is.
        url: where it is from.
    """
    from trafilatura import extract

    page = deepcopy(tree)
    for element in page.xpath(_AROUND):
        if element.getparent() is not None:
            element.drop_tree()
    for element in page.xpath("//*[contains(@class, 'note') or contains(@id, 'note')]"):
        if _FOOTNOTES.search(f"{element.get('class', '')} {element.get('id', '')}"):
            element.attrib.clear()  # their name counts against them
    whole = _by_readability(page)
    if whole and len(whole) >= SHARE * len(_SPACE.sub(" ", page.text_content())):
        return Article(whole, "readability")  # no one can find so much more
    found = extract(page, url=url, include_comments=False) or ""
    if len(whole) < SHARE * _without_links(found, page) or not whole:
        return Article(found, "trafilatura" if found else None)
    return Article(whole, "readability")


def _without_links(found: str, page: Any) -> int:
    """The characters of a text, without its lines that are a link and nothing else."""
    links = {" ".join(link.text_content().split()) for link in page.iter("a")}
    return sum(len(line) for line in found.split("\n") if line.lstrip("- ").strip() not in links)


# ---------------------------------------------------------------------------------------------
# What is seen
# ---------------------------------------------------------------------------------------------


def show_what_is_seen(tree: Any) -> None:
    """Take out of a page what a browser does not show, and write formulas out as text.

    Only what the markup itself says counts: no style sheet is read.
    """
    _write_formulas(tree)
    seen = len(tree.text_content())
    for element in tree.xpath(_HIDDEN):
        if element.tag in ("html", "body") or element.getparent() is None:
            continue
        if _is_hidden(element, seen):
            element.drop_tree()


def _is_hidden(element: Any, seen: int) -> bool:
    if element.tag in ("template", "noscript", "dialog"):
        return True
    if element.get("hidden", "until-found").lower() != "until-found":
        return True
    if _HIDDEN_STYLE.search(element.get("style", "")):
        return True
    # Ornaments and copies, unless a dialog was open when the page was saved: then all the rest.
    return element.get("aria-hidden") == "true" and 2 * len(element.text_content()) < seen


def _write_formulas(tree: Any) -> None:
    """Give every formula its TeX as text, once, where the page has it."""
    scripts = tree.xpath("//script[starts-with(@type, 'math/tex')]")
    for rendered in tree.xpath(_RENDERED) if scripts else ():
        if rendered.getparent() is not None:
            rendered.drop_tree()
    for script in scripts:
        _replace(script, script.text)
    for formula in list(tree.iter("math")):
        _write_formula(formula)
    for image in tree.xpath("//img[@alt and @class]"):
        if _FORMULA_IMAGE.search(image.get("class")) and "mwe-math" not in image.get("class"):
            _replace(image, image.get("alt"))


def _write_formula(formula: Any) -> None:
    tex = formula.xpath(f".//annotation[contains({_TEX}, 'tex')]")
    if written := (tex[0].text_content() if tex else formula.get("alttext")):
        around = formula.getparent()
        if around is not None and "mwe-math" in around.get("class", ""):
            around.attrib.clear()  # MediaWiki hides the formula, and shows a picture of it
        _replace(formula, written)
        return
    for annotation in formula.xpath(".//annotation | .//annotation-xml"):
        annotation.drop_tree()


def _replace(element: Any, formula: str | None) -> None:
    """Put a formula in the place of an element, between dollars if it has no marks of its own."""
    plain = _SPACE.sub(" ", NOT_IN_XML.sub("", formula or "")).strip()
    is_marked = plain[:1] in ("$", "\\") and plain[-1:] in ("$", "]", ")")
    marked = plain if is_marked or not plain else f"${plain}$"
    tail = element.tail
    element.clear()
    element.tag, element.text, element.tail = "span", marked, tail


# ---------------------------------------------------------------------------------------------
# The container that holds the article
# ---------------------------------------------------------------------------------------------


def _by_readability(page: Any) -> str:
    """The text of the container that readability-lxml chooses; "" if it finds none."""
    from readability.readability import (  # type: ignore[import-untyped]
        Document,
        Unparseable,
    )

    class Chooser(Document):  # type: ignore[misc]  # it has no types
        """Gives the element that it chooses rather than its markup."""

        def _parse(self, source: Any) -> Any:
            return deepcopy(source)  # it changes what it reads, and reads up to three times

        def get_clean_html(self) -> str:
            return str(self.html.text_content())  # only its length is used

        def get_preserved_elements(self, node: Any) -> dict[Any, bool]:
            kept = [table for table in node.iter("table") if _holds_data(table)]
            kept += [header for header in node.iter("header") if _holds_a_lead(header)]
            return {**super().get_preserved_elements(node), **dict.fromkeys(kept, True)}

    if sum(1 for _ in page.iter()) > MOST_ELEMENTS:
        return ""
    chooser = Chooser(page, retry_length=100)
    try:
        chooser.summary(html_partial=True)
    except Unparseable:
        return ""
    return text_of(chooser.html)


def _holds_data(table: Any) -> bool:
    """Whether a table is one to readers, rather than a means to lay the page out or a menu."""
    if table.xpath(".//table | .//form"):
        return False
    if table.xpath(".//th | ./caption"):
        return True
    rows = [len(row) for row in table.iter("tr")]
    linked = sum(len(link.text_content()) for link in table.iter("a"))
    grid = len(rows) > 2 and min(rows) > 1 and max(rows) == min(rows)
    return grid and linked < MOST_LINKED * len(table.text_content())


def _holds_a_lead(header: Any) -> bool:
    """Whether the header of an article holds a sentence of it, rather than names and buttons."""
    lead = sum(len(p.text_content()) for p in header.iter("p") if p.find(".//a") is None)
    return lead >= SHORTEST_LEAD


def text_of(element: Any) -> str:
    """What there is to read in an element: a line for each block, cells of a row side by side."""
    lines = (_SPACE.sub(" ", line).strip() for line in "".join(_pieces(element)).split("\n"))
    return "\n".join(filter(None, lines))


def _pieces(element: Any) -> Iterator[str]:
    from lxml.etree import iterwalk  # type: ignore[import-untyped]

    walk, within_pre = iterwalk(element, events=("start", "end")), 0
    for event, at in walk:
        block = _edge(at)
        within_pre += (event == "start") - (event == "end") if at.tag == "pre" else 0
        if event == "start" and (at.tag in _NOT_READ or not isinstance(at.tag, str)):
            walk.skip_subtree()
        elif event == "start":
            yield block
            yield _said(at.text, within_pre)
        else:
            yield _after(at, block)
            yield _said(at.tail, within_pre) if at is not element else ""


def _edge(element: Any) -> str:
    if element.tag in ("td", "th"):
        return "\n" if _is_laid_out(element) else " "
    return "\n" if element.tag in _BLOCKS else ""


def _after(element: Any, edge: str) -> str:
    follows = edge == " " and element.getnext() is not None
    return " | " if follows else edge


def _is_laid_out(cell: Any) -> bool:
    return next(cell.iter("p", "div", "table", "ul", "ol", "h1", "h2", "h3"), None) is not None


def _said(text: str | None, within_pre: int) -> str:
    return (text or "") if within_pre else _SPACE.sub(" ", text or "")
