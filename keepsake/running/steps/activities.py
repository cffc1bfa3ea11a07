"""The facts of an activity: distance, moving time, pace, splits, heart-rate zones, best efforts.

Computed from its file, in a process of its own with a bound on memory and time. No model is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import RootModel

from keepsake.database import AsyncConnection, Connection
from keepsake.pipeline.line import Made, Step
from keepsake.running.activity import Activity
from keepsake.running.compute import compute
from keepsake.running.facts import Facts, Seen
from keepsake.steps.rows import columns_of, replace_rows
from keepsake.steps.tools import Tools

SECONDS_A_FILE = 120.0
_COLUMNS = columns_of(Facts)
_DOCUMENTS = ("splits", "zones", "best_efforts", "issues")  # columns of JSON


@dataclass(frozen=True)
class Computed:
    """An activity's facts, with what its runner calls it and the time zone of its texts.

    `owner_id` is in the output fingerprint: without it, facts made again unchanged would have their
    letters written again.
    """

    owner_id: int
    time_zone: str
    title: str | None
    facts: Facts

    @property
    def zone(self) -> ZoneInfo:
        """The runner's time zone."""
        return ZoneInfo(self.time_zone)


async def measure(activity: Activity, tools: Tools) -> Computed:
    """Compute the facts of an activity from its file.

    Raises:
        PermanentError: the file is no activity, is cut or damaged, or takes too much to read.
        StepError: the object store does not give it.
    """
    data = await tools.objects.get_bytes(activity.file_key)
    facts = await tools.workers.run(
        compute,
        data,
        max_heart_rate=activity.max_heart_rate,
        seen=_seen(activity),
        part=activity.part,
        sport=activity.sport,
        most_bytes=tools.settings.max_activity_mb * 1_000_000,
        seconds=SECONDS_A_FILE,
    )
    return Computed(activity.owner_id, activity.time_zone, activity.title, facts)


def _seen(activity: Activity) -> Seen | None:
    beats = activity.seen_heart_rate
    return Seen(beats, activity.seen_in) if beats is not None else None


async def save(connection: AsyncConnection, made: Sequence[Made[Computed]]) -> None:
    """Store facts."""
    await replace_rows(
        connection,
        "activities",
        made,
        _COLUMNS,
        lambda computed: [_columns(computed.facts)],
    )


def _columns(facts: Facts) -> list[Any]:
    plain = RootModel[Facts](facts).model_dump()
    return [Jsonb(plain[name]) if name in _DOCUMENTS else plain[name] for name in _COLUMNS]


_STORED = """
    SELECT a.*, o.time_zone, f.title FROM activities a
    JOIN activity_files f USING (record_id) JOIN owners o ON o.id = a.owner_id
    WHERE a.record_id = ANY(%s)
"""


async def load(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, Computed]:
    """Read stored facts."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_STORED, (list(ids),))
        return {row["record_id"]: _computed(row) async for row in cursor}


def stored(connection: Connection, ids: Sequence[int]) -> Mapping[int, Computed]:
    """Read stored facts, for checks and for people."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_STORED, (list(ids),))
        return {row["record_id"]: _computed(row) for row in cursor}


def _computed(row: Mapping[str, Any]) -> Computed:
    facts = Facts(**{name: row[name] for name in _COLUMNS})
    return Computed(row["owner_id"], row["time_zone"], row["title"], facts)


ACTIVITIES = Step(
    name="activities",
    version="3",
    make=measure,
    save=save,
    load=load,
)
