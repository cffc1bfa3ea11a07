"""Signing in and out: the pages for a mailed link or code.

Opening a link uses up nothing: scanners of mail open links too. A person presses the button.
"""

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.accounts.sessions import end_session, start_session
from keepsake.accounts.sign_in import SignIn, is_open, request_sign_in, use_code, use_link
from keepsake.database import Connection
from keepsake.delivery.sign_in_mail import send_sign_in_mail
from keepsake.errors import InvalidInput
from keepsake.http.callers import principal_if_any
from keepsake.http.pages import render
from keepsake.http.rate_limits import address_key
from keepsake.http.session_cookie import delete_session_cookie, set_session_cookie
from keepsake.http.state import ForState, State

TEMPLATES = Path(__file__).parent / "templates"
_OWN_PATH = re.compile(r"/(?:[!-.0-\[\]-~][!-~]*)?")  # not //host, nor what browsers read as that

router = APIRouter(include_in_schema=False)

Caller = Annotated[Principal | None, Depends(principal_if_any)]
Next = Annotated[str, Form()]


async def count_try(request: Request, state: ForState) -> None:
    """Count a try to sign in. Raises `Problem` when the address tries too often."""
    key = f"sign-in {address_key(request)}"
    await state.limits.count(key, state.settings.rate_limit_sign_in)


_COUNTED = [Depends(count_try)]


@router.get("/sign-in")
async def ask_for_address(
    request: Request, state: ForState, caller: Caller, next: str = "/"
) -> Response:
    """The form for an address; who is signed in goes on to where they wanted."""
    if caller is not None:
        return RedirectResponse(own_path(next), 303)
    return _page(request, "sign_in", next=own_path(next), **_asks(state))


@router.post("/sign-in", dependencies=_COUNTED)
async def send_link(
    request: Request, state: ForState, email: Annotated[str, Form()], next: Next = "/"
) -> Response:
    """Send link and code, if the address is a user's; the answer is the same if it is not."""
    next = own_path(next)
    try:
        sign_in = await state.call(request_sign_in, email)
    except InvalidInput as error:
        return _page(request, "sign_in", status=422, next=next, problem=str(error), **_asks(state))
    if sign_in is not None and _sends_mail(state):
        _send_later(state, sign_in)
    return _page(request, "sign_in_code", next=next, email=email, mails=_sends_mail(state))


@router.get("/sign-in/code")
async def ask_for_code(request: Request, state: ForState) -> Response:
    """The form for a code that came another way than by mail."""
    return _page(request, "sign_in_code", next="/", email="", mails=_sends_mail(state))


@router.post("/sign-in/code", dependencies=_COUNTED)
async def sign_in_by_code(
    request: Request,
    state: ForState,
    caller: Caller,
    email: Annotated[str, Form()],
    code: Annotated[str, Form(max_length=20)],
    next: Next = "/",
) -> Response:
    """Sign in with a code."""
    next = own_path(next)
    try:
        user_id = await state.call(use_code, email, code)
        problem = "This code is wrong, used or too old, or was tried too often."
    except InvalidInput as error:
        user_id, problem = None, str(error)
    if user_id is None:
        return _page(
            request,
            "sign_in_code",
            status=422,
            next=next,
            email=email,
            mails=_sends_mail(state),
            problem=problem,
        )
    return await signed_in(request, state, caller, user_id, next)


@router.get("/sign-in/{link}")
async def show_button(request: Request, state: ForState, link: str) -> Response:
    """The button that signs in. This page alone does not."""
    usable = await state.call(is_open, link)
    return _page(request, "sign_in_link", status=200 if usable else 404, usable=usable)


@router.post("/sign-in/{link}", dependencies=_COUNTED)
async def sign_in_by_link(request: Request, state: ForState, caller: Caller, link: str) -> Response:
    """Sign in with a link."""
    user_id = await state.call(use_link, link)
    if user_id is None:
        return _page(request, "sign_in_link", status=404, usable=False)
    return await signed_in(request, state, caller, user_id, "/")


@router.post("/sign-out")
async def sign_out(request: Request, state: ForState, caller: Caller) -> Response:
    """End the session of this browser."""
    if caller is not None and caller.session_id is not None and caller.user_id is not None:
        await state.call(end_session, caller.session_id, user_id=caller.user_id)
    response = RedirectResponse("/sign-in", 303)
    delete_session_cookie(request, response)
    return response


async def signed_in(
    request: Request, state: State, before: Principal | None, user_id: int, then: str
) -> Response:
    """Start a session in this browser, and go on."""
    agent = request.headers.get("user-agent", "")
    secret = await state.call(_start, before, user_id, agent)
    response = RedirectResponse(then, 303)
    set_session_cookie(request, response, secret)
    return response


def _start(connection: Connection, before: Principal | None, user_id: int, agent: str) -> str:
    """Start a session; the one that the browser had until now, if any, ends."""
    if before is not None and before.session_id is not None and before.user_id is not None:
        end_session(connection, before.session_id, user_id=before.user_id)
    record_write(connection, Principal(user_id, ""), "session.start", owner_id=None)
    return start_session(connection, user_id, user_agent=agent)


def _page(
    request: Request, name: str, *, status: int = 200, problem: str = "", **values: Any
) -> Response:
    template = TEMPLATES / f"{name}.html.j2"
    return render(request, template, status=status, problem=problem, **values)


def _asks(state: State) -> dict[str, Any]:
    """What the form offers: a mail, a provider by its name."""
    settings = state.settings
    return {"mails": _sends_mail(state), "provider": urlsplit(settings.oidc_issuer).hostname}


def _sends_mail(state: State) -> bool:
    return bool(state.settings.sign_in_mail.get_secret_value())


_mails: set[asyncio.Task[bool]] = set()  # a task that nothing holds may vanish


def _send_later(state: State, sign_in: SignIn) -> None:
    """Not before the answer, nor before the next on this connection: time would tell of users."""
    settings = state.settings
    task = asyncio.create_task(send_sign_in_mail(settings, sign_in, base_url=settings.base_url))
    _mails.add(task)
    task.add_done_callback(_mails.discard)


def own_path(path: str) -> str:
    """Where to go on, if that is a page here; else the first."""
    return path if _OWN_PATH.fullmatch(path) else "/"
