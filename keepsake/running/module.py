"""The running line as the rest of the library knows it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keepsake.line_module import ExportedTable, GivenField, LineModule, Results, View

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer

    from keepsake.database import Connection
    from keepsake.pipeline.line import Line
    from keepsake.records.batches import Import


def _line() -> "Line":
    from keepsake.running.line import RUNNING

    return RUNNING


def _retitle(connection: "Connection", owner_id: int, record_id: int, title: str | None) -> str:
    from keepsake.running.activity import retitle

    return retitle(connection, owner_id, record_id, title)


def _view() -> View:
    from keepsake.running.show import VIEW

    return VIEW


def _results() -> Results:
    from keepsake.running.results import RESULTS

    return RESULTS


def _add_commands(add: "Typer", importing: "Typer", main: "Typer") -> None:
    from keepsake.running import commands, digest_command

    add.command()(commands.activity)
    importing.command()(commands.activities)
    main.command("digest", rich_help_panel="Records")(digest_command.digest)


def _exported() -> Sequence[ExportedTable]:
    from keepsake.running.exported import TABLES

    return TABLES


def _routers() -> Sequence["APIRouter"]:
    from keepsake.running import import_pages, pages, routes

    return (routes.router, pages.router, import_pages.router)


def _import() -> "Import":
    from keepsake.running.imports import import_activities

    return import_activities


MODULE = LineModule(
    name="running",
    records="activities",
    load_line=_line,
    about="SELECT title, file_name, NULL, NULL FROM activity_files WHERE record_id = r.id",
    words=(("activity_files", "coalesce(title, '') || ' ' || translate(file_name, '.-_', '   ')"),),
    kinds=("activity", "letter", "insight"),
    fields={
        "title": GivenField(
            "SELECT title FROM activity_files WHERE record_id = r.id",
            _retitle,
            steps=("letters", "coaching_insights"),
        )
    },
    load_view=_view,
    load_results=_results,
    add_commands=_add_commands,
    load_import=_import,
    load_exported=_exported,
    load_routers=_routers,
    section="Running",
)
