"""A runner with a database, whose runs a test writes down as the line would have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from keepsake.database import connect
from keepsake.owners.owners import Owner, add_owner

_numbers = count(1)


@dataclass(frozen=True)
class Runner:
    """An owner who runs."""

    url: str
    owner: Owner

    def ran(
        self,
        local: str,
        km: float = 10.0,
        *,
        pace: float = 330.0,
        heart_rate: float | None = 145.0,
        ascent: float | None = 50.0,
        drift: float | None = None,
        zones: Sequence[float] = (),
        zone_maximum: int | None = 188,
        zone_activities: int | None = None,
        best_efforts: Mapping[str, float] | None = None,
        sport: str = "running",
        title: str | None = None,
        known_for: timedelta = timedelta(hours=1),
    ) -> int:
        """Write down a run that began at this time of the runner's clock; the id of its record."""
        started = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(self.owner.time_zone))
        number = next(_numbers)
        moving = km * pace
        with connect(self.url) as db, db.transaction():
            row = db.execute(
                "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
                " VALUES ('running', %s, %s, %s, 'x') RETURNING id",
                (self.owner.id, f"run-{number}", started),
            ).fetchone()
            assert row is not None
            db.execute(
                "INSERT INTO activity_files (record_id, owner_id, file_key, file_name, format,"
                " sha256, title) VALUES (%s, %s, 'k', 'f.fit', 'fit', 'x', %s)",
                (row[0], self.owner.id, title),
            )
            db.execute(
                "INSERT INTO activities (record_id, owner_id, sport, started_at, distance, elapsed,"
                " moving, ascent, heart_rate, drift, splits, zones, zone_maximum,"
                " zone_activities, best_efforts, issues)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '[]', %s, %s, %s, %s, '[]')",
                (
                    row[0],
                    self.owner.id,
                    sport,
                    started,
                    km * 1000,
                    moving,
                    moving,
                    ascent,
                    heart_rate,
                    drift,
                    Jsonb(list(zones)),
                    zone_maximum if zones else None,
                    zone_activities if zones else None,
                    Jsonb(dict(best_efforts or {})),
                ),
            )
            db.execute(
                "INSERT INTO ledger (record_id, owner_id, step, line, status, due_at, finished_at)"
                " VALUES (%s, %s, 'activities', 'running', 'succeeded', NULL, %s)",
                (row[0], self.owner.id, datetime.now(UTC) - known_for),
            )
        return int(row[0])

    def wrote(self, record_id: int, letter: str, *, known_for: timedelta = timedelta(0)) -> None:
        """Write down the letter about a run."""
        with connect(self.url) as db, db.transaction():
            db.execute(
                "INSERT INTO letters (record_id, owner_id, letter) VALUES (%s, %s, %s)",
                (record_id, self.owner.id, letter),
            )
            db.execute(
                "INSERT INTO ledger (record_id, owner_id, step, line, status, due_at, finished_at)"
                " VALUES (%s, %s, 'letters', 'running', 'succeeded', NULL, %s)",
                (record_id, self.owner.id, datetime.now(UTC) - known_for),
            )

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a query gives."""
        with connect(self.url) as db:
            return db.execute(query.encode(), parameters).fetchall()


def new_runner(url: str, name: str = "Ada", time_zone: str = "Europe/Berlin") -> Runner:
    """A runner without runs."""
    with connect(url) as db:
        return Runner(url, add_owner(db, name, time_zone=time_zone))
