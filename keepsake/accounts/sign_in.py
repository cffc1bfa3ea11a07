"""Signing in by e-mail: a link and a six-digit code for one request, which is used once.

Whether an address is a user's shows in nothing that can be seen from outside: for every address a
request is stored, and asking for too many ends alike. How the mail is sent is not here
(`keepsake/delivery/sign_in_mail.py`), nor are the pages.

A code has a million values, so what guards it are the limits: it can be tried five times within a
quarter of an hour, and all codes of an address twenty times a day. The link has 256 random bits.
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from keepsake.accounts.tokens import hash_of
from keepsake.accounts.users import check_email
from keepsake.database import Connection

LASTS = timedelta(minutes=15)
REQUESTS_AN_HOUR = 5  # of one address
TRIES = 5  # of one code
TRIES_A_DAY = 20  # of all codes of an address


@dataclass(frozen=True)
class SignIn:
    """What a user signs in with: what comes after `/sign-in/` in the link, or the code."""

    email: str
    name: str
    link: str = field(repr=False)
    code: str = field(repr=False)


def request_sign_in(connection: Connection, email: str, *, limited: bool = True) -> SignIn | None:
    """Make a link and a code for an address. None: it is no user's, or has had too many.

    The caller gives the same answer in either case. `limited=False` is for operators at the shell.

    Raises:
        InvalidInput: that cannot be an address.
    """
    email = check_email(email)
    link, code = secrets.token_urlsafe(32), f"{secrets.randbelow(10**6):06}"
    email_hash = _email_hash(email)
    with connection.transaction():
        # Those who ask for an address at the same time are counted one after the other.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (email_hash.hex(),))
        row = connection.execute(
            """
            INSERT INTO sign_in_requests (email_hash, user_id, link_hash, code_hash, expires_at)
            SELECT %(email_hash)s, (SELECT id FROM users WHERE lower(email) = lower(%(email)s)),
                   %(link)s, %(code)s, now() + %(lasts)s
            WHERE (SELECT count(*) FROM sign_in_requests WHERE email_hash = %(email_hash)s
                   AND created_at > now() - interval '1 hour') < %(most)s OR NOT %(limited)s
            RETURNING (SELECT array[email, name] FROM users WHERE id = user_id)
            """,
            {
                "email_hash": email_hash,
                "email": email,
                "link": hash_of(link),
                "code": hash_of(code),
                "lasts": LASTS,
                "most": REQUESTS_AN_HOUR,
                "limited": limited,
            },
        ).fetchone()
    if row is None or row[0] is None:
        return None
    address, name = row[0]
    return SignIn(address, name, link, code)


def is_open(connection: Connection, link: str) -> bool:
    """Whether a link can still be used. Looking uses up nothing: scanners of mail look as well."""
    row = connection.execute(
        "SELECT FROM sign_in_requests WHERE link_hash = %s AND user_id IS NOT NULL"
        " AND used_at IS NULL AND expires_at > now()",
        (hash_of(link),),
    ).fetchone()
    return row is not None


def use_link(connection: Connection, link: str) -> int | None:
    """The id of the user whom a link signs in, once. None: it is unknown, used or too old."""
    row = connection.execute(
        "UPDATE sign_in_requests SET used_at = now() WHERE link_hash = %s"
        " AND user_id IS NOT NULL AND used_at IS NULL AND expires_at > now() RETURNING user_id",
        (hash_of(link),),
    ).fetchone()
    return None if row is None else row[0]


def use_code(connection: Connection, email: str, code: str) -> int | None:
    """The id of the user whom a code signs in, once. None: wrong, used, too old, tried too often.

    Spaces in the code do not matter. A try counts for every open request of the address, before
    the code is looked at.

    Raises:
        InvalidInput: that cannot be an address.
    """
    email_hash = _email_hash(check_email(email))
    code = "".join(code.split())
    with connection.transaction():
        # Those who try at the same time wait for each other here.
        tried = connection.execute(
            """
            UPDATE sign_in_requests SET tries = tries + 1
            WHERE email_hash = %(email)s AND used_at IS NULL AND expires_at > now()
              AND tries < %(tries)s
              AND (SELECT sum(tries) FROM sign_in_requests WHERE email_hash = %(email)s
                   AND created_at > now() - interval '1 day') < %(most)s
            RETURNING id, user_id, code_hash
            """,
            {"email": email_hash, "tries": TRIES, "most": TRIES_A_DAY},
        ).fetchall()
        for request_id, user_id, code_hash in tried:
            if user_id is not None and secrets.compare_digest(code_hash, hash_of(code)):
                connection.execute(
                    "UPDATE sign_in_requests SET used_at = now() WHERE id = %s", (request_id,)
                )
                return int(user_id)
    return None


def _email_hash(email: str) -> bytes:
    return hash_of(email.lower())
