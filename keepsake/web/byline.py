"""Who wrote a page and when, where the page states it.

What it states to machines counts before what is at its head; what is anywhere else counts
for nothing: a wrong name is worse than none.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import chain, islice
from typing import Any

from keepsake.web.article import NOT_IN_XML

LONGEST_NAME = 80  # characters of one name
MOST_WORDS = 7
MOST_NAMES = 10
LONGEST_BYLINE = 200

_META = (
    "author", "article:author", "byl", "parsely-author", "sailthru.author", "og:article:author",
)  # fmt: skip
# Libraries write the surname first: "Fenn, Ada".
_META_TURNED = ("dc.creator", "dcterms.creator", "dc.creator.creatorname", "citation_author")
_ARTICLE = re.compile(r"(?:Article|Posting|Report|WebPage|Book|Recipe|CreativeWork|Review)$")
_CLASS = re.compile(
    r"(?:^|[\s_-])(?:by-?line|author|authors|author-?name|written-?by)(?:$|[\s_-])", re.I
)
_NOT_A_BYLINE = re.compile(
    r"comment|bio|about|related|share|avatar|image|photo|follow|social|nav|footer|sidebar|widget"
    r"|more|links?(?:$|[\s_-])|login|box",
    re.I,
)
_BY = re.compile(
    r"^(?:(?:(?:written|posted|story|text|words|published|submitted)\s+)?(?:by|von|par|por|di|af|av)"
    r"|authors?|autor|auteur)\b[\s:]+",
    re.I,
)
_MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|janv|févr|mär|mai|juin|juil|août|okt|dez"
    r"|ene|abr|ago|dic|gen|mag|giu|lug|set|ott)[a-zéûä]*\.?"
)
# A line of its own that says "By Ada Fenn" near the head of a page.
_LINE = re.compile(
    r"(?:By|BY|Von|Par|Por)\s+(?:[^\W\d_a-z][\w.'’-]*[\s,]*){2,4}(?:[|•·–—-].*|.*\d.*)?$"
)
_LINES = (
    "p",
    "div",
    "span",
    "td",
    "address",
    "h2",
    "h3",
    "h4",
    "b",
    "i",
    "em",
    "strong",
    "font",
    "small",
)
HEAD = 400  # elements of a body that are its head
# Where a name ends and something else begins: a date, a time, a mark between.
_BEYOND = re.compile(
    rf"\s*(?:[|•·\n<>@#\[]|\s\((?=[a-z])|\s[-–—/]\s|\d|\b{_MONTH},?\s+\d|https?:|www\.|\bon\s+{_MONTH}"
    rf"|,?\s*\b(?:updated|published|posted|last modified|veröffentlicht|publié)\b)",
    re.I,
)
_ROLE = re.compile(
    r"\b(?:editor|writer|reporter|correspondent|staff|columnist|contributor|producer|journalist"
    r"|analyst|special to|redakteur|phd|ph\.d|md)\b",
    re.I,
)
_NOBODY = frozenset(
    ["user", "username", "user name", "admin", "administrator", "author", "author name", "authors",
     "anonymous", "guest", "unknown", "none", "null", "undefined", "name", "by", "staff", "editor",
     "webmaster", "root", "test", "your name", "firstname lastname", "n/a", "view all posts",
     "posted by", "contributor", "default", "follow", "print", "email", "subscribe", "share"]
)  # fmt: skip


def find_author(tree: Any) -> str | None:
    """Who wrote the page: one name or several, by comma; None if it does not say.

    Args:
        tree: an lxml tree without what is hidden, but with its scripts.
    """
    bylines = ([text] for text in _byline_texts(tree))
    for said in (_of_json(tree), _of_meta(tree), _of_markup(tree), *bylines, _of_lines(tree)):
        if names := _names(said):
            return ", ".join(names[:MOST_NAMES])
    return None


def find_date(tree: Any, stated: str | None) -> date | None:
    """When the page was published: as it states it, or by the byline at its head.

    Args:
        tree: as for `find_author`.
        stated: what its metadata says, by ISO 8601.
    """
    from htmldate import find_date as find

    said = (find(_as_page(t), extensive_search=False) for t in _byline_texts(tree))
    for text in chain([stated], said):
        try:
            return date.fromisoformat(text or "")
        except ValueError:
            continue
    return None


# ---------------------------------------------------------------------------------------------
# Where a page says it
# ---------------------------------------------------------------------------------------------


def _of_json(tree: Any) -> Iterator[str]:
    """Names in the JSON-LD of articles."""
    for script in tree.xpath("//script[@type='application/ld+json']"):
        try:
            document = json.loads(re.sub(r"[\x00-\x1f]", " ", script.text or ""))
        except (ValueError, RecursionError):
            continue
        for thing in _things(document):
            if any(_ARTICLE.search(str(kind)) for kind in _listed(thing.get("@type"))):
                yield from _json_names(thing.get("author") or thing.get("creator"))


def _things(document: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON-LD document, those of its graph too."""
    for thing in _listed(document):
        if isinstance(thing, Mapping):
            yield thing
            yield from (at for at in _listed(thing.get("@graph")) if isinstance(at, Mapping))


