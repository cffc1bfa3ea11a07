"""Owners: those to whom records belong. A family is one, and so is a runner or a reader.

Every tenant is one row of `owners`. How records are held to a tier, and what things cost, is not
here (`keepsake/owners/tiers.py`, `keepsake/owners/costs.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.owners.tiers import check_tier
from keepsake.settings import IntakeSettings
from keepsake.text.names import check_time_zone, clean_name, slugify


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


@dataclass(frozen=True)
class OwnerSummary:
    """What an owner keeps, may spend and has spent. Amounts are USD, months calendar months (UTC).

    Attributes:
        id: of the owner.
        slug: its short name.
        name: as it is written.
        time_zone: an IANA name.
        tier: its tier.
        budget: for a month, its own or its tier's; None: no bound.
        own_budget: whether it is its own.
        known: spent this month, as far as models have prices.
        spent: the same; None if a part of it is unknown.
        records: how many, by line.
    """

    id: int
    slug: str
    name: str
    time_zone: str
    tier: str
    budget: Decimal | None
    own_budget: bool
    known: Decimal
    spent: Decimal | None
    records: Mapping[str, int]


def add_owner(
    connection: Connection, name: str, *, time_zone: str = "UTC", tier: str = "free"
) -> Owner:
    """Add an owner.

    Raises:
        InvalidInput: the name or the time zone is no good, the name is taken, or there is no such
            tier.
    """
    name = clean_name(name)
    slug = slugify(name)
    check_time_zone(time_zone)
    tiers = connection.execute("SELECT name FROM tiers ORDER BY name").fetchall()
    check_tier(tier, [row[0] for row in tiers])
    row = connection.execute(
        "INSERT INTO owners (slug, name, time_zone, tier) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (slug) DO NOTHING RETURNING id",
        (slug, name, time_zone, tier),
    ).fetchone()
    if row is None:
        raise InvalidInput(f"there is already one named {slug!r}: choose another name")
    return find_owner(connection, str(row[0]))


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


def owner_or_default(connection: Connection, settings: IntakeSettings, name: str | None) -> Owner:
    """The owner of that name; without one, the owner that KEEPSAKE_OWNER names, added on first use.

    Raises:
        InvalidInput: there is no owner of the name that was given.
    """
    if name is not None:
        return find_owner(connection, name)
    try:
        return find_owner(connection, settings.keepsake_owner)
    except InvalidInput:
        return add_owner(connection, settings.keepsake_owner)


def summaries(connection: Connection, owner_id: int | None = None) -> list[OwnerSummary]:
    """The summary of one owner, or of all."""
    with connection.cursor(row_factory=class_row(OwnerSummary)) as cursor:
        return cursor.execute(
            """
            SELECT o.id, o.slug, o.name, o.time_zone, o.tier,
                   b.budget, b.own_budget, b.known, b.spent, kept.records
            FROM owners o JOIN owner_budgets b ON b.owner_id = o.id
            CROSS JOIN LATERAL (
                SELECT coalesce(jsonb_object_agg(line, count), '{}') AS records
                FROM (SELECT line, count(*) FROM records WHERE owner_id = o.id
                      GROUP BY line) AS lines) AS kept
            WHERE %(owner)s::bigint IS NULL OR o.id = %(owner)s
            ORDER BY o.slug
            """,
            {"owner": owner_id},
        ).fetchall()
