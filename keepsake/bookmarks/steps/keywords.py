"""A few keywords of the page, from its owner's own tags where they fit.

Tags must stay few to be of use: a keyword that an owner has already, in another number or case or
in another word of the same meaning, takes the form that is there. Tags that people set are never
touched, and lead the list that the model is shown.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from keepsake.bookmarks.bookmark import LONGEST_TAG, Bookmark
from keepsake.bookmarks.steps.pages import FetchedPage, about
from keepsake.bookmarks.steps.prompts import RULES, shown
from keepsake.database import AsyncConnection, Connection, hold_records
from keepsake.pipeline.line import Made, Step
from keepsake.pipeline.window import Window
from keepsake.steps.checks import Finding
from keepsake.steps.prompts import nearest, one_of
from keepsake.steps.tools import Tools
from keepsake.text.spans import chunks, word_key, word_keys

FEWEST, MOST = 3, 6
MOST_TAGS = 100  # of an owner that the model is shown, and whose meaning is compared
CHOICES = 8  # that a weak model chooses from
WORDS = 600  # of the page that are read: enough to see what it is about

SYSTEM = (
    "You choose keywords for web pages that people save: three to six topics that the page is "
    "clearly about, each of one to three words in lower case, the most telling first. Where a tag "
    "that the person already uses fits the page, use it as it is written; otherwise write a new "
    "keyword in the language of the page. " + RULES
)
_TOPIC = re.compile(r"[^\W\d_]{4,}")


class Keywords(BaseModel):
    """The model's answer."""

    keywords: Annotated[list[str], Field(min_length=1, max_length=2 * MOST)]


async def choose(bookmark: Bookmark, fetched: FetchedPage, tools: Tools) -> tuple[str, ...]:
    """Choose keywords, the most specific first; none for a page that says nothing at all.

    Raises:
        PermanentError: the model's answer did not fit after one repair.
    """
    known = about(bookmark, fetched)
    parts = chunks(known, words=min(WORDS, tools.settings.chat_words))
    if not parts:
        return ()
    text = known[: parts[0].end]
    tags = await tools.tags.of(bookmark.owner_id)
    choices = await _choices(f"{fetched.page.title or ''} {text}", tags[:MOST_TAGS], tools)
    if tools.models.chat.enforces_schema and not choices:
        return ()  # not one word that could be a keyword: `Log in`
    answer = await tools.models.chat.ask(
        _answer_shape(choices),
        system=SYSTEM,
        user=f"Tags already in use: {', '.join(tags[:MOST_TAGS]) or 'none'}\n\n"
        f"{shown(bookmark, fetched, text)}",
        max_tokens=150,
    )
    named = list(dict.fromkeys(answer.keywords))  # type: ignore[attr-defined]
    # A weak model may name one thing over and over: the next best choices make up for it.
    named += [choice for choice in choices if choice not in named][: max(0, FEWEST - len(named))]
    # Read again: other bookmarks of the owner get theirs while models are thinking.
    merged = await _merged(named, await tools.tags.of(bookmark.owner_id), tools)
    forms = _forms(await tools.tags.of(bookmark.owner_id))
    keywords = tuple(dict.fromkeys(forms.get(_key(name), name) for name in merged))[:MOST]
    tools.tags.add(bookmark.owner_id, keywords)
    return keywords


async def _choices(text: str, tags: Sequence[str], tools: Tools) -> list[str]:
    """What a weak model chooses from: tags near to the text, then its words nearest to the whole.

    A strong model is free to choose: it has none.
    """
    if not tools.models.chat.enforces_schema:
        return []
    words = {_key(word): word for word in reversed(_TOPIC.findall(text.lower()))}
    topics = await nearest(reversed(words.values()), text, tools, few=CHOICES)
    fitting: list[str] = []
    if tags:
        (alike,) = await tools.models.embeddings.similarity([text], tags)
        fits = tools.models.embeddings.about.fits
        fitting = [tag for tag, near in zip(tags, alike, strict=True) if near >= fits]
    return list(dict.fromkeys([*fitting[:CHOICES], *topics]))


