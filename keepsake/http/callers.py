"""Who asks, and for which owner: dependencies of routes.

    @router.post("/api/bookmarks")
    async def add(new: NewBookmark, caller: Annotated[OwnerCaller, for_owner("ingest")]): ...

A caller without a membership or a token of an owner learns nothing of that owner: what is another's
is answered like what is not there. What comes after goes through a transaction of the role that
sees one owner (`OwnerCaller.transaction`, `OwnerCaller.call`), so that a mistake in a route is
caught by the database.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from keepsake.accounts.principal import Principal, by_email, by_session, by_token
from keepsake.database import AsyncConnection, Connection, owner_transaction
from keepsake.http.problems import Problem
from keepsake.http.rate_limits import address_key
from keepsake.http.session_cookie import read_session_cookie
from keepsake.http.state import ForState, State, state_of
from keepsake.owners.owners import Owner, find_owner

P = ParamSpec("P")
T = TypeVar("T")

token_scheme = HTTPBearer(
    auto_error=False, scheme_name="token", description="`keepsake token create`"
)
_cookie = APIKeyCookie(
    name="keepsake_session",
    auto_error=False,
    scheme_name="session",
    description="Of a browser that has signed in; behind https its name is `__Host-keepsake`.",
)


async def principal_if_any(request: HTTPConnection) -> Principal | None:
    """Who asks; None: they have not signed in. A token that is sent is what counts.

    Raises:
        Problem: they, or those of their address who have not signed in, ask too often.
    """
    return await principal_with(request, bearer_token(request))


async def principal_with(request: HTTPConnection, token: str) -> Principal | None:
    """The same with a token that did not come in a header; '': without one.

    Raises:
        Problem: as above.
    """
    state = state_of(request)
    request.state.principal = found = await _look_up(request, state, token)
    request.state.caller = key = address_key(request) if found is None else _key(found)
    settings = state.settings
    await state.limits.count(key, settings.rate_limit if found else settings.rate_limit_address)
    return found


def who_asked(request: HTTPConnection) -> Principal | None:
    """Who asks, where that has been looked up before; None: not yet, or they have not signed in."""
    found: Principal | None = getattr(request.state, "principal", None)
    return found


async def _look_up(request: HTTPConnection, state: State, token: str) -> Principal | None:
    if token:
        return await by_token(state.pool, token)
    if email := forwarded_email(request):
        return await by_email(state.pool, email)
    return await by_session(state.pool, read_session_cookie(request))


def _key(caller: Principal) -> str:
    """By whom requests are counted and logged: an id."""
    if caller.token_id is not None:
        return f"token {caller.token_id}"
    if caller.session_id is not None:
        return f"session {caller.session_id}"
    return f"user {caller.user_id}"


def bearer_token(request: HTTPConnection) -> str:
    """The token that a program sends; '' if it sends none."""
    return token_in(request.headers.get("authorization", ""))


def token_in(authorization: str) -> str:
    """The token in `Bearer ...`; '' if it says something else."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def forwarded_email(request: HTTPConnection) -> str:
    """The address of whom a trusted proxy has signed in; '' if none has. See `proxies.py`."""
    said = (request.headers.get(name, "") for name in ("remote-email", "remote-user"))
    return next((value for value in said if "@" in value), "")


async def principal(
    request: Request,
    _token: Annotated[Any, Security(token_scheme)],
    _session: Annotated[Any, Security(_cookie)],
) -> Principal:
    """Who asks.

    Raises:
        Problem: they have not signed in, or the token is not valid.
    """
    found = await principal_if_any(request)
    if found is None:
        raise Problem(
            "unauthenticated",
            "sign in, or send a token (`Authorization: Bearer ...`, see `keepsake token create`): "
            "what was sent is missing, not valid, expired or revoked",
            headers={"WWW-Authenticate": 'Bearer realm="keepsake"'},
        )
    return found


SignedIn = Annotated[Principal, Depends(principal)]
OfOwnerOrAll = Annotated[
    str | None,
    Query(
        description="Short name of the owner; not needed where there is only one. Operators who "
        "name none mean all owners and the system.",
        examples=["the-marlows"],
    ),
]


async def operator(caller: SignedIn) -> Principal:
    """Who asks, if they run this Keepsake.

    Raises:
        Problem: they do not.
    """
    if not caller.operator:
        raise Problem("forbidden", "this is for the operators of this Keepsake")
    return caller


