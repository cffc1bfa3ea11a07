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

from assets.line_assets import StepAsset
from keepsake.database import AsyncConnection, Connection, replace_rows
from keepsake.pipeline.line import Step
from keepsake.running.activity import Activity
from keepsake.running.compute import compute
from keepsake.running.facts import Facts, Seen
from keepsake.running.views import COLUMNS, facts_of_row
from keepsake.steps.tools import Tools

SECONDS_A_FILE = 120.0
_DOCUMENTS = ("splits", "zones", "best_efforts", "issues")  # columns of JSON


@dataclass(frozen=True)
class Computed:
    """An activity's facts, with what its runner calls it and the time zone it is told in."""

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
    facts = await tools.apart.run(
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


async def save(connection: AsyncConnection, results: Sequence[tuple[int, Computed]]) -> None:
    """Store facts."""
    await replace_rows(
        connection,
        "activities",
        [record_id for record_id, _ in results],
        ("record_id", "owner_id", *COLUMNS),
        [(record_id, c.owner_id, *_columns(c.facts)) for record_id, c in results],
    )


def _columns(facts: Facts) -> list[Any]:
    plain = RootModel[Facts](facts).model_dump()
    return [Jsonb(plain[name]) if name in _DOCUMENTS else plain[name] for name in COLUMNS]


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
    """Read stored facts, for checks."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_STORED, (list(ids),))
        return {row["record_id"]: _computed(row) for row in cursor}


def _computed(row: Mapping[str, Any]) -> Computed:
    return Computed(row["owner_id"], row["time_zone"], row["title"], facts_of_row(row))


ACTIVITIES = StepAsset(
    Step(
        name="activities",
        version="3",
        make=measure,
        save=save,
        load=load,
    ),
    description=__doc__ or "",
    columns=[
        ("record_id", "bigint", "the activity"),
        ("owner_id", "bigint", "whose it is"),
        ("sport", "text", "`running`, `walking`, `hiking`, `cycling`, another word or `unknown`"),
        ("started_at", "timestamptz", "when, as the file says"),
        ("distance", "double precision", "metres"),
        ("elapsed", "double precision", "seconds from the first point to the last"),
        ("moving", "double precision", "seconds of movement"),
        ("ascent", "double precision", "metres climbed"),
        ("descent", "double precision", "metres descended"),
        ("heart_rate", "double precision", "mean beats a minute while moving"),
        ("max_heart_rate", "smallint", "the highest, in beats a minute"),
        ("cadence", "double precision", "steps a minute on foot, turns a minute on wheels"),
        (
            "drift",
            "double precision",
            "per cent that speed at a heart rate fell by the second half",
        ),
        ("splits", "jsonb", "one a kilometre: metres, seconds, climb, heart rate"),
        ("zones", "jsonb", "seconds in each of five heart-rate zones"),
        ("zone_maximum", "smallint", "the highest heart rate that the zones are parts of"),
        (
            "zone_activities",
            "integer",
            "where that is assumed: the number of activities that showed no higher one",
        ),
        ("best_efforts", "jsonb", "fastest seconds by distance in metres"),
        ("issues", "jsonb", "what was wrong in the file and was mended or left out"),
    ],
)