def _answer_shape(choices: Sequence[str]) -> type[BaseModel]:
    """The shape of the answer, which admits nothing but the choices if there are any."""
    if not choices:
        return Keywords
    choice: Any = one_of(choices)
    bounds = Field(min_length=min(FEWEST, len(choices)), max_length=MOST)
    return create_model("Keywords", keywords=(list[choice], bounds))


async def _merged(named: Sequence[str], tags: Sequence[str], tools: Tools) -> list[str]:
    """The named keywords, each in the form that is there already, without repetitions."""
    known = _forms(tags)
    new: dict[str, str] = {}
    for name in named:
        if (key := _key(name)) and key not in known:
            new.setdefault(key, _clean(name))
    known |= await _by_meaning(new, tags[:MOST_TAGS], tools)
    return list(dict.fromkeys(known[key] for name in named if (key := _key(name))))


def _forms(tags: Sequence[str]) -> dict[str, str]:
    """The tag of each key: of several the first."""
    return {_key(tag): tag for tag in reversed(tags)}


async def _by_meaning(new: dict[str, str], tags: Sequence[str], tools: Tools) -> dict[str, str]:
    """The form of each new keyword: that of the nearest tag or earlier keyword, or its own."""
    forms: dict[str, str] = {}
    if not new:
        return forms
    others = [*tags, *new.values()]
    alike = await tools.models.embeddings.similarity(list(new.values()), others)
    same = tools.models.embeddings.about.same_name
    for at, (key, name) in enumerate(new.items()):
        before = len(tags) + at
        near = [
            (float(alike[at, place]), place)
            for place in range(before)
            if alike[at, place] >= same and not _share_a_word(name, others[place])
        ]
        best = others[max(near)[1]] if near else name
        forms[key] = forms.get(_key(best), best)
    return forms


def _share_a_word(one: str, other: str) -> bool:
    """Red wine is near to white wine, and still another."""
    return not set(_key(one).split()).isdisjoint(_key(other).split())


def _clean(name: str) -> str:
    """A keyword as a model's is stored."""
    return " ".join(name.lower().strip(" #.,;:\"'").split())[:LONGEST_TAG]


def _key(name: str) -> str:
    """What is equal for keywords that differ in case, punctuation or number only."""
    return " ".join(_singular(word) for word in word_keys(name))


def _singular(word: str) -> str:
    """Without the ending of an English plural. Crude, and good enough to compare by."""
    word = word_key(word)
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


async def save(connection: AsyncConnection, made: Sequence[Made[tuple[str, ...]]]) -> None:
    """Store the model's keywords beside those that people set, without those they took off."""
    ids = [each.record_id for each in made]
    await hold_records(connection, ids)
    await connection.execute(
        "DELETE FROM keywords WHERE source = 'ai' AND record_id = ANY(%s)", (ids,)
    )
    await connection.cursor().executemany(
        "INSERT INTO keywords (record_id, owner_id, keyword, source)"
        " SELECT %(record)s, %(owner)s, %(keyword)s, 'ai'"
        " WHERE NOT EXISTS (SELECT FROM removed_tags"
        " WHERE record_id = %(record)s AND lower(tag) = lower(%(keyword)s))"
        " ON CONFLICT (record_id, keyword) DO NOTHING",
        [
            {"record": record_id, "owner": owner_id, "keyword": keyword}
            for record_id, owner_id, keywords in made
            for keyword in keywords
        ],
    )


def few_keywords(connection: Connection, window: Window) -> Finding:
    """Whether every bookmark has at most six keywords of a model, none of them twice."""
    rows = connection.execute(
        """
        SELECT k.record_id, count(*) <= %s AND count(*) = count(DISTINCT lower(k.keyword))
        FROM keywords k JOIN records r ON r.id = k.record_id
        WHERE k.source = 'ai' AND r.line = %s AND r.recorded_at >= %s AND r.recorded_at < %s
        GROUP BY k.record_id
        """,
        (MOST, window.line, window.start, window.end),
    ).fetchall()
    return Finding(
        checked=len(rows),
        bad=[record_id for record_id, good in rows if not good],
        fault="Bookmarks have more keywords than they should.",
    )


KEYWORDS = Step(
    name="keywords",
    version="1",
    needs=("pages",),
    roles=("chat", "embeddings"),
    make=choose,
    save=save,
    nothing=lambda keywords: None if keywords else "the page has no word for a keyword",
)