@dataclass(frozen=True)
class OwnerCaller:
    """A request that acts for one owner, which its caller may do.

    Attributes:
        owner_id: for whom.
        principal: who asks.
        state: of the process.
    """

    owner_id: int
    principal: Principal
    state: State

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that sees this owner alone."""
        return owner_transaction(self.state.pool, self.owner_id)

    async def call(
        self,
        function: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **named: P.kwargs,
    ) -> T:
        """What a function of the library returns that is not asynchronous; see `State.call_as`."""
        return await self.state.call_as(self.owner_id, function, *args, **named)

    async def owner(self) -> Owner:
        """The owner itself."""
        return await self.call(find_owner, str(self.owner_id))


@dataclass(frozen=True)
class RecordCaller(OwnerCaller):
    """A request about one record, whose owner its caller may act for."""

    record_id: int


def for_owner(permission: str) -> Any:
    """A dependency: the caller with the owner that `?owner=` names, or the only one they have."""

    async def find(
        state: ForState,
        caller: SignedIn,
        owner: Annotated[
            str | None,
            Query(
                description="Short name of the owner; not needed where there is only one.",
                examples=["the-marlows"],
            ),
        ] = None,
    ) -> OwnerCaller:
        return await owner_caller(state, caller, owner, permission)

    return Depends(find)


def for_named_owner(permission: str) -> Any:
    """A dependency: the caller with the owner that the path names, as `{owner}`."""

    async def find(
        state: ForState,
        caller: SignedIn,
        owner: Annotated[str, Path(description="Short name.", examples=["the-marlows"])],
    ) -> OwnerCaller:
        return await owner_caller(state, caller, owner, permission)

    return Depends(find)


def for_record(permission: str) -> Any:
    """A dependency: the caller with the record that the path names, as `{record_id}`."""

    async def find(
        state: ForState,
        caller: SignedIn,
        record_id: Annotated[int, Path(ge=1, le=2**63 - 1, examples=[12])],
    ) -> RecordCaller:
        owner_id = await _owner_of_record(state, caller, record_id)
        _check(caller, owner_id, permission)
        return RecordCaller(owner_id, caller, state, record_id)

    return Depends(find)


async def owner_caller(
    state: State, caller: Principal, slug: str | None, permission: str
) -> OwnerCaller:
    """The caller with the owner of that short name; without one, the only owner they have.

    Raises:
        Problem: there is no such owner for them, they may not do this, or they must name one.
    """
    if slug is None and len(caller.owners) != 1:
        known = ", ".join(sorted(access.slug for access in caller.owners.values())[:10])
        raise Problem(
            "owner_required",
            f"say for which owner, as in ?owner=SLUG (yours: {known or 'none'})",
        )
    owner_id = next(
        (id for id, access in caller.owners.items() if slug in (None, access.slug)), None
    )
    if owner_id is None and caller.operator and slug is not None:
        owner_id = await _any_owner(state, slug)
    if owner_id is None:
        raise Problem("not_found", f"there is no owner {slug!r} here")
    _check(caller, owner_id, permission)
    return OwnerCaller(owner_id, caller, state)


async def _any_owner(state: State, slug: str) -> int | None:
    async with state.pool.connection() as connection:
        found = await connection.execute(
            "SELECT id FROM owners WHERE slug = %s", (slug.replace("\x00", ""),)
        )
        row = await found.fetchone()
    return row[0] if row else None


async def _owner_of_record(state: State, caller: Principal, record_id: int) -> int:
    """The owner of a record, among those that the caller may see.

    Raises:
        Problem: there is no such record for them.
    """
    if caller.operator:
        async with state.pool.connection() as connection:
            found = await connection.execute(
                "SELECT owner_id FROM records WHERE id = %s", (record_id,)
            )
            if row := await found.fetchone():
                return int(row[0])
    for owner_id in caller.owners:
        async with owner_transaction(state.pool, owner_id) as connection:
            found = await connection.execute(
                "SELECT FROM records WHERE id = %s AND owner_id = %s", (record_id, owner_id)
            )
            if await found.fetchone() is not None:
                return owner_id
    raise Problem("not_found", f"there is no record {record_id}")


def _check(caller: Principal, owner_id: int, permission: str) -> None:
    if not caller.may(owner_id, permission):
        raise Problem(
            "forbidden",
            f"this needs the permission {permission!r}, which this token or membership lacks",
        )
