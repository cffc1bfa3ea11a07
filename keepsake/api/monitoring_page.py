"""The pages of monitoring: how things stand, what fails and is to be tried again, what is used up.

Operators see the whole system, the members of an owner what is theirs. All figures come from
`keepsake/monitoring/insights.py`; what is here puts them into words and charts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.api import job_words
from keepsake.api.charts import Buckets, Chart, Measured, bar_chart, evenly, line_chart
from keepsake.api.pages import TEMPLATES
from keepsake.database import Connection
from keepsake.http.callers import SignedIn, operator
from keepsake.http.jobs import Reach
from keepsake.http.pages import OwnerPage, for_page, render
from keepsake.http.state import ForState
from keepsake.monitoring import insights
from keepsake.monitoring.alerts.listing import open_alerts
from keepsake.monitoring.insights import Dashboard, DaySpent, Performance, Point
from keepsake.pipeline.ledger import repair
from keepsake.text import amounts
from keepsake.text.moments import when

SHOWN = 20  # of what failed, the latest
_LATE = timedelta(hours=1)  # figures that begin so much later say so
_FINE = 6  # hours that are shown by five minutes
_DAY = timedelta(days=1)
_SPANS = {6: "6 hours", 24: "24 hours", 168: "7 days"}

router = APIRouter(include_in_schema=False)

Hours = Literal["6", "24", "168"]
Operator = Annotated[Principal, Depends(operator)]


@dataclass(frozen=True)
class View:
    """Whose figures a page shows, and how.

    Attributes:
        request: what is asked.
        reach: whose records they are about.
        page: the owner's frame; None: the whole system.
    """

    request: Request
    reach: Reach
    page: OwnerPage | None = None

    @property
    def at(self) -> str:
        """Where the page is."""
        return f"{self.page.at}/monitoring" if self.page else "/monitoring"

    @property
    def zone(self) -> ZoneInfo:
        """Where the clock is that times are told by."""
        return self.page.zone if self.page else ZoneInfo("UTC")

    @property
    def may_retry(self) -> bool:
        """Whether the caller may have tried again what failed."""
        return self.page.may("edit") if self.page else self.reach.caller.operator

    def when(self, moment: datetime) -> str:
        """A moment by that clock: `4 May 2026, 12:30`."""
        return self.page.when(moment) if self.page else when(moment.astimezone(UTC))

    def clock(self, moment: datetime) -> str:
        """The time of a moment by that clock: `12:30:05`."""
        local = moment.astimezone(self.zone)
        return f"{local:%H:%M:%S}" if self.page else f"{local:%H:%M:%S} UTC"

    @property
    def asks_for_part(self) -> bool:
        """Whether a script asks, to refresh the figures of the page that is shown."""
        return self.request.headers.get("hx-request") == "true"

    def render(self, **values: Any) -> Response:
        """The page; its template gets this as `view`."""
        template = "monitoring_now.html.j2" if self.asks_for_part else "monitoring.html.j2"
        if self.page:
            values["page"] = self.page
        return render(
            self.request,
            TEMPLATES / template,
            view=self,
            words=job_words,
            amounts=amounts,
            **values,
        )

    def title(self, job_type: str) -> str:
        """What jobs of a type do, as short as a heading."""
        return job_words.title(self.reach.state.registry, job_type)


async def _of_owner(page: Annotated[OwnerPage, for_page("read")]) -> View:
    return View(page.request, Reach(page.state, page.principal, page.owner_id), page)


@router.get("/monitoring")
async def show(
    request: Request,
    state: ForState,
    caller: SignedIn,
    hours: Hours = "24",
    retried: int | None = None,
    owner: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The whole system; an owner's page where one is named, or the caller is no operator."""
    theirs = sorted(access.slug for access in caller.owners.values())
    named = owner.strip() or ("" if caller.operator else next(iter(theirs), ""))
    if named:
        return RedirectResponse(f"/o/{quote(named, safe='')}/monitoring", 303)
    await operator(caller)
    return await _show(View(request, Reach(state, caller, None)), int(hours), retried)


@router.get("/o/{owner}/monitoring")
async def show_of_owner(
    view: Annotated[View, Depends(_of_owner)], hours: Hours = "24", retried: int | None = None
) -> Response:
    """What is an owner's."""
    return await _show(view, int(hours), retried)


class Group(BaseModel):
    """Steps that failed in the same way, as the page's button names them."""

    line: str
    step: str
    error_type: str


@router.post("/monitoring/retry")
async def retry(state: ForState, caller: Operator, group: Annotated[Group, Form()]) -> Response:
    """Have a group of what failed tried again, of all owners."""
    tried = await state.call(_retry, caller, None, group)
    return RedirectResponse(f"/monitoring?retried={tried}#errors", 303)


