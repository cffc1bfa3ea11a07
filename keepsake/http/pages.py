"""Pages from templates: the frame that all share, the nonce of their scripts, and errors as pages.

Templates of a line are in its folder `templates/` and extend `base.html.j2` of this room.
"""

import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from keepsake.http.problems import Problem
from keepsake.text.moments import clock, day, when
from keepsake.text.templates import environment

if TYPE_CHECKING:
    from jinja2 import Environment

_BASE = Path(__file__).parent / "templates"
# What answers programs even when a browser asks.
_PROGRAMS = ("/api/", "/feeds/", "/static/", "/openapi.json")


def render(
    request: Request,
    template: Path,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page, or a part of one, from a template."""
    page = _environment(template.parent).get_template(template.name)
    text = page.render(request=request, nonce=nonce(request), **values)
    return HTMLResponse(text, status, headers)


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


def problem_page(request: Request, problem: Problem) -> Response:
    """A problem as a page; who has to sign in is led there, and back afterwards."""
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
