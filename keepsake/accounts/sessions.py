"""Sessions, with which browsers stay signed in: started, listed, ended.

Whom a session stands for is not here (`keepsake/accounts/principal.py`), nor is the cookie.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from keepsake.accounts.tokens import hash_of
from keepsake.database import Connection

LASTS = timedelta(days=30)  # since its last use
_FORM = re.compile(r"[\w-]{43}", re.ASCII)


@dataclass(frozen=True)
class Session:
    """A session as its user sees it. `device` is such as "Firefox on Linux"."""

    id: int
    device: str
    created_at: datetime
    last_used_at: datetime


def start_session(connection: Connection, user_id: int, *, user_agent: str = "") -> str:
    """Sign a user in. Returns the secret for the cookie, which is stored as its hash only."""
    secret = secrets.token_urlsafe(32)
    connection.execute(
        "INSERT INTO sessions (user_id, hash, device) VALUES (%s, %s, %s)",
        (user_id, hash_of(secret), device(user_agent)),
    )
    return secret


def sessions(connection: Connection, user_id: int) -> list[Session]:
    """Those of a user that are open, the one used last first."""
    with connection.cursor(row_factory=class_row(Session)) as cursor:
        return cursor.execute(
            "SELECT id, device, created_at, last_used_at FROM sessions"
            " WHERE user_id = %s AND last_used_at > now() - %s ORDER BY last_used_at DESC, id",
            (user_id, LASTS),
        ).fetchall()


def end_session(connection: Connection, session_id: int, *, user_id: int) -> bool:
    """Sign a user out. Whether there was a session of that id, and the user's."""
    ended = connection.execute(
        "DELETE FROM sessions WHERE id = %s AND user_id = %s", (session_id, user_id)
    )
    return ended.rowcount > 0


def end_all_sessions(connection: Connection, user_id: int) -> int:
    """Sign a user out everywhere. Returns how many sessions there were."""
    return connection.execute("DELETE FROM sessions WHERE user_id = %s", (user_id,)).rowcount


def is_well_formed(secret: str) -> bool:
    """Whether it has the form of what a cookie holds; not whether it is one."""
    return _FORM.fullmatch(secret) is not None


# The first that fits. Edge and Opera call themselves Chrome as well, and Chrome itself Safari.
_BROWSERS = {
    "Edg": "Edge", "OPR/": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox/": "Firefox",
    "FxiOS": "Firefox", "CriOS": "Chrome", "Chrome/": "Chrome", "Safari/": "Safari",
}  # fmt: skip
_SYSTEMS = {
    "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows",
    "CrOS": "ChromeOS", "Mac OS": "Mac", "Linux": "Linux",
}  # fmt: skip


def device(user_agent: str) -> str:
    """What a person would call it: "Firefox on Linux". No more of the header is stored."""
    browser = next((name for sign, name in _BROWSERS.items() if sign in user_agent), "a browser")
    system = next((name for sign, name in _SYSTEMS.items() if sign in user_agent), "")
    return f"{browser} on {system}" if system else browser
