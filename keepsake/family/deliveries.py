"""What was sent to which family: at most once for each kind and day, however often a run tries.

A row in `deliveries` is claimed before anything is sent. A send that failed is tried again at the
next run, up to three times; one that broke off half-way is not, since it may have arrived.
"""

from datetime import date

from keepsake.clients.notifications import Delivery
from keepsake.database import Connection

ATTEMPTS = 3


def claim(
    connection: Connection,
    family_id: int,
    kind: str,
    day: date,
    *,
    record_id: int | None = None,
    position: int | None = None,
) -> bool:
    """Take the delivery of a kind and day; False if another run has it, or it was tried enough.

    `record_id` and `position` name the quote that is sent, if it is one.
    """
    row = connection.execute(
        """
        INSERT INTO deliveries AS d (family_id, kind, day, record_id, position, status)
        VALUES (%s, %s, %s, %s, %s, 'sending')
        ON CONFLICT (family_id, kind, day) DO UPDATE
            SET status = 'sending', attempts = d.attempts + 1, record_id = excluded.record_id,
                position = excluded.position
            WHERE d.status = 'failed' AND d.attempts < %s
        RETURNING 1
        """,
        (family_id, kind, day, record_id, position, ATTEMPTS),
    ).fetchone()
    return row is not None


def settle(
    connection: Connection, family_id: int, kind: str, day: date, delivery: Delivery
) -> None:
    """Write down how a claimed delivery fared."""
    connection.execute(
        "UPDATE deliveries SET status = %s, detail = %s"
        " WHERE family_id = %s AND kind = %s AND day = %s",
        ("sent" if delivery.sent else "failed", delivery.detail, family_id, kind, day),
    )
