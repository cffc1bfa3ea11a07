"""How urgent a record is: runs take the most urgent first (`keepsake/pipeline/ledger/due.py`)."""

from keepsake.database import Connection
from keepsake.records.adding import check_priority


def set_priority(connection: Connection, owner_id: int, record_id: int, priority: str) -> bool:
    """Make a record of an owner `low`, `normal` or `urgent`. Returns whether it was not so already.

    Raises:
        InvalidInput: there is no such priority.
    """
    number = check_priority(priority)
    return bool(
        connection.execute(
            "UPDATE records SET priority = %s WHERE id = %s AND owner_id = %s AND priority <> %s",
            (number, record_id, owner_id, number),
        ).rowcount
    )