@router.post("/o/{owner}/monitoring/retry")
async def retry_of_owner(
    page: Annotated[OwnerPage, for_page("edit")], group: Annotated[Group, Form()]
) -> Response:
    """The same of what is an owner's."""
    tried = await page.call(_retry, page.principal, page.owner_id, group)
    return RedirectResponse(f"{page.at}/monitoring?retried={tried}#errors", 303)


def _retry(connection: Connection, who: Principal, owner_id: int | None, group: Group) -> int:
    record_write(connection, who, "records.retry", owner_id=owner_id, detail=group.step)
    return repair.retry(connection, owner_id=owner_id, **group.model_dump())


async def _show(view: View, hours: int, retried: int | None) -> Response:
    owner_id = view.reach.owner_id
    async with view.reach.transaction() as connection:
        dashboard = await insights.dashboard(connection, owner_id=owner_id)
        performance = await insights.performance(connection, owner_id=owner_id, hours=hours)
        errors = await insights.errors(connection, owner_id=owner_id, limit=SHOWN)
        queue = await insights.queue(connection, owner_id=owner_id)
        resources = await insights.resources(connection, owner_id=owner_id)
        alerts = await open_alerts(connection, owner_id=owner_id)
    buckets = _buckets(performance, hours, view.zone)
    return view.render(
        dashboard=dashboard,
        periods=[
            ("Today", dashboard.today),
            ("This week", dashboard.week),
            ("This month", dashboard.month),
        ],
        counted_since=_counted_since(dashboard, view.zone),
        performance=performance,
        hours=hours,
        spans=_SPANS,
        throughput=_throughput(buckets, performance.points),
        error_rate=_error_rate(buckets, performance.points),
        errors=errors,
        retried=retried,
        queue=queue,
        resources=resources,
        tokens=sum(model.tokens_in + model.tokens_out for model in resources.models),
        spending=_spending(resources.days, dashboard.as_of.astimezone(UTC).date()),
        alerts=[alert for alert in alerts if alert.state == "firing"],
    )


def _counted_since(dashboard: Dashboard, zone: ZoneInfo) -> datetime | None:
    """When counting began, if that was within this month or even later; None: it was before."""
    *_, month = insights.period_starts(dashboard.as_of, zone)
    since = dashboard.month.since
    return since if since - month > _LATE else None


def _throughput(buckets: Buckets, points: Sequence[Point]) -> Chart:
    """Records a minute; none where nothing was counted yet."""
    made = [_rate(point, point.completed) for point in points]
    failed = [_rate(point, point.failed) for point in points]
    return bar_chart(
        buckets,
        [
            Measured("made", _padded(made, buckets), "made"),
            Measured("failed", _padded(failed, buckets), "lost"),
        ],
        amounts.rate,
    )


def _rate(point: Point, records: int) -> float:
    """What a part of a point's records comes to, a minute."""
    return records and point.per_minute * records / (point.completed + point.failed)


def _error_rate(buckets: Buckets, points: Sequence[Point]) -> Chart:
    """Failed of all records, in percent; none where there were none."""
    rates = _padded([point.error_rate for point in points], buckets)
    return line_chart(buckets, [Measured("failed", rates, "lost")], amounts.percent)


def _buckets(performance: Performance, hours: int, zone: ZoneInfo) -> Buckets:
    """The points as a chart has them, and before them the time in which nothing was counted."""
    bounds = [*(point.at for point in performance.points), performance.until]
    every = timedelta(minutes=5) if hours <= _FINE else timedelta(hours=1)
    missing = bounds[0] - (performance.until - timedelta(hours=hours))
    before = [bounds[0] - at * every for at in range(round(missing / every), 0, -1)]
    return Buckets([moment.astimezone(zone) for moment in (*before, *bounds)])


def _padded(values: Sequence[float | None], buckets: Buckets) -> list[float | None]:
    return [*[None] * (len(buckets.bounds) - 1 - len(values)), *values]


def _spending(days: Sequence[DaySpent], today: date) -> Chart | None:
    """Spent by day, from the first on which a model was called; None: none was."""
    if not days:
        return None
    spent = {of.day: float(of.cost) for of in days}
    first = datetime.combine(days[0].day, time(), UTC)
    buckets = evenly(first, _DAY, (today - days[0].day).days + 1)
    cost = [spent.get(moment.date(), 0.0) for moment in buckets.bounds[:-1]]
    return bar_chart(buckets, [Measured("spent", cost)], amounts.dollars)
