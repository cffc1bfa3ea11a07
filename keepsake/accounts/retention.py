"""What of sign-ins, writes and requests is deleted after its time."""

from datetime import timedelta

from keepsake.accounts import sessions
from keepsake.database import Connection

REQUESTS_KEPT = timedelta(days=2)  # the limit of a day counts them


def delete_old_sign_ins(connection: Connection) -> int:
    """Delete sessions that are over and old requests to sign in. Returns how many."""
    over = connection.execute(
        "DELETE FROM sessions WHERE last_used_at <= now() - %s", (sessions.LASTS,)
    )
    old = connection.execute(
        "DELETE FROM sign_in_requests WHERE created_at <= now() - %s", (REQUESTS_KEPT,)
    )
    return over.rowcount + old.rowcount


def delete_old_writes(connection: Connection, days: int) -> int:
    """Delete entries of the audit log that are older than so many days. Returns how many."""
    return connection.execute(
        "DELETE FROM audit_log WHERE at < now() - make_interval(days => %s)", (days,)
    ).rowcount


def delete_old_requests(connection: Connection) -> int:
    """Delete what is kept of requests for a day: answers by key, and counts. Returns how many."""
    answers = connection.execute(
        "DELETE FROM idempotency_keys WHERE created_at < now() - interval '1 day'"
    )
    counts = connection.execute(
        "DELETE FROM rate_limits WHERE minute < extract(epoch FROM now() - interval '1 day') / 60"
    )
    return answers.rowcount + counts.rowcount
