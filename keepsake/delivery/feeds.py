"""What all feeds of an owner share: their addresses, names for ever, and when they last changed.

What a feed says is with its line; whom a token stands for is in `keepsake/accounts/listeners.py`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from keepsake.accounts.audit import record_write
from keepsake.accounts.listeners import Listener, add_listener, revoke_listener
from keepsake.accounts.principal import Principal
from keepsake.database import Connection
from keepsake.errors import SettingsError
from keepsake.settings import ApiSettings

# The namespace of podcast:guid, https://podcasting2.org/docs/podcast-namespace/tags/guid
PODCAST_NAMESPACE = UUID("ead4c236-bf58-58c6-a2c6-a6b28d128cb6")
# What neither XML nor a reader takes, whatever was said: control characters and the like.
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Subscription:
    """A listener, and the addresses that were made for them.

    Attributes:
        listener: as it is listed.
        podcast: of a family's stories; None: the owner is no family.
        running: of a runner's weeks; None: the owner is a family in which nobody ran yet.
    """

    listener: Listener
    podcast: str | None = None
    running: str | None = None


def feed_root(settings: ApiSettings) -> str:
    """What the addresses of feeds begin with.

    Raises:
        SettingsError: there is no public address, so no player could fetch what a feed names.
    """
    if not settings.public_url:
        raise SettingsError(
            "a feed needs the address under which players reach this Keepsake: set PUBLIC_URL, "
            "such as https://keepsake.example"
        )
    return f"{settings.public_url.rstrip('/')}/feeds"


def subscribe(
    connection: Connection, who: Principal | None, owner_id: int, name: str, root: str
) -> Subscription:
    """Add a listener, and note in the audit log who did.

    Args:
        connection: to the database, in a transaction.
        who: adds; None: an operator at the shell.
        owner_id: whose feeds.
        name: of the listener.
        root: of `feed_root`.

    Raises:
        InvalidInput: the name is no good, or another listener's.
    """
    feed_guid(connection, owner_id, root)
    secret, listener = add_listener(connection, owner_id, name)
    detail = f"listener {listener.id}"
    record_write(connection, who, "listener.add", owner_id=owner_id, detail=detail)
    return Subscription(listener, **_addresses(connection, owner_id, f"{root}/{secret}"))


def unsubscribe(
    connection: Connection, who: Principal | None, owner_id: int, listener_id: int
) -> Listener:
    """Revoke a listener's token, and note in the audit log who did.

    Raises:
        InvalidInput: the owner has no such listener.
    """
    listener = revoke_listener(connection, owner_id, listener_id)
    detail = f"listener {listener_id}"
    record_write(connection, who, "listener.revoke", owner_id=owner_id, detail=detail)
    return listener


def _addresses(connection: Connection, owner_id: int, address: str) -> dict[str, str]:
    """The feeds that an owner has or will have."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM families WHERE owner_id = %(owner)s),"
        " EXISTS (SELECT FROM records WHERE owner_id = %(owner)s AND line = 'running')",
        {"owner": owner_id},
    ).fetchone()
    is_family, runs = row or (False, False)
    podcast = {"podcast": f"{address}.xml"} if is_family else {}
    running = {"running": f"{address}/running.atom"} if runs or not is_family else {}
    return podcast | running


def feed_guid(connection: Connection, owner_id: int, root: str) -> UUID:
    """The name for ever of an owner's feeds, given when it is first asked for.

    Args:
        connection: to the database.
        owner_id: whose.
        root: of `feed_root`; the name is derived from it the first time, and never changes again.
    """
    query = "SELECT guid FROM feeds WHERE owner_id = %s AND guid IS NOT NULL"
    row = connection.execute(query, (owner_id,)).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO feeds (owner_id, guid) VALUES (%s, %s) ON CONFLICT (owner_id)"
            " DO UPDATE SET guid = coalesce(feeds.guid, excluded.guid) RETURNING guid",
            (owner_id, _new_guid(connection, owner_id, root)),
        ).fetchone()
    assert row is not None  # noqa: S101  # RETURNING returns
    guid: UUID = row[0]
    return guid


def entry_guid(feed: UUID, name: str) -> str:
    """The name for ever of one entry of a feed, such as `stories/12`."""
    return str(uuid5(feed, name))


def _new_guid(connection: Connection, owner_id: int, root: str) -> UUID:
    """UUIDv5 of an address without scheme and token: that of the listener would be told by it."""
    row = connection.execute("SELECT slug FROM owners WHERE id = %s", (owner_id,)).fetchone()
    address = urlsplit(root)
    return uuid5(PODCAST_NAMESPACE, f"{address.netloc}{address.path}/{row[0] if row else owner_id}")


def changed_at(connection: Connection, owner_id: int, feed: str, content: str) -> datetime:
    """Since when a feed says what it says now.

    A date of the newest entry would not do: what was hidden or deleted changes the feed, too.

    Args:
        connection: to the database.
        owner_id: whose feed.
        feed: which.
        content: a fingerprint of all that it says.
    """
    row = connection.execute(
        "SELECT changed_at FROM feed_changes WHERE owner_id = %s AND feed = %s AND content = %s",
        (owner_id, feed, content),
    ).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO feed_changes (owner_id, feed, content) VALUES (%s, %s, %s)"
            " ON CONFLICT (owner_id, feed) DO UPDATE SET content = excluded.content,"
            # Dates of HTTP have whole seconds: each change has one of its own.
            " changed_at = greatest(now(), feed_changes.changed_at + interval '1 second')"
            " RETURNING changed_at",
            (owner_id, feed, content),
        ).fetchone()
    assert row is not None  # noqa: S101  # RETURNING returns
    moment: datetime = row[0]
    return moment.replace(microsecond=0)


def xml_text(text: str) -> str:
    """`text` without what XML cannot hold."""
    return _NOT_IN_XML.sub("", text)
