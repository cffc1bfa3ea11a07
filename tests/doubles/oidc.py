"""An OpenID Connect provider over loopback: signs in whoever asks, as the person that is set."""

import base64
import hashlib
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from tests.doubles.server import Double

CLIENT = ("keepsake", "the-secret")


class Provider(Double):
    """Knows one client, and one person.

    Attributes:
        claims: of the person, and what else is to be in ID tokens.
        signs_with: the key of ID tokens; another one than it publishes makes a forger of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.issuer = ""
        self.claims: dict[str, Any] = {"email": "rose@example.org", "email_verified": True}
        self.published = RSAKey.generate_key(2048, {"kid": "1"})
        self.signs_with = self.published
        self._asked: dict[str, str] = {}

    async def answer(self, request: Request) -> Response:
        match request.url.path:
            case "/.well-known/openid-configuration":
                paths = {"authorization_endpoint": "authorize", "token_endpoint": "token"}
                urls = {name: f"{self.issuer}/{path}" for name, path in paths.items()}
                return JSONResponse(
                    {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **urls}
                )
            case "/jwks":
                return JSONResponse(KeySet([self.published]).as_dict(private=False))
            case "/authorize":
                self._asked = dict(request.query_params)
                back = f"{self._asked['redirect_uri']}?code=the-code&state={self._asked['state']}"
                return RedirectResponse(back, 303)
        return await self._token(request)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        basic = base64.b64encode(":".join(CLIENT).encode()).decode()
        if (
            request.headers["authorization"] != f"Basic {basic}"
            or form["code"] != "the-code"
            or form["redirect_uri"] != self._asked["redirect_uri"]
            or base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            != self._asked["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT[0], "sub": "1", "iat": now, "exp": now + 300,
            "nonce": self._asked["nonce"], **self.claims,
        }  # fmt: skip
        header = {"alg": "RS256", "kid": "1"}
        return JSONResponse({"id_token": jwt.encode(header, claims, self.signs_with)})