def _json_names(author: Any) -> Iterator[str]:
    for one in _listed(author):
        name = one.get("name") if isinstance(one, Mapping) else one
        yield from (text for text in _listed(name) if isinstance(text, str))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _of_meta(tree: Any) -> Iterator[str]:
    said: dict[str, list[str]] = {}
    for meta in tree.xpath("//meta[@content]"):
        name = (meta.get("name") or meta.get("property") or "").lower()
        said.setdefault(name, []).append(meta.get("content"))
    for name in _META:
        yield from said.get(name, [])
    for name in _META_TURNED:
        for text in said.get(name, []):
            surname, comma, first = text.partition(",")
            yield f"{first.strip()} {surname}" if comma and "," not in first else text


def _of_markup(tree: Any) -> Iterator[str]:
    """Microdata and links that say what they are."""
    for at in tree.xpath("//*[@itemprop='author' or @itemprop='creator']"):
        if _is_of_a_comment(at):
            continue
        names = at.xpath(".//*[@itemprop='name']") or [at]
        yield from (name.get("content") or name.text_content() for name in names)
    for at in tree.xpath("//*[@rel='author'] | //a[contains(@class, 'url fn')]"):
        if not _is_of_a_comment(at):
            yield at.text_content()


def _of_lines(tree: Any) -> Iterator[str]:
    """The first line at the head of a page that says by whom it is."""
    for at in islice(tree.iterfind("body//*"), HEAD):
        if at.tag in _LINES and not _is_of_a_comment(at):
            text = " ".join(at.text_content()[:LONGEST_BYLINE].split())
            if len(text) <= LONGEST_NAME and _LINE.match(text):
                yield text
                return


def _byline_texts(tree: Any) -> list[str]:
    """The texts of elements that are called a byline; the first few that are short enough."""
    texts: list[str] = []
    for at in tree.xpath("//body//*[@class or @id]"):
        called = f"{at.get('class', '')} {at.get('id', '')}"
        if not _CLASS.search(called) or _NOT_A_BYLINE.search(called) or _is_of_a_comment(at):
            continue
        text = " ".join(at.text_content().split())
        if 0 < len(text) <= LONGEST_BYLINE:
            texts.append(text)
        if len(texts) == 5:
            break
    return texts


def _is_of_a_comment(element: Any) -> bool:
    return any(
        re.search(r"comment|related|sidebar", f"{at.get('class', '')} {at.get('id', '')}", re.I)
        or at.tag in ("nav", "aside", "footer")
        for at in element.iterancestors()
        if at.tag not in ("html", "body")
    )


def _as_page(text: str) -> Any:
    """A page with a date and nothing else."""
    from lxml import html  # type: ignore[import-untyped]

    page = html.fromstring("<html><body><div class='date'></div></body></html>")
    page.find(".//div").text = NOT_IN_XML.sub("", text)
    return page


# ---------------------------------------------------------------------------------------------
# Names
# ---------------------------------------------------------------------------------------------


def _names(said: Iterable[str]) -> list[str]:
    """The names in what is said, each once, as it is written first.

    What has capitals only and is short is a degree, an agency or a place, beside a name.
    """
    names: dict[str, str] = {}
    for text in said:
        for part in re.split(r";|\s+(?:and|und|et|&)\s+|,(?!\s*(?:Jr|Sr|II|III)\b)", _bare(text)):
            if name := _name(part):
                names.setdefault(name.casefold(), name)
    people = [name for name in names.values() if not re.fullmatch(r"[A-Z.]{2,5}", name)]
    return people or list(names.values())


def _bare(text: str) -> str:
    """A byline without the word before the names, and without what follows them."""
    plain = _BY.sub("", re.sub(r"^.*\s(?=By\s)", "", " ".join(text.split())))
    found = _BEYOND.search(plain)
    return plain[: found.start()] if found else plain


def _name(text: str) -> str | None:
    """A name, if a person or an organisation may be called so."""
    name = _BY.sub("", text.strip(" \t,.:;|-–—\"'“”"))
    words = name.split()
    half = len(words) // 2
    if half and words[:half] == words[half:]:
        words = words[:half]
    name = " ".join(words)
    too_long = len(name) > LONGEST_NAME or len(words) > MOST_WORDS
    is_nobody = name.casefold() in _NOBODY or _ROLE.search(name) or "/" in name or "@" in name
    if too_long or is_nobody or not any(c.isalpha() for c in name) or len(name) < 2:
        return None
    return name
