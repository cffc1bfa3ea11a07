"""A person's own page: who they are here, where they are signed in, whose records they may see."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.accounts.sessions import end_all_sessions, end_session, sessions
from keepsake.database import Connection
from keepsake.http.callers import SignedIn
from keepsake.http.pages import render
from keepsake.http.problems import Problem
from keepsake.http.session_cookie import delete_session_cookie
from keepsake.http.state import ForState

TEMPLATES = Path(__file__).parent / "templates"
router = APIRouter(prefix="/account", include_in_schema=False)


@router.get("")
async def account(request: Request, state: ForState, caller: SignedIn) -> Response:
    """The page."""
    own = await state.call(sessions, _person(caller))
    return render(request, TEMPLATES / "account.html.j2", caller=caller, sessions=own)


@router.post("/sessions/{session_id}/end")
async def end_one(session_id: int, state: ForState, caller: SignedIn) -> Response:
    """Sign out one device."""
    if not await state.call(_end, caller, session_id):
        raise Problem("not_found", f"there is no session {session_id}")
    return RedirectResponse("/account", 303)


@router.post("/sign-out-everywhere")
async def end_all(request: Request, state: ForState, caller: SignedIn) -> Response:
    """Sign out all devices, this one too."""
    await state.call(_end, caller, None)
    response = RedirectResponse("/sign-in", 303)
    delete_session_cookie(request, response)
    return response


def _end(connection: Connection, caller: Principal, session_id: int | None) -> bool:
    user_id = _person(caller)
    detail = "all" if session_id is None else f"session {session_id}"
    record_write(connection, caller, "session.end", owner_id=None, detail=detail)
    if session_id is None:
        return end_all_sessions(connection, user_id) > 0
    return end_session(connection, session_id, user_id=user_id)


def _person(caller: Principal) -> int:
    """The user who asks.

    Raises:
        Problem: a program asks.
    """
    if caller.user_id is None or caller.token_id is not None:
        raise Problem("forbidden", "this is for people who have signed in, not for tokens")
    return caller.user_id
