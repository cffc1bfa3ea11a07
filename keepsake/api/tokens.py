"""Tokens over HTTP: those of an owner are listed, made and revoked by who manages it."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from keepsake.accounts.audit import record_write
from keepsake.accounts.permissions import PERMISSIONS
from keepsake.accounts.principal import Principal
from keepsake.accounts.tokens import Token, create_token, expiry, find_token, revoke_token, tokens
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.http.callers import OwnerCaller, SignedIn, for_owner
from keepsake.http.problems import Problem
from keepsake.http.state import ForState

router = APIRouter(prefix="/api/tokens", tags=["accounts"])

Managed = Annotated[OwnerCaller, for_owner("manage")]


class ListedToken(BaseModel):
    """A token as it is listed: not the token itself."""

    id: int
    owner: str = Field(description="Short name.", examples=["the-marlows"])
    name: str = Field(description="What it is for.", examples=["Rose's phone"])
    prefix: str = Field(description="Its first characters.", examples=["ksp_4hTx"])
    last_four: str = Field(description="Its last characters.", examples=["9aQz"])
    scopes: list[str] = Field(examples=[["read", "ingest"]])
    user: str | None = Field(description="Name of the person whose it is.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Null: never.")
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class NewToken(BaseModel):
    """A token to make."""

    name: str = Field(max_length=200, examples=["Rose's phone"])
    scopes: list[str] = Field(
        min_length=1, max_length=4, description="What it may do.", examples=[["read", "ingest"]]
    )
    expires: str = Field(
        "90d",
        max_length=20,
        description="How long it is good: `90d`, `12h`, a last day (`2027-01-31`) or `never`.",
    )


class MadeToken(ListedToken):
    """A token that was made, with the token itself, which is not shown again."""

    token: str = Field(examples=["ksp_..."])


@router.get("")
async def list_tokens(caller: Managed) -> list[ListedToken]:
    """The tokens of an owner, newest first, also those that are refused."""
    return [_listed(token) for token in await caller.state.call(tokens, caller.owner_id)]


@router.post("", status_code=201)
async def create_token_of_owner(caller: Managed, new: NewToken, response: Response) -> MadeToken:
    """Make a token for an owner. It may do no more than who makes it."""
    until = expiry(new.expires)
    secret, token = await caller.state.call(
        new_token, caller.principal, caller.owner_id, new.name, new.scopes, until
    )
    response.headers["Location"] = f"/api/tokens/{token.id}"
    response.headers["Cache-Control"] = "no-store"
    return MadeToken(token=secret, **_listed(token).model_dump())


@router.delete("/{token_id}", status_code=204)
async def revoke_token_of_owner(
    token_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    caller: SignedIn,
    state: ForState,
) -> None:
    """Refuse a token from now on."""
    await state.call(revoke, caller, token_id)


def new_token(
    connection: Connection,
    caller: Principal,
    owner_id: int,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None,
) -> tuple[str, Token]:
    """Make a token, bound to the person who makes it if they are a member.

    Raises:
        InvalidInput: the caller may not do what it is to do, or it is no token that can be made.
    """
    if beyond := sorted(set(scopes) & set(PERMISSIONS) - may_hand_on(caller, owner_id)):
        raise InvalidInput(f"you may not do what the scope {beyond[0]!r} allows: leave it away")
    secret, token = create_token(
        connection,
        name,
        owner_id=owner_id,
        scopes=scopes,
        user_id=caller.user_id if owner_id in caller.owners else None,
        expires_at=expires_at,
    )
    detail = f"token {token.id}"
    record_write(connection, caller, "token.create", owner_id=owner_id, detail=detail)
    return secret, token


def may_hand_on(caller: Principal, owner_id: int) -> frozenset[str]:
    """What a token may do that the caller makes: what they may do themselves."""
    return frozenset(what for what in PERMISSIONS if caller.may(owner_id, what))


def revoke(connection: Connection, caller: Principal, token_id: int) -> None:
    """Revoke a token of an owner whom the caller manages.

    Raises:
        Problem: there is no such token for them.
    """
    try:
        token = find_token(connection, token_id)
    except InvalidInput:
        token = None
    managed = token is not None and (
        caller.operator if token.owner_id is None else caller.may(token.owner_id, "manage")
    )
    if token is None or not managed:
        raise Problem("not_found", f"there is no token {token_id}")
    revoke_token(connection, token_id)
    detail = f"token {token_id}"
    record_write(connection, caller, "token.revoke", owner_id=token.owner_id, detail=detail)


def _listed(token: Token) -> ListedToken:
    return ListedToken.model_validate({**vars(token), "user": token.user}, extra="ignore")
