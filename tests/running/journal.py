"""A runner with a data folder and a database, and files as watches write them.

Everything is real: the engine, the steps, the database, the object store. Only the chat model is
what a test names.
"""

import asyncio
import gzip
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from keepsake.clients.objects import open_objects
from keepsake.database import connect
from keepsake.owners.owners import Owner, add_owner
from keepsake.pipeline.reports import Report
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import EngineConfig, RunSpec
from keepsake.pipeline.window import Window
from keepsake.running.imports import AddedActivity, Imported, add_activity, import_activities
from keepsake.running.line import RUNNING
from keepsake.settings import Settings
from keepsake.steps.tools import open_tools
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.objects import objects_resource
from tests.doubles.pace import FAST
from tests.given import in_pool

MORNING = datetime(2026, 6, 7, 6, 30, tzinfo=UTC)
ALL = Window("running", MORNING - timedelta(days=4000), MORNING + timedelta(days=4000))
STEPS = tuple(step.name for step in RUNNING.steps)


@dataclass(frozen=True)
class Journal:
    """A runner, and where the runner's things are."""

    settings: Settings
    url: str
    owner: Owner

    def of(self, name: str) -> "Journal":
        """The journal of another runner in the same house."""
        with connect(self.url) as db:
            return replace(self, owner=add_owner(db, name))

    def take_in(self, path: Path, **how: Any) -> Imported:
        """Import a file, a folder or an archive."""
        objects = open_objects(self.settings)
        return in_pool(
            self.url,
            lambda pool: import_activities(pool, objects, self.settings, self.owner, path, **how),
        )

    def add(self, path: Path, **how: Any) -> AddedActivity:
        """Add one activity."""
        objects = open_objects(self.settings)
        return in_pool(
            self.url,
            lambda pool: add_activity(pool, objects, self.settings, self.owner, path, **how),
        )

    def run(self, *steps: str, config: EngineConfig = FAST, **spec: Any) -> Report:
        """Carry what was taken in through these steps, or all, as a run does."""
        models = ModelsResource.of(self.settings)
        asked = RunSpec(
            **{"window": ALL, "steps": steps or STEPS, "run_id": "a run", "mode": "due", **spec}
        )
        objects: Any = objects_resource(self.settings)

        async def carry() -> Report:
            async with (
                DatabaseResource(settings=self.settings).open_pool() as pool,
                models.open() as clients,
                open_tools(self.settings, pool, objects.store(), clients) as tools,
            ):
                return await run_line(
                    RUNNING, asked, tools, pool=tools.pool, models=models.names(), config=config
                )

        return asyncio.run(carry())

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """What a query gives."""
        with connect(self.url) as db, db.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), parameters).fetchall()

    def ledger(self, record_id: int) -> dict[str, dict[str, Any]]:
        """What the ledger says of a record, by step."""
        rows = self.rows("SELECT * FROM ledger WHERE record_id = %s", record_id)
        return {row["step"]: row for row in rows}

    @property
    def files(self) -> list[dict[str, Any]]:
        """What came in, in the order of its start."""
        return self.rows(
            "SELECT * FROM activity_files f JOIN records r ON r.id = f.record_id"
            " ORDER BY recorded_at, r.id"
        )

    @property
    def objects(self) -> list[str]:
        """The objects that are kept, by key."""
        root = self.settings.objects_folder
        return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def gpx(start: datetime = MORNING, *, minutes: int = 12, times: bool = True) -> bytes:
    """A run north at five minutes a kilometre, a point every five seconds."""
    points = "".join(
        f'<trkpt lat="{50 + metres / 111_195:.7f}" lon="8.6"><ele>100</ele>'
        + (f"<time>{start + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}</time>" if times else "")
        + "</trkpt>"
        for seconds in range(0, 60 * minutes + 1, 5)
        for metres in (seconds / 0.3,)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">'
        f"<trk><type>running</type><trkseg>{points}</trkseg></trk></gpx>"
    ).encode()


def tcx(start: datetime = MORNING, *, minutes: int = 12, beats: int | None = 148) -> bytes:
    """The same run as another program writes it, with a heart rate if `beats` is given."""
    heart = f"<HeartRateBpm><Value>{beats}</Value></HeartRateBpm>" if beats else ""
    points = "".join(
        f"<Trackpoint><Time>{start + timedelta(seconds=s):%Y-%m-%dT%H:%M:%SZ}</Time>"
        f"<DistanceMeters>{s / 0.3:.1f}</DistanceMeters>{heart}</Trackpoint>"
        for s in range(0, 60 * minutes + 1, 5)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><TrainingCenterDatabase'
        ' xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"><Activities>'
        f'<Activity Sport="Running"><Id>{start:%Y-%m-%dT%H:%M:%SZ}</Id>'
        f'<Lap StartTime="{start:%Y-%m-%dT%H:%M:%SZ}"><Track>{points}</Track></Lap></Activity>'
        "</Activities></TrainingCenterDatabase>"
    ).encode()


def archive(path: Path, members: Mapping[str, bytes]) -> Path:
    """A zip archive; members that end in `.gz` are gzipped first."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, gzip.compress(data) if name.endswith(".gz") else data)
    return path


LISTING = (
    "Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,"
    "Distance,Max Heart Rate,Relative Effort,Commute,Activity Private Note,Activity Gear,Filename\n"
)


def listing(*rows: tuple[str, str, str, str]) -> bytes:
    """An `activities.csv` as Strava writes it, of (date, name, type, file)."""
    lines = (
        f'{at},"{date}","{name}",{sport},,720,2.4,,,false,,,{file}\n'
        for at, (date, name, sport, file) in enumerate(rows)
    )
    return (LISTING + "".join(lines)).encode()
