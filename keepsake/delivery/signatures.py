"""Signatures of messages: those of Standard Webhooks, and those of Trigger.dev.

Both are HMAC-SHA256 over the bytes that are sent. The first covers the message's id and the time of
the attempt as well, and its key is what the secret encodes; that of the second is the secret as it
is written.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence

from keepsake.errors import InvalidInput

PREFIX = "whsec_"
SECRET_BYTES = 32
LEAST_BYTES, MOST_BYTES = 24, 64  # of a secret, as the standard has it
TOLERANCE = 300  # seconds that the time of a message may differ from ours
LONGEST_ID = 200

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TRIGGER_SIGNATURE = "x-trigger-signature-hmacsha256"


class NotSigned(InvalidInput):
    """What came in is not signed as it must be."""


def new_secret() -> str:
    """A secret to sign with."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret encodes.

    Raises:
        InvalidInput: it is no such secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise InvalidInput(
            f"a secret of webhooks is {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64"
        )
    return key


def signed_headers(
    message_id: str, body: bytes, secrets: Sequence[str], *, at: int, trigger: bool = False
) -> dict[str, str]:
    """The headers of one attempt at a message.

    Args:
        message_id: the same in all attempts; without a dot.
        body: as it is sent.
        secrets: each signs; the current one first.
        at: seconds since 1970.
        trigger: whether to sign as Trigger.dev does, too. There is room for one signature.
    """
    signatures = " ".join(signature(message_id, at, body, each) for each in secrets)
    headers = {ID: message_id, TIMESTAMP: str(at), SIGNATURE: signatures}
    return headers | ({TRIGGER_SIGNATURE: trigger_signature(body, secrets[0])} if trigger else {})


def signature(message_id: str, at: int, body: bytes, secret: str) -> str:
    """The signature of Standard Webhooks."""
    content = f"{message_id}.{at}.".encode() + body
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def trigger_signature(body: bytes, secret: str) -> str:
    """The signature of Trigger.dev."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> str | None:
    """Check a message that came in; the id it is signed with, None if its signature has none.

    Args:
        headers: of the request, by names in lower case.
        body: as it came in.
        secret: ours.

    Raises:
        NotSigned: it is not signed with our secret, or not at this time.
    """
    if SIGNATURE in headers:
        return _verify_standard(headers, body, secret)
    if TRIGGER_SIGNATURE not in headers:
        raise NotSigned(f"there is neither a header {SIGNATURE} nor {TRIGGER_SIGNATURE}")
    if not _fits(trigger_signature(body, secret), [headers[TRIGGER_SIGNATURE]]):
        raise NotSigned("the signature does not fit the body: check the secret on both sides")
    return None


def _verify_standard(headers: Mapping[str, str], body: bytes, secret: str) -> str:
    message_id, at = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not 0 < len(message_id) <= LONGEST_ID or not (at.isascii() and at.isdecimal()):
        raise NotSigned(f"{ID} or {TIMESTAMP} is missing, or is none")
    if len(at) > 12 or abs(int(at) - time.time()) > TOLERANCE:
        raise NotSigned(f"{TIMESTAMP} is more than {TOLERANCE} s from now: check both clocks")
    expected = signature(message_id, int(at), body, secret)
    if not _fits(expected, headers[SIGNATURE].split()):
        raise NotSigned("no signature fits id, time and body: check the secret on both sides")
    return message_id


def _fits(expected: str, given: Iterable[str]) -> bool:
    """Whether one of the signatures is the expected one; how long it takes tells nothing of it."""
    return any(hmac.compare_digest(expected.encode(), each.encode()) for each in given)
