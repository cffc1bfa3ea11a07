"""Who may do what for an owner: its members and its tokens, for those who manage it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.audit import record_write, writes
from keepsake.accounts.permissions import PERMISSIONS, ROLES
from keepsake.accounts.principal import Principal
from keepsake.accounts.tokens import Token, expiry, tokens
from keepsake.accounts.users import (
    User,
    add_user,
    check_manager_left,
    find_user,
    memberships,
    remove_member,
    set_role,
)
from keepsake.api.tokens import may_hand_on, new_token, revoke
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.http.pages import OwnerPage, for_page

TEMPLATES = Path(__file__).parent / "templates"
WRITES = 30  # shown, the newest
router = APIRouter(prefix="/o/{owner}/access", include_in_schema=False)

Managed = Annotated[OwnerPage, for_page("manage")]


@router.get("")
async def access(page: Managed) -> Response:
    """The page."""
    return await _show(page)


@router.post("/members")
async def set_member(
    page: Managed,
    email: Annotated[str, Form()],
    role: Annotated[str, Form()],
    name: Annotated[str, Form()] = "",
) -> Response:
    """Add a member, change what one may do, or with the role `none` end the membership."""
    return await _change(page, _set_member, page, email, name, role)


@router.post("/tokens")
async def create(
    page: Managed,
    name: Annotated[str, Form()],
    expires: Annotated[str, Form()],
    scopes: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Make a token, and show it this once."""
    try:
        secret, token = await page.state.call(
            new_token, page.principal, page.owner_id, name, scopes or [], expiry(expires)
        )
    except InvalidInput as error:
        return await _show(page, problem=str(error))
    return await _show(page, made=token, secret=secret)


@router.post("/tokens/{token_id}/revoke")
async def revoke_one(page: Managed, token_id: int) -> Response:
    """Refuse a token from now on."""
    return await _change(page, revoke, page.principal, token_id)


async def _change(page: OwnerPage, change: Callable[..., Any], *args: Any) -> Response:
    try:
        await page.state.call(change, *args)
    except InvalidInput as error:
        return await _show(page, problem=str(error))
    return RedirectResponse(f"{page.at}/access", 303)


async def _show(
    page: OwnerPage, *, problem: str = "", made: Token | None = None, secret: str = ""
) -> Response:
    owner_id = page.owner_id
    return page.render(
        TEMPLATES / "access.html.j2",
        status=422 if problem else 200,
        problem=problem,
        made=made,
        secret=secret,
        members=await page.state.call(memberships, owner_id=owner_id),
        tokens=await page.state.call(tokens, owner_id),
        writes=await page.state.call(writes, owner_id=owner_id, limit=WRITES),
        roles=_roles_to_give(page.principal, owner_id),
        scopes={
            scope: what
            for scope, what in PERMISSIONS.items()
            if scope in may_hand_on(page.principal, owner_id)
        },
    )


def _set_member(connection: Connection, page: OwnerPage, email: str, name: str, role: str) -> None:
    if role == "none":
        user = find_user(connection, email)
        remove_member(connection, owner_id=page.owner_id, user_id=user.id)
    else:
        if role in ROLES and role not in _roles_to_give(page.principal, page.owner_id):
            raise InvalidInput(
                f"you may not make somebody {role}: that may do more than you may yourself"
            )
        user = _user(connection, page.principal, email, name)
        set_role(connection, owner_id=page.owner_id, user_id=user.id, role=role)
    if not page.principal.operator:
        check_manager_left(connection, page.owner_id)
    detail = f"user {user.id}: {role}"
    record_write(connection, page.principal, "member.set", owner_id=page.owner_id, detail=detail)


def _roles_to_give(caller: Principal, owner_id: int) -> list[str]:
    """Those that may do no more than the caller, whose token may be for a part of it."""
    own = may_hand_on(caller, owner_id)
    return [role for role, permissions in ROLES.items() if permissions <= own]


def _user(connection: Connection, caller: Principal, email: str, name: str) -> User:
    """The user of that address, added if there is none."""
    try:
        return find_user(connection, email)
    except InvalidInput:
        user = add_user(connection, email, name.strip() or email.partition("@")[0])
        record_write(connection, caller, "user.add", owner_id=None, detail=f"user {user.id}")
        return user
