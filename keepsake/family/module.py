"""The family line as the rest of the library knows it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keepsake.line_module import ExportedTable, LineModule, MadeField, Results, TagTable, View

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer

    from keepsake.database import Connection
    from keepsake.pipeline.line import Line


def _line() -> "Line":
    from keepsake.family.line import FAMILY

    return FAMILY


def _tag(connection: "Connection", owner_id: int, record_id: int, value: str) -> None:
    from keepsake.family.response import tag

    tag(connection, owner_id, record_id, value)


def _untagged(connection: "Connection", owner_id: int, values: Sequence[str]) -> list[str]:
    from keepsake.family.response import forget_unused

    return forget_unused(connection, owner_id, values)


def _view() -> View:
    from keepsake.family.show import VIEW

    return VIEW


def _results() -> Results:
    from keepsake.family.results import RESULTS

    return RESULTS


def _add_commands(add: "Typer", importing: "Typer", main: "Typer") -> None:
    from keepsake.family import commands, prompts_command

    for command in (commands.family, commands.member, commands.response):
        add.command()(command)
    main.command("prompts", rich_help_panel="Records")(prompts_command.prompts)
    main.command("vocabulary", rich_help_panel="Owners")(commands.vocabulary)


def _exported() -> Sequence[ExportedTable]:
    from keepsake.family.exported import TABLES

    return TABLES


def _routers() -> Sequence["APIRouter"]:
    from keepsake.family import pages, routes, uploads
    from keepsake.family.feed import routes as feed_routes

    return (routes.router, uploads.router, feed_routes.router, pages.router)


MODULE = LineModule(
    name="family",
    records="responses",
    load_line=_line,
    about="""
        SELECT coalesce((SELECT value FROM edits WHERE record_id = r.id AND field = 'title'
                         ORDER BY edits.id DESC LIMIT 1), stories.title),
               CASE WHEN responses.text IS NULL THEN 'spoken by ' ELSE 'written by ' END
               || members.name,
               members.name, NULL
        FROM responses
        LEFT JOIN members ON members.id = responses.member_id
        LEFT JOIN stories ON stories.record_id = responses.record_id
        WHERE responses.record_id = r.id
    """,
    words=(
        ("stories", "title || ' ' || summary"),
        ("responses", "coalesce(text, '')"),
    ),
    text="""
        SELECT coalesce(transcripts.text, responses.text)
        FROM responses LEFT JOIN transcripts USING (record_id)
        WHERE responses.record_id = r.id
    """,
    kinds=("story", "quote", "wisdom", "tag"),
    of_person="""
        SELECT responses.record_id FROM responses JOIN members ON members.id = responses.member_id
        WHERE responses.owner_id = %(owner)s AND lower(members.name) = lower(%(person)s)
    """,
    embeddings="embeddings",
    fields={
        "title": MadeField("stories", "SELECT title FROM stories WHERE record_id = r.id"),
        "transcript": MadeField(
            "transcripts", "SELECT text FROM transcripts WHERE record_id = r.id"
        ),
        "story": MadeField("stories", "SELECT text FROM stories WHERE record_id = r.id"),
    },
    tags=TagTable("tags", "value", "value", add=_tag, removed=_untagged),
    load_view=_view,
    load_results=_results,
    add_commands=_add_commands,
    load_exported=_exported,
    load_routers=_routers,
    section="Stories",
    needs="EXISTS (SELECT FROM families WHERE owner_id = %(owner)s)",
)
