"""Pages from templates: the frame that all share, the nonce of their scripts, and errors as pages.

Templates of a line are in its folder `templates/` and extend `base.html.j2` of this room. A page of
an owner has the owner in its path, `/o/{owner}/...`, and gets what the frame shows by `for_page`:

    @router.get("/o/{owner}/family")
    async def home(page: Annotated[OwnerPage, for_page("read")]) -> Response:
        return page.render(TEMPLATES / "home.html.j2", stories=await page.call(...))
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from psycopg.sql import SQL

from keepsake.database import Connection
from keepsake.http.callers import OwnerCaller, for_named_owner
from keepsake.http.problems import Problem
from keepsake.owners.owners import find_owner
from keepsake.text.moments import clock, day, when
from keepsake.text.templates import environment

if TYPE_CHECKING:
    from jinja2 import Environment

_BASE = Path(__file__).parent / "templates"
# What answers programs even when a browser asks.
_PROGRAMS = ("/api/", "/feeds/", "/static/", "/openapi.json")
# Nothing from elsewhere, and no code in the text of a page.
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; font-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "
    "worker-src 'self'"
)
_HEADERS = {
    "Cache-Control": "private, no-store",
    "Vary": "HX-Request",
}


class Revalidated(StaticFiles):
    """Files that browsers keep, and ask each time whether they still hold."""

    def file_response(self, *args: Any, **named: Any) -> Response:
        """See Starlette."""
        response = super().file_response(*args, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


@dataclass(frozen=True)
class Section:
    """A line's part of an owner's pages, at `/o/OWNER/NAME`.

    `needs` is that of the line's module: who has what it asks for sees the section.
    """

    name: str
    title: str
    needs: str | None


@dataclass(frozen=True)
class OwnerPage(OwnerCaller):
    """A request for a page of one owner, with what the frame shows around it.

    Attributes:
        request: what is asked.
        slug, name, zone: of the owner.
        sections: those that the owner has something in, or may begin with at once.
    """

    request: Request
    slug: str
    name: str
    zone: ZoneInfo
    sections: tuple[Section, ...]

    def render(
        self,
        template: Path,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """The page; its template gets this as `page`."""
        return render(self.request, template, status=status, headers=headers, page=self, **values)

    @property
    def at(self) -> str:
        """Where the owner's pages begin."""
        return f"/o/{self.slug}"

    @property
    def asks_for_part(self) -> bool:
        """Whether a script asks, to put a part of the page into the one that is shown."""
        return self.request.headers.get("hx-request") == "true"

    def may(self, permission: str) -> bool:
        """Whether the caller may do that for the owner."""
        return self.principal.may(self.owner_id, permission)

    def day(self, moment: datetime) -> str:
        """The day of a moment where the owner lives: `4 May 2026`."""
        return day(moment.astimezone(self.zone))

    def when(self, moment: datetime) -> str:
        """A moment where the owner lives: `4 May 2026, 12:30`."""
        return f"{self.day(moment)}, {moment.astimezone(self.zone):%H:%M}"


def for_page(permission: str) -> Any:
    """A dependency: a page of the owner that the path names, as `{owner}`."""

    async def find(
        request: Request, caller: Annotated[OwnerCaller, for_named_owner(permission)]
    ) -> OwnerPage:
        return await owner_page(request, caller)

    return Depends(find)


async def owner_page(request: Request, caller: OwnerCaller) -> OwnerPage:
    """A page of the owner whom a request acts for."""
    return await caller.call(_owner_page, request, caller)


def _owner_page(connection: Connection, request: Request, caller: OwnerCaller) -> OwnerPage:
    owner = find_owner(connection, str(caller.owner_id))
    return OwnerPage(
        owner_id=caller.owner_id,
        principal=caller.principal,
        state=caller.state,
        request=request,
        slug=owner.slug,
        name=owner.name,
        zone=owner.zone,
        sections=tuple(
            section
            for section in request.app.state.sections
            if _has(connection, caller.owner_id, section)
        ),
    )


def _has(connection: Connection, owner_id: int, section: Section) -> bool:
    row = connection.execute(
        SQL(
            "SELECT EXISTS (SELECT FROM records WHERE owner_id = %(owner)s AND line = %(line)s)"
            " OR {needs}"
        ).format(needs=SQL(section.needs or "false")),
        {"owner": owner_id, "line": section.name},
    ).fetchone()
    return row == (True,)


def render(
    request: Request,
    template: Path,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page, or a part of one, from a template."""
    text = (
        _environment(template.parent)
        .get_template(template.name)
        .render(request=request, nonce=nonce(request), **values)
    )
    policy = {"Content-Security-Policy": _POLICY.format(nonce=nonce(request))}
    return HTMLResponse(text, status, {**_HEADERS, **policy, **(headers or {})})


@cache
def _environment(folder: Path) -> "Environment":
    templates = environment(folder, _BASE)
    templates.filters.update(clock=clock, day=day, when=when)
    return templates


def nonce(request: Request) -> str:
    """The value that scripts and styles of this answer carry; its policy allows no others."""
    if not hasattr(request.state, "nonce"):
        request.state.nonce = secrets.token_urlsafe(16)
    value: str = request.state.nonce
    return value


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page."""
    accepts_html = "text/html" in request.headers.get("accept", "")
    return accepts_html and not request.url.path.startswith(_PROGRAMS)


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:  # no script of ours sent that
        return "/"


def problem_page(request: Request, problem: Problem) -> Response:
    """A problem as a page; who has to sign in is led there, and back afterwards."""
    if problem.code == "unauthenticated" and request.headers.get("hx-request"):
        # Not for the part that the script asked for, but for the page around it.
        shown = quote(_path(request.headers.get("hx-current-url", "/")))
        return Response(headers={"HX-Redirect": f"/sign-in?next={shown}"})
    if problem.code == "unauthenticated" and request.method in ("GET", "HEAD"):
        back = quote(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
        return RedirectResponse(f"/sign-in?next={back}", 303)
    return render(
        request,
        _BASE / "problem.html.j2",
        status=problem.status_code,
        headers=dict(problem.headers or {}),
        problem=problem,
    )
