"""Signatures: ours are what others make and take."""

import json
import time
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new as hmac

import pytest
from standardwebhooks import Webhook

from keepsake.delivery.signatures import (
    NotSigned,
    key_of,
    new_secret,
    signature,
    signed_headers,
    trigger_signature,
    verify,
)
from keepsake.errors import InvalidInput

BODY = json.dumps({"id": "msg_1", "text": "Größe"}, ensure_ascii=False).encode()


def test_the_published_example_has_its_published_signature() -> None:
    assert (
        signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_signature_is_the_one_that_the_library_makes() -> None:
    secret, at = new_secret(), datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
    ours = signature("msg_1", int(at.timestamp()), BODY, secret)
    assert ours == Webhook(secret).sign("msg_1", at, BODY.decode())


def test_a_message_signed_with_two_secrets_is_taken_by_who_knows_one() -> None:
    former, current = new_secret(), new_secret()
    headers = signed_headers("msg_1", BODY, [current, former], at=int(time.time()))
    for secret in (former, current):
        assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)
        assert verify(headers, BODY, secret) == "msg_1"


def test_a_signature_of_trigger_dev_is_over_the_body_with_the_secret_as_it_is_written() -> None:
    secret = new_secret()
    headers = signed_headers("msg_1", BODY, [secret], at=1, trigger=True)
    expected = hmac(secret.encode(), BODY, sha256).hexdigest()
    assert headers["x-trigger-signature-hmacsha256"] == expected
    assert verify({"x-trigger-signature-hmacsha256": expected}, BODY, secret) is None


def test_what_the_library_signs_is_taken() -> None:
    secret, now = new_secret(), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": "v1a,nonsense " + Webhook(secret).sign("msg_1", now, BODY.decode()),
    }
    assert verify(headers, BODY, secret) == "msg_1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"webhook-signature": "v1,AAAA"}, "no signature fits"),
        ({"webhook-signature": "no signature"}, "no signature fits"),
        ({"webhook-signature": "v1,ü"}, "no signature fits"),
        ({"webhook-id": "msg_2"}, "no signature fits"),
        ({"webhook-id": ""}, "webhook-id"),
        ({"webhook-id": "m" * 201}, "webhook-id"),
        ({"webhook-timestamp": "²"}, "webhook-timestamp"),
        ({"webhook-timestamp": "9" * 400}, "from now"),
        # Not reckoned from now: cases are made minutes before they are tried.
        ({"webhook-timestamp": "1000000000"}, "from now"),
        ({"webhook-timestamp": "4000000000"}, "from now"),
    ],
    ids=["other", "none", "accent", "id", "no-id", "long-id", "no-time", "huge", "old", "early"],
)
def test_what_is_not_signed_as_it_must_be_is_refused(change: dict[str, str], said: str) -> None:
    secret = new_secret()
    headers = signed_headers("msg_1", BODY, [secret], at=int(time.time())) | change
    with pytest.raises(NotSigned, match=said):
        verify(headers, BODY, secret)


def test_another_body_or_secret_is_refused() -> None:
    secret = new_secret()
    headers = signed_headers("msg_1", BODY, [secret], at=int(time.time()))
    for body, with_secret in ((BODY + b" ", secret), (BODY, new_secret())):
        with pytest.raises(NotSigned):
            verify(headers, body, with_secret)
        with pytest.raises(NotSigned):
            verify(
                {"x-trigger-signature-hmacsha256": trigger_signature(BODY, secret)},
                body,
                with_secret,
            )
    with pytest.raises(NotSigned, match="neither"):
        verify({}, BODY, secret)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_?", "MfKQ9r8GKYqrTwjUPD8I"])
def test_what_is_no_secret_is_said_to_be_none(secret: str) -> None:
    with pytest.raises(InvalidInput, match="whsec_ and 24 to 64 bytes"):
        key_of(secret)
