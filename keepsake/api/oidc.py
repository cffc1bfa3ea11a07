"""Signing in at an OpenID Connect provider, where the extra `oidc` is installed and one is set.

The authorization code flow with PKCE. What belongs to one sign-in (state, nonce, verifier, where to
go on) waits in a cookie of the browser that began it, so that nobody is signed in by an answer to
another's question. A user is found by an address that the provider says it has verified, and by no
other; none is ever added.
https://openid.net/specs/openid-connect-core-1_0.html
"""

import base64
import hashlib
import json
import secrets
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx2
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.users import find_user
from keepsake.api.sign_in import TEMPLATES, Caller, count_try, own_path, signed_in
from keepsake.errors import InvalidInput, KeepsakeError
from keepsake.http.pages import render
from keepsake.http.session_cookie import is_https
from keepsake.http.state import State, state_of
from keepsake.settings import AccountSettings, Settings

CALLBACK = "/sign-in/oidc/callback"
_SECONDS = 10.0  # for each answer of the provider
_MINUTES = 10  # in which a person signs in there
_LEEWAY = 60  # seconds that its clock may be off
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]

# Before `/sign-in/{link}`, which would take these for links.
router = APIRouter(prefix="/sign-in/oidc", include_in_schema=False)

Here = Annotated[State, Depends(state_of)]


class OidcError(KeepsakeError):
    """The provider has not said who it is. The message is for the person who tried."""


@router.get("")
async def begin(request: Request, state: Here, next: str = "/") -> Response:
    """Lead to the provider."""
    settings = state.settings
    if not settings.oidc_issuer:
        return RedirectResponse("/sign-in", 303)
    try:
        provider = await _provider(settings)
    except OidcError as error:
        return _refused(request, error)
    waiting = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    digest = hashlib.sha256(waiting["verifier"].encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": settings.base_url + CALLBACK,
        "scope": "openid email profile",
        "state": waiting["state"],
        "nonce": waiting["nonce"],
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    response = RedirectResponse(f"{provider['authorization_endpoint']}?{urlencode(asked)}", 303)
    response.set_cookie(
        _cookie(request),
        base64.urlsafe_b64encode(json.dumps({**waiting, "next": own_path(next)}).encode()).decode(),
        max_age=_MINUTES * 60,
        secure=is_https(request),
        httponly=True,
        samesite="lax",  # the provider leads back by a link
    )
    return response


@router.get("/callback", dependencies=[Depends(count_try)])
async def finish(request: Request, state: Here, caller: Caller, code: str = "") -> Response:
    """Sign in whom the provider names."""
    waiting = _waiting(request)
    sent = request.query_params.get("state", "")
    try:
        if not waiting or not secrets.compare_digest(sent.encode(), waiting["state"].encode()):
            raise OidcError("this sign-in was not begun in this browser, or too long ago")
        if not code:
            raise OidcError("the provider did not sign you in")
        claims = await _claims(state.settings, code, waiting)
        if claims.get("email_verified") is not True:
            raise OidcError("the provider does not say that it has verified your address")
        user = await state.call(find_user, str(claims.get("email", "")))
    except InvalidInput:
        return _refused(request, OidcError("there is no user of your address here"))
    except OidcError as error:
        return _refused(request, error)
    response = await signed_in(request, state, caller, user.id, own_path(waiting["next"]))
    response.delete_cookie(_cookie(request), secure=is_https(request), httponly=True)
    return response


async def _claims(settings: Settings, code: str, waiting: dict[str, str]) -> dict[str, Any]:
    """What the provider says of the person, signed by it for us and this sign-in."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    provider = await _provider(settings)
    answer = await _ask(
        "POST",
        provider["token_endpoint"],
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.base_url + CALLBACK,
            "code_verifier": waiting["verifier"],
        },
        auth=(settings.oidc_client_id, settings.oidc_client_secret.get_secret_value()),
    )
    keys = await _ask("GET", provider["jwks_uri"])
    wanted = jwt.JWTClaimsRegistry(
        leeway=_LEEWAY,
        iss={"essential": True, "value": provider["issuer"]},
        aud={"essential": True, "value": settings.oidc_client_id},
        exp={"essential": True},
        nonce={"essential": True, "value": waiting["nonce"]},
    )
    try:
        key_set = KeySet.import_key_set(keys)  # type: ignore[arg-type]  # checked by it
        token = jwt.decode(str(answer["id_token"]), key_set, algorithms=_ALGORITHMS)
        wanted.validate(token.claims)
    except (JoseError, KeyError, ValueError) as error:
        kind = type(error).__name__
        raise OidcError(f"what the provider says is not signed for us ({kind})") from None
    return token.claims


async def _provider(settings: AccountSettings) -> dict[str, Any]:
    """Where the provider's endpoints are, as it says itself."""
    issuer = settings.oidc_issuer
    found = await _ask("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        raise OidcError("the provider says it is another than OIDC_ISSUER names")
    return found


async def _ask(method: str, url: str, **asked: Any) -> dict[str, Any]:
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS) as client:
            answer = await client.request(method, url, **asked)
        document = answer.raise_for_status().json()
    except (httpx2.HTTPError, ValueError) as error:
        kind = type(error).__name__
        raise OidcError(f"the provider did not answer as it should ({kind})") from None
    if not isinstance(document, dict):
        raise OidcError("the provider did not answer as it should")
    return document


def _waiting(request: Request) -> dict[str, str]:
    """What this browser's sign-in began with; empty if it began none."""
    try:
        waiting = json.loads(base64.urlsafe_b64decode(request.cookies.get(_cookie(request), "")))
        return {name: str(waiting[name]) for name in ("state", "nonce", "verifier", "next")}
    except (ValueError, KeyError, TypeError):
        return {}


def _cookie(request: Request) -> str:
    return "__Host-keepsake-oidc" if is_https(request) else "keepsake_oidc"


def _refused(request: Request, error: OidcError) -> Response:
    template = TEMPLATES / "sign_in_refused.html.j2"
    return render(request, template, status=403, problem=str(error))
