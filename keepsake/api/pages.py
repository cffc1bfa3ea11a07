"""Pages that are of no line: where people land, search, and the description of the API."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.principal import Principal
from keepsake.http.callers import SignedIn
from keepsake.http.pages import OwnerPage, for_page, render
from keepsake.http.state import ForState, State
from keepsake.search.filters import Filters
from keepsake.search.search import search

TEMPLATES = Path(__file__).parent / "templates"
HITS = 20  # on one page
MOST_OWNERS = 200  # on the page where an operator chooses one

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start(request: Request, caller: SignedIn, state: ForState) -> Response:
    """The pages of the only owner, or a choice of owners."""
    owners = await _owners(state, caller)
    if len(owners) == 1:
        return RedirectResponse(f"/o/{owners[0][0]}", 303)
    return render(request, TEMPLATES / "owners.html.j2", owners=owners, caller=caller)


@router.get("/o/{owner}")
async def owner_start(page: Annotated[OwnerPage, for_page("read")]) -> Response:
    """The first section of an owner; of one who has none yet, a page that says how to begin."""
    if page.sections:
        return RedirectResponse(f"{page.at}/{page.sections[0].name}", 303)
    sections = page.request.app.state.sections
    return page.render(TEMPLATES / "begin.html.j2", begin=[s for s in sections if not s.needs])


@router.get("/o/{owner}/search")
async def search_page(
    page: Annotated[OwnerPage, for_page("read")],
    q: Annotated[str, Query(max_length=1000)] = "",
    line: str = "",
    person: str = "",
    tag: str = "",
) -> Response:
    """A search in all that an owner keeps, and what it finds."""
    answer = None
    if q.strip():
        answer = await search(
            page.state.pool,
            await page.state.embeddings.now(),
            q,
            owner_id=page.owner_id,
            filters=Filters(line or None, person or None, tag or None),
            limit=HITS,
        )
    asked = {"q": q, "line": line, "person": person, "tag": tag}
    return page.render(TEMPLATES / "search.html.j2", asked=asked, answer=answer)


@router.get("/docs")
async def api_description(request: Request) -> Response:
    """The API, written from its own document."""
    document = request.app.openapi()
    return render(request, TEMPLATES / "docs.html.j2", document=document, groups=_groups(document))


async def _owners(state: State, caller: Principal) -> list[tuple[str, str]]:
    """Short name and name of those whose pages the caller may see."""
    async with state.pool.connection() as connection:
        found = await connection.execute(
            "SELECT slug, name FROM owners WHERE %s OR id = ANY(%s) ORDER BY name, slug LIMIT %s",
            (caller.operator and not caller.owners, list(caller.owners), MOST_OWNERS),
        )
        return await found.fetchall()


def _groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The operations by their first tag, each with its method and its path."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["more"])[0]
            groups.setdefault(tag, []).append({"method": method, "path": path, **operation})
    return groups
