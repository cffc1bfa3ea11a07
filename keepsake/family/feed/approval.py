"""Which stories enter a family's feed: all that have an episode, or only those somebody approved.

What a person decided of one story goes before the family's policy. All of it holds at once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from psycopg.rows import class_row

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.records.lookup import check_record

Policy = Literal["all", "approved"]
State = Literal["approved", "hidden"]

# Whether the episode of a record is in the feed: of `story_visibility v` and `feeds`, both joined
# by LEFT JOIN.
IN_FEED = "coalesce(v.state = 'approved', coalesce(feeds.policy, 'all') = 'all')"


@dataclass(frozen=True)
class Visibility:
    """Whether a story is in its family's feed.

    Attributes:
        record_id: of the story.
        state: what a person decided; None: nothing, the policy decides.
        policy: of the family.
        in_feed: whether listeners hear it; it has to have an episode, too.
        set_at: when the decision was made.
    """

    record_id: int
    state: State | None
    policy: Policy
    has_episode: bool
    in_feed: bool
    set_at: datetime | None


def visibility(connection: Connection, owner_id: int, record_id: int) -> Visibility:
    """Whether a story is in the feed, and why.

    Raises:
        InvalidInput: there is no such record of a family.
    """
    check_record(connection, owner_id, record_id, line="family")
    with connection.cursor(row_factory=class_row(Visibility)) as cursor:
        found = cursor.execute(
            f"""
            SELECT r.id AS record_id, v.state, coalesce(feeds.policy, 'all') AS policy,
                   p.record_id IS NOT NULL AS has_episode,
                   p.record_id IS NOT NULL AND {IN_FEED} AS in_feed, v.set_at
            FROM records r
            LEFT JOIN story_visibility v ON v.record_id = r.id
            LEFT JOIN feeds ON feeds.owner_id = r.owner_id
            LEFT JOIN podcasts p ON p.record_id = r.id
            WHERE r.id = %s AND r.owner_id = %s
            """.encode(),  # noqa: S608
            (record_id, owner_id),
        ).fetchone()
    assert found is not None  # noqa: S101  # it was there
    return found


def decide(
    connection: Connection,
    who: Principal | None,
    owner_id: int,
    record_id: int,
    state: State | None,
) -> Visibility:
    """Approve or hide a story, and note in the audit log who did.

    Args:
        connection: to the database, in a transaction.
        who: decides; None: an operator at the shell.
        owner_id: whose record.
        record_id: of the story, whether it has an episode already or not.
        state: the decision; None: leave it to the family's policy again.

    Raises:
        InvalidInput: there is no such record of a family.
    """
    check_record(connection, owner_id, record_id, line="family")
    if state is None:
        connection.execute(
            "DELETE FROM story_visibility WHERE record_id = %s AND owner_id = %s",
            (record_id, owner_id),
        )
    else:
        connection.execute(
            "INSERT INTO story_visibility (record_id, owner_id, state, set_by)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT (record_id)"
            " DO UPDATE SET state = excluded.state, set_by = excluded.set_by, set_at = now()",
            (record_id, owner_id, state, who.user_id if who else None),
        )
    action = f"story.{state or 'undecided'}"
    record_write(connection, who, action, owner_id=owner_id, record_id=record_id)
    return visibility(connection, owner_id, record_id)


def set_policy(connection: Connection, owner_id: int, policy: str) -> None:
    """Say which stories enter by themselves: `all`, or only what is `approved`.

    Raises:
        InvalidInput: it is neither.
    """
    if policy not in get_args(Policy):
        raise InvalidInput(f"there is no policy {policy!r}: choose all or approved")
    connection.execute(
        "INSERT INTO feeds (owner_id, policy) VALUES (%s, %s)"
        " ON CONFLICT (owner_id) DO UPDATE SET policy = excluded.policy",
        (owner_id, policy),
    )
