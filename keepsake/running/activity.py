"""Activities in the database: adding them, recognising those that are there, reading them.

An activity is recognised by the content of its file, and by its second: no runner starts two runs
in one second, so a file of another format that starts in the same second is the same run. Where the
known file could not be read, or not to its end, the other one takes its place. Reading files and
archives is not here (`imports.py`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Connection
from keepsake.errors import InvalidInput
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.pipeline.ledger import repair
from keepsake.records import adding as records
from keepsake.records.adding import NewRecord
from keepsake.settings import Settings

LINE = "running"
HEART_RATES = range(100, 241)  # beats a minute that a runner's highest may be


@dataclass(frozen=True)
class Activity:
    """An activity as it came: the source that every step of the line is made from."""

    record_id: int
    owner_id: int
    time_zone: str
    file_key: str
    file_name: str
    format: str  # fit, gpx or tcx
    title: str | None
    sport: str | None
    max_heart_rate: int | None  # the runner's, as said
    seen_heart_rate: int | None  # the highest in the runner's activities so far
    seen_in: int  # how many others have a heart rate
    part: int  # which of the activities in the file, from 1
    content_hash: str


@dataclass(frozen=True)
class ActivityFile:
    """An activity file that was checked and may be added.

    Attributes:
        external_id: the sender's name for the activity.
        name: of the file.
        format: `fit`, `gpx` or `tcx`.
        sha256: of what it holds, unpacked.
        key: the object that it is, or will be, kept as.
        recorded_at: when the activity began, as far as anyone knows.
        starts: whether the file itself says so; only then does its second identify it.
        title: the runner's own name for it.
        sport: as an archive lists it.
        part: which of the activities in the file it is, from 1.
        whole: whether the file ends as such a file does.
    """

    external_id: str
    name: str
    format: str
    sha256: str
    key: str
    recorded_at: datetime
    starts: bool
    title: str | None = None
    sport: str | None = None
    part: int = 1
    whole: bool = True

    @property
    def content_hash(self) -> str:
        """Of everything that a step reads."""
        further = (self.part,) if self.part > 1 else ()
        return fingerprint(self.sha256, self.name, self.title, self.sport, *further)


@dataclass(frozen=True)
class Known:
    """A record that is there already, and whether a file is to take the place of its own."""

    record_id: int
    replace: bool


async def lock_owner(connection: AsyncConnection, owner_id: int) -> None:
    """Let no other import add to this owner's records until the transaction ends."""
    await connection.execute("SELECT FROM owners WHERE id = %s FOR NO KEY UPDATE", (owner_id,))


async def recognise(
    connection: AsyncConnection, owner_id: int, files: Sequence[ActivityFile]
) -> list[Known | None]:
    """For each file the owner's record that it belongs to, if there is one."""
    # LATERAL: each file is looked up by itself, by indexes, however many records there are.
    cursor = await connection.execute(
        """
        WITH given AS MATERIALIZED (
            SELECT * FROM unnest(%(ids)s::text[], %(hashes)s::text[], %(parts)s::int[],
                                 %(whole)s::boolean[], %(seconds)s::timestamptz[])
                WITH ORDINALITY AS given(external_id, sha256, part, whole, second, at),
                -- Computed here: under policies an index takes no condition that computes it.
                LATERAL (SELECT second + interval '1 second' AS next_second) AS its
        )
        SELECT at, found.id, found.replace
        FROM given CROSS JOIN LATERAL (
            SELECT r.id, false AS replace
            FROM activity_files f JOIN records r ON r.id = f.record_id
            WHERE f.sha256 = given.sha256 AND f.part = given.part AND r.owner_id = %(owner)s
            UNION ALL
            SELECT r.id, false FROM records r
            WHERE r.external_id = given.external_id
              AND r.line = %(line)s AND r.owner_id = %(owner)s
            UNION ALL
            SELECT r.id, l.status = 'failed' OR given.whole AND EXISTS (
                SELECT FROM activities a, jsonb_array_elements(a.issues) issue
                WHERE a.record_id = r.id AND issue->>'kind' IN ('cut_off', 'damaged'))
            FROM records r JOIN ledger l ON l.record_id = r.id AND l.step = 'activities'
            WHERE r.recorded_at >= second AND r.recorded_at < next_second
              AND r.line = %(line)s AND r.owner_id = %(owner)s
        ) AS found
        ORDER BY replace DESC
        """,
        {
            "ids": [file.external_id for file in files],
            "hashes": [file.sha256 for file in files],
            "parts": [file.part for file in files],
            "whole": [file.whole for file in files],
            "seconds": [f.recorded_at.replace(microsecond=0) if f.starts else None for f in files],
            "owner": owner_id,
            "line": LINE,
        },
    )
    # The last that is said of a file counts: that its content is there already.
    found = {at: Known(record_id, replace) for at, record_id, replace in await cursor.fetchall()}
    return [found.get(at) for at in range(1, len(files) + 1)]


def distinct(files: Iterable[ActivityFile]) -> list[ActivityFile]:
    """The files without those that repeat another one before them."""
    seen: set[object] = set()
    kept = []
    for file in files:
        second = file.recorded_at.replace(microsecond=0) if file.starts else file.sha256
        names = {(file.sha256, file.part), file.external_id, second}
        if seen.isdisjoint(names):
            kept.append(file)
        seen |= names
    return kept


