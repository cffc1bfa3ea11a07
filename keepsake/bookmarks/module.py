"""The bookmarks line as the rest of the library knows it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keepsake.line_module import ExportedTable, GivenField, LineModule, Results, TagTable, View

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer

    from keepsake.database import Connection
    from keepsake.pipeline.line import Line
    from keepsake.records.batches import Import


def _line() -> "Line":
    from keepsake.bookmarks.line import BOOKMARKS

    return BOOKMARKS


def _retitle(connection: "Connection", owner_id: int, record_id: int, title: str | None) -> str:
    from keepsake.bookmarks.bookmark import retitle

    return retitle(connection, owner_id, record_id, title)


def _tag(connection: "Connection", owner_id: int, record_id: int, tag: str) -> None:
    from keepsake.bookmarks import bookmark

    bookmark.tag(connection, owner_id, record_id, tag)


def _view() -> View:
    from keepsake.bookmarks.show import VIEW

    return VIEW


def _results() -> Results:
    from keepsake.bookmarks.results import RESULTS

    return RESULTS


def _add_commands(add: "Typer", importing: "Typer", main: "Typer") -> None:
    from keepsake.bookmarks import commands

    add.command()(commands.bookmark)
    importing.command()(commands.bookmarks)


def _exported() -> Sequence[ExportedTable]:
    from keepsake.bookmarks.exported import TABLES

    return TABLES


def _routers() -> "Sequence[APIRouter]":
    from keepsake.bookmarks import import_pages, pages, routes

    return [routes.router, import_pages.router, pages.router]


def _import() -> "Import":
    from keepsake.bookmarks.imports import import_file

    return import_file


MODULE = LineModule(
    name="bookmarks",
    records="bookmarks",
    load_line=_line,
    about="""
        SELECT coalesce(bookmarks.title, pages.title), bookmarks.url, pages.site, pages.url
        FROM bookmarks LEFT JOIN pages USING (record_id)
        WHERE bookmarks.record_id = r.id
    """,
    words=(
        ("bookmarks", "coalesce(title, '') || ' ' || translate(url, '/.-_?=&', '       ')"),
        ("pages", "coalesce(title, '') || ' ' || coalesce(site, '')"),
    ),
    text="""
        SELECT coalesce(pages.text, concat_ws(' ', bookmarks.title, bookmarks.content))
        FROM bookmarks LEFT JOIN pages USING (record_id)
        WHERE bookmarks.record_id = r.id
    """,
    kinds=("page", "summary", "tag"),
    of_person="""
        SELECT record_id FROM pages
        WHERE owner_id = %(owner)s AND lower(site) = lower(%(person)s)
    """,
    embeddings="bookmark_embeddings",
    fields={
        "title": GivenField(
            "SELECT title FROM bookmarks WHERE record_id = r.id",
            _retitle,
            # Not `pages`: the page is not fetched again.
            steps=("summaries", "keywords", "bookmark_embeddings"),
        )
    },
    tags=TagTable("keywords", "keyword", "folded", add=_tag),
    load_view=_view,
    load_results=_results,
    add_commands=_add_commands,
    load_import=_import,
    load_exported=_exported,
    load_routers=_routers,
    section="Bookmarks",
)
