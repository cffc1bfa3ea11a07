"""`keepsake search`."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.terminal.shell import Json, console, open_database, print_json
from keepsake.text.counted import counted

if TYPE_CHECKING:
    from rich.console import Console

    from keepsake.search.hits import Hit
    from keepsake.search.search import Answer

MARKED = "bold yellow"


def search(
    owner: Annotated[str, typer.Argument(help="Name, short name or id of a family or owner.")],
    query: Annotated[str, typer.Argument(help="What to look for, in your own words.")],
    line: Annotated[
        str | None, typer.Option(help="Only in this line: family, bookmarks or running.")
    ] = None,
    person: Annotated[
        str | None, typer.Option(help="Only what this member said, or this site published.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only records with this tag.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Recorded on this day or later."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Recorded on this day or earlier."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="Only texts of this kind: passage, story, quote, wisdom, tag, page, ..."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Most hits.")] = 5,
    scores: Annotated[
        bool, typer.Option("--scores", help="Show how near each hit is, and its score.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Show the nearest even if they are far from the query.")
    ] = False,
    json: Json = False,
) -> None:
    """Search all that an owner keeps, by meaning and by words.

    Found are passages of what was said, written and saved, and what was made of it: stories,
    quotes, advice, summaries, letters. A filter leaves out what does not match it.

    Words, "phrases", -exclusions and `or` are understood as in a web search. A record is one hit.
    Words of the query are marked: with *asterisks* where the output is no terminal, and with
    offsets into the text under --json.
    """
    from keepsake.database import database_url
    from keepsake.owners.owners import find_owner
    from keepsake.search.filters import Filters
    from keepsake.search.search import search_once
    from keepsake.settings import load_settings

    filters = Filters(
        line=line,
        person=person,
        tag=tag,
        since=since.date() if since else None,
        until=until.date() if until else None,
        kind=kind,
    )
    settings = load_settings()
    with open_database(settings) as connection:
        home = find_owner(connection, owner)
        answer = asyncio.run(
            search_once(
                database_url(settings),
                settings,
                query,
                owner_id=home.id,
                filters=filters,
                limit=limit,
                however_far=everything,
            )
        )
    if json:
        print_json(answer.hits)
    else:
        out = console()
        for hit in answer.hits:
            _print(hit, out, scores=scores)
    for remark in _remarks(answer, home.name):
        console(stderr=json).print(remark)  # a script reads one document and nothing else


def _remarks(answer: "Answer", name: str) -> list[str]:
    """What there is to say beside the hits."""
    from keepsake.search.words import embedding_steps

    remarks = []
    if answer.words_only:
        remarks.append(
            "The embeddings model does not answer, so this was searched by words alone: "
            "`keepsake doctor` says why."
        )
    if not answer.hits and answer.anything:
        farther = " `--all` shows the nearest, however far." if answer.anything_near else ""
        remarks.append(f"Nothing that {name} keeps is near to this.{farther}")
    elif not answer.hits and not answer.processing and not answer.of_other_models:
        remarks.append(f"{name} has nothing to search yet.")
    if answer.processing:
        are, their = ("is", "its") if answer.processing == 1 else ("are", "their")
        remarks.append(
            f"{counted(answer.processing, 'record')} of {name} {are} still being processed: "
            f"{their} text is searched by words only, as far as it is known."
        )
    if answer.of_other_models:
        steps = " and ".join(f"`{step}`" for step in embedding_steps())
        remarks.append(
            "Some records were embedded by another model and were searched by words only: "
            f"materialise {steps} to search them by meaning (docs/settings.md)."
        )
    return remarks


def _print(hit: "Hit", out: "Console", *, scores: bool) -> None:
    at = (
        ""
        if hit.starts_at is None
        else f", at {hit.starts_at // 60:.0f}:{hit.starts_at % 60:02.0f}"
    )
    out.print(hit.title or f"Record {hit.record_id}", style="bold")
    by = f"{hit.by}, " if hit.by else ""
    kind = "" if hit.kind == "passage" else f"{hit.kind} of "
    out.print(f"{by}{hit.recorded_at:%Y-%m-%d}{at} ({kind}record {hit.record_id})", style="dim")
    if scores:
        near = "by words only" if hit.similarity is None else f"similarity {hit.similarity:.3f}"
        out.print(f"{near}, score {hit.score:.4f}", style="dim")
    if hit.url:
        out.print(hit.url)
    _print_marked(hit, out)


def _print_marked(hit: "Hit", out: "Console") -> None:
    from rich.text import Text

    from keepsake.terminal.tables import CONTROLS

    text = Text()
    end = 0
    for start, stop in hit.marks:
        word = hit.text[start:stop]
        text.append(hit.text[end:start].translate(CONTROLS))
        text.append(word if out.is_terminal else f"*{word}*", style=MARKED)
        end = stop
    text.append(hit.text[end:].translate(CONTROLS))
    out.print(text, soft_wrap=not out.is_terminal)
    out.print()