async def add(
    connection: AsyncConnection,
    settings: Settings,
    owner_id: int,
    files: Sequence[ActivityFile],
    *,
    priority: int,
    batch_id: int | None = None,
) -> list[int]:
    """Add files as new records, in the transaction that found them new; returns their ids."""
    if not files:
        return []
    added = await records.add_records(
        connection,
        settings,
        line=LINE,
        owner_id=owner_id,
        rows=[
            NewRecord(f.external_id, f.recorded_at, f.content_hash, priority, f.format)
            for f in files
        ],
        batch_id=batch_id,
    )
    ids = [record.record_id for record in added]
    await connection.cursor().executemany(
        "INSERT INTO activity_files (record_id, owner_id, file_key, file_name, format, sha256,"
        " title, sport, part) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (record_id, owner_id, f.key, f.name, f.format, f.sha256, f.title, f.sport, f.part)
            for record_id, f in zip(ids, files, strict=True)
        ],
    )
    return ids


async def analyze(connection: AsyncConnection) -> None:
    """Have the database count what is there, so that it looks files up by the right indexes.

    It does so by itself within a minute. Until then a first import of thousands would compare
    every file with every record.
    """
    await connection.execute("ANALYZE records, ledger, activity_files")


async def replace_file(
    connection: AsyncConnection, owner_id: int, record_id: int, file: ActivityFile
) -> None:
    """Give an owner's record another file; what failed or was made of the one it had is due."""
    await connection.execute(
        "INSERT INTO loose_objects (key, owner_id, record_id)"
        " SELECT file_key, owner_id, record_id FROM activity_files"
        " WHERE record_id = %s AND owner_id = %s AND file_key <> %s ON CONFLICT DO NOTHING",
        (record_id, owner_id, file.key),
    )
    await connection.execute(
        "UPDATE activity_files SET file_key = %s, file_name = %s, format = %s, sha256 = %s,"
        " title = coalesce(title, %s), sport = coalesce(sport, %s), part = %s"
        " WHERE record_id = %s AND owner_id = %s",
        (
            file.key,
            file.name,
            file.format,
            file.sha256,
            file.title,
            file.sport,
            file.part,
            record_id,
            owner_id,
        ),
    )
    await connection.execute(
        "UPDATE records SET content_hash = %s WHERE id = %s AND owner_id = %s",
        (file.content_hash, record_id, owner_id),
    )
    await repair.retry_record_async(connection, owner_id, record_id)
    made = await connection.execute(
        "SELECT step FROM ledger WHERE record_id = %s AND owner_id = %s AND status = 'succeeded'",
        (record_id, owner_id),
    )
    steps = [step for (step,) in await made.fetchall()]
    await repair.redo_async(connection, owner_id, record_id, *steps)


def retitle(connection: Connection, owner_id: int, record_id: int, title: str | None) -> str:
    """Give an activity another title. Returns the content hash that its record has then."""
    row = connection.execute(
        "UPDATE activity_files SET title = %s WHERE record_id = %s AND owner_id = %s"
        " RETURNING sha256, file_name, title, sport",
        (title, record_id, owner_id),
    ).fetchone()
    assert row is not None  # noqa: S101  # the record is there, and locked
    return fingerprint(*row)


def set_max_heart_rate(connection: Connection, owner_id: int, beats: int) -> None:
    """Say what a runner's highest heart rate is; the zones of later activities go by it.

    Raises:
        InvalidInput: no person has it.
    """
    if beats not in HEART_RATES:
        raise InvalidInput(
            f"{beats} is nobody's highest heart rate: {HEART_RATES[0]} to {HEART_RATES[-1]}"
        )
    connection.execute(
        "INSERT INTO runners (owner_id, max_heart_rate) VALUES (%s, %s)"
        " ON CONFLICT (owner_id) DO UPDATE SET max_heart_rate = excluded.max_heart_rate",
        (owner_id, beats),
    )


async def load_activities(connection: AsyncConnection, ids: Collection[int]) -> dict[int, Activity]:
    """The sources of some records."""
    async with connection.cursor(row_factory=class_row(Activity)) as cursor:
        await cursor.execute(
            """
            WITH wanted AS (SELECT * FROM records WHERE id = ANY(%s)),
            seen AS (
                SELECT owner_id, max(max_heart_rate) AS beats, count(max_heart_rate) AS activities
                FROM activities
                WHERE owner_id IN (SELECT owner_id FROM wanted) GROUP BY owner_id
            )
            SELECT r.id AS record_id, r.owner_id, o.time_zone, f.file_key, f.file_name, f.format,
                   f.title, f.sport, f.part, u.max_heart_rate, seen.beats AS seen_heart_rate,
                   -- One that is computed again is not among the others.
                   coalesce(seen.activities, 0) - (own.max_heart_rate IS NOT NULL)::int AS seen_in,
                   r.content_hash
            FROM wanted r
            JOIN activity_files f ON f.record_id = r.id
            JOIN owners o ON o.id = r.owner_id
            LEFT JOIN runners u ON u.owner_id = r.owner_id
            LEFT JOIN seen ON seen.owner_id = r.owner_id
            LEFT JOIN activities own ON own.record_id = r.id
            """,
            (list(ids),),
        )
        return {activity.record_id: activity async for activity in cursor}
