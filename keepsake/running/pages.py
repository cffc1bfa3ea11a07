"""The pages of the running journal: activities, weeks, months, and imports."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from fastapi.responses import Response

from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.http.pages import OwnerPage, for_page
from keepsake.http.problems import Problem
from keepsake.owners.owners import find_owner
from keepsake.running import page as digest_page
from keepsake.running.charts import HEIGHT, WIDTH, BarChart, DotChart, bar_chart, dot_chart
from keepsake.running.facts import Facts, Split
from keepsake.running.overview import (
    ListedActivity,
    WeekOfRuns,
    list_activities,
    list_digests,
    list_months,
    newest_weeks,
    read_digest,
)
from keepsake.running.page import change, day, distance, km
from keepsake.running.steps.activities import stored
from keepsake.running.views import read_activity

TEMPLATES = Path(__file__).parent / "templates"
ON_PAGE = 30
FEWEST = 3  # kilometres that make a chart

router = APIRouter(prefix="/o/{owner}/running", include_in_schema=False)
Id = Annotated[int, InPath(ge=1, le=2**63 - 1)]


@router.get("")
async def home(
    page: Annotated[OwnerPage, for_page("read")],
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """The activities, the newest first, below the last weeks."""
    found, weeks = await page.call(_home, page.owner_id, before)
    return page.render(
        TEMPLATES / ("more.html.j2" if page.asks_for_part and before else "home.html.j2"),
        found=found[:ON_PAGE],
        more=f"?before={found[ON_PAGE - 1].record_id}" if len(found) > ON_PAGE else None,
        weeks=weeks,
        chart=_volume(weeks) if weeks else None,
        km=km,
        short_day=day,
    )


def _home(
    connection: Connection, owner_id: int, before: int | None
) -> tuple[Sequence[ListedActivity], Sequence[WeekOfRuns]]:
    owner = find_owner(connection, str(owner_id))
    found = list_activities(connection, owner, before=before, limit=ON_PAGE + 1)
    return found, [] if before else newest_weeks(connection, owner)


def _volume(weeks: Sequence[WeekOfRuns]) -> BarChart:
    kilometres = [week.distance / 1000 for week in weeks]
    means = [sum(kilometres[max(0, at - 3) : at + 1]) / min(at + 1, 4) for at in range(len(weeks))]
    return bar_chart(kilometres, means)


@router.get("/{record_id:int}")
async def activity(page: Annotated[OwnerPage, for_page("read")], record_id: Id) -> Response:
    """An activity: its facts, its charts, its letter and its insight."""
    try:
        made = await page.call(read_activity, page.owner_id, record_id)
    except InvalidInput:
        raise Problem("not_found", f"there is no activity {record_id}") from None
    computed = (await page.call(stored, [record_id])).get(record_id)
    return page.render(
        TEMPLATES / "activity.html.j2",
        made=made,
        facts=computed.facts if computed else None,
        began=computed.facts.started_at.astimezone(computed.zone) if computed else None,
        charts=_charts(computed.facts) if computed else {},
        km=km,
        width=WIDTH,
        height=HEIGHT,
    )


def _charts(facts: Facts) -> dict[str, DotChart]:
    """Pace and heart rate by kilometre; those of which enough is known."""
    charts = {}
    splits = [split for split in facts.splits if split.seconds > 0 and split.distance >= 100]
    if len(splits) >= FEWEST:
        # Upside down, so that faster is higher.
        charts["pace"] = _by_kilometre(splits, [-split.pace / 60 for split in splits])
    beating = [split for split in splits if split.heart_rate]
    if len(beating) >= FEWEST:
        charts["heart_rate"] = _by_kilometre(beating, [split.heart_rate or 0 for split in beating])
    return charts


def _by_kilometre(splits: Sequence[Split], values: Sequence[float]) -> DotChart:
    points = [(split.kilometre - 0.5, value) for split, value in zip(splits, values, strict=True)]
    return dot_chart(points, points, 0, splits[-1].kilometre)


@router.get("/weeks")
async def weeks(page: Annotated[OwnerPage, for_page("read")]) -> Response:
    """The weeks that have a digest, the newest first."""
    found = await page.call(list_digests, page.owner_id)
    return page.render(TEMPLATES / "weeks.html.j2", found=found, km=km)


@router.get("/weeks/{of}")
async def week(page: Annotated[OwnerPage, for_page("read")], of: date) -> Response:
    """The digest of a week, given by its Monday or another of its days."""
    found = await page.call(read_digest, page.owner_id, of)
    if found is None:
        raise Problem("not_found", f"there is no digest of the week of {of}")
    return page.render(TEMPLATES / "week.html.j2", **digest_page.values(*found))


@router.get("/months")
async def months(page: Annotated[OwnerPage, for_page("read")]) -> Response:
    """The months, and what could be raced by the newest of them."""
    found = await page.call(list_months, page.owner_id)
    return page.render(
        TEMPLATES / "months.html.j2", found=found, km=km, change=change, distance=distance
    )
