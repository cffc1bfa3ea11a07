"""Owners: whoever records belong to. A family is one, and so is a runner or a reader.

Every tenant is one row of `owners`. What a tier allows and what things cost is not here
(`keepsake/tiers.py`, `keepsake/prices.py`).
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from psycopg.rows import class_row

from keepsake import records
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.settings import Settings


@dataclass(frozen=True)
class Owner:
    """An owner: `slug` is the short name for addresses and settings."""

    id: int
    slug: str
    name: str
    time_zone: str
    tier: str

    @property
    def zone(self) -> ZoneInfo:
        """The owner's time zone."""
        return ZoneInfo(self.time_zone)


def add_owner(connection: Connection, name: str, *, time_zone: str = "UTC") -> Owner:
    """Add an owner.

    Raises:
        InvalidInput: the name or the time zone is no good, or the name is taken.
    """
    with connection.transaction():
        owner_id = records.add_owner(connection, name=name, time_zone=time_zone)
    return find_owner(connection, str(owner_id))


def find_owner(connection: Connection, name: str) -> Owner:
    """The owner of that id, short name or name.

    Raises:
        InvalidInput: there is none; the message lists those there are.
    """
    wanted = name.casefold()
    with connection.cursor(row_factory=class_row(Owner)) as cursor:
        owner = cursor.execute(
            "SELECT id, slug, name, time_zone, tier FROM owners"
            " WHERE slug = %(name)s OR id::text = %(name)s OR lower(name) = %(name)s"
            " ORDER BY slug = %(name)s DESC, id::text = %(name)s DESC LIMIT 1",
            {"name": wanted},
        ).fetchone()
    if owner is None:
        known = connection.execute("SELECT slug FROM owners ORDER BY slug LIMIT 10").fetchall()
        names = ", ".join(row[0] for row in known) or "none yet"
        raise InvalidInput(
            f"there is no owner {name!r} (known: {names}): add one with `keepsake add owner`"
        )
    return owner


def owner_or_default(connection: Connection, settings: Settings, name: str | None) -> Owner:
    """The owner of that name; without one, whom KEEPSAKE_OWNER names, added on first use.

    Raises:
        InvalidInput: there is no owner of the name that was given.
    """
    if name is not None:
        return find_owner(connection, name)
    try:
        return find_owner(connection, settings.keepsake_owner)
    except InvalidInput:
        return add_owner(connection, settings.keepsake_owner)
