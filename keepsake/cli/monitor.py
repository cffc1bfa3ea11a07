"""`keepsake monitor`: the figures of this moment, in a terminal that refreshes itself."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.terminal.shell import (
    Json,
    console,
    database_in_reach,
    filled,
    open_database,
    print_json,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from keepsake.monitoring.alerts.states import Alert
    from keepsake.monitoring.insights import (
        Dashboard,
        Errors,
        Performance,
        Period,
        Queue,
        Resources,
    )
    from keepsake.settings import DatabaseSettings

SECONDS_BETWEEN_LOOKS = 2.0
ROWS_SHOWN = 6


@dataclass(frozen=True)
class Look:
    """All that is shown of one moment.

    Attributes:
        health: what is wrong, each with what to do; empty: nothing is known to be.
        workers: how many live.
        alerts: that are pending or firing.
    """

    health: "Sequence[str]"
    workers: int
    dashboard: "Dashboard"
    performance: "Performance"
    errors: "Errors"
    queue: "Queue"
    resources: "Resources"
    alerts: "Sequence[Alert]"


def monitor(
    owner: Annotated[
        str | None, typer.Option(help="Only this owner: name, short name or id.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
    json: Json = False,
) -> None:
    """Show health, figures, queue, errors, spending and alerts; on a terminal until Ctrl-C."""
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings) as connection:
        owner_id = None if owner is None else find_owner(connection, owner).id

    def look() -> Look:
        return _look(settings, owner_id)

    out = console()
    if json:
        print_json(look())
    elif once or not out.is_terminal:
        out.print(_text(look(), out.width if out.is_terminal else None))
    else:
        _follow(look, out)


def _follow(look: Callable[[], Look], out: "Console") -> None:
    """Show what is seen again and again, until Ctrl-C; a database that is away is waited for."""
    from rich.live import Live
    from rich.text import Text

    from keepsake.database import DatabaseError

    try:
        with Live(console=out, screen=True, auto_refresh=False) as live:
            while True:
                try:
                    seen = _text(look(), out.width)
                except DatabaseError as error:
                    seen = Text(str(error), style="red")
                live.update(seen, refresh=True)
                time.sleep(SECONDS_BETWEEN_LOOKS)
    except KeyboardInterrupt:
        pass


# -- what is seen ----------------------------------------------------------------------------------


def _look(settings: "DatabaseSettings", owner_id: int | None) -> Look:
    """What there is to see now.

    Raises:
        DatabaseError: the database is away.
    """
    import asyncio

    from keepsake.database import connect, database_url
    from keepsake.job_types import REGISTRY
    from keepsake.jobs.living import living_workers, unserved

    url = database_url(settings)
    with database_in_reach(), connect(url) as connection:
        workers = len(living_workers(connection))
        problems = [f"{each.what}: {each.remedy}" for each in unserved(connection, REGISTRY)]
        problems += [
            f"{metric} cannot be measured: {error}"
            for metric, error in connection.execute(
                "SELECT DISTINCT metric, error FROM probes WHERE error IS NOT NULL ORDER BY 1"
            )
        ]
        return asyncio.run(_figures(url, owner_id, problems, workers))


async def _figures(url: str, owner_id: int | None, problems: "Sequence[str]", workers: int) -> Look:
    from keepsake.database import open_connection
    from keepsake.monitoring import insights
    from keepsake.monitoring.alerts.listing import open_alerts

    async with open_connection(url) as connection, connection.transaction():
        return Look(
            problems,
            workers,
            await insights.dashboard(connection, owner_id=owner_id),
            await insights.performance(connection, owner_id=owner_id),
            await insights.errors(connection, owner_id=owner_id, limit=ROWS_SHOWN),
            await insights.queue(connection, owner_id=owner_id),
            await insights.resources(connection, owner_id=owner_id),
            await open_alerts(connection, owner_id=owner_id),
        )


# -- as it is shown --------------------------------------------------------------------------------


def _text(look: Look, width: int | None) -> "Text":
    """The whole view, as wide as the terminal; None: as wide as it takes."""
    from rich.text import Text

    from keepsake.terminal.tables import lay_out

    shown = Text(f"{look.dashboard.as_of:%Y-%m-%d %H:%M:%S} UTC\n", style="italic")
    for line, style in _health(look):
        shown.append(f"{line}\n", style=style)
    for title, rows in _tables(look):
        if not rows:
            continue
        heading, *lines = lay_out(rows, filled(rows), width)
        shown.append(f"\n{title}\n", style="italic")
        shown.append(f"{heading}\n" if heading else "", style="bold")
        shown.append("".join(f"{line}\n" for line in lines))
    return shown


def _health(look: Look) -> Iterator[tuple[str, str]]:
    """Lines with their styles, what is wrong first."""
    from keepsake.text.counted import counted

    for alert in look.alerts:
        if alert.state == "firing":
            yield f"{alert.severity}: {alert.message}", "red"
    for problem in look.health:
        yield problem, "yellow"
    alive = f"{counted(look.workers, 'worker')} alive"
    if not look.workers:
        yield f"{alive}: alerts are not judged, and jobs wait", "yellow"
    elif not look.health and not any(alert.state == "firing" for alert in look.alerts):
        yield f"{alive}, no alert fires", "green"
    else:
        yield alive, ""
    yield _now(look.dashboard), ""
    yield _spent(look.resources), ""


def _now(dashboard: "Dashboard") -> str:
    from keepsake.text.amounts import span
    from keepsake.text.counted import counted

    text = f"{counted(dashboard.active, 'record')} in work, "
    text += f"{counted(dashboard.queue_depth, 'step')} due"
    if dashboard.queue_oldest_seconds is not None:
        text += f", the oldest for {span(dashboard.queue_oldest_seconds)}"
    return text


def _spent(used: "Resources") -> str:
    from keepsake.text.amounts import dollars, size

    text = f"{dollars(float(used.month_spent))} spent this month"
    if used.month_budget is not None:
        text += f" of {dollars(float(used.month_budget))}"
    if any(model.cost is None for model in used.models):
        text += ", and what models without a price cost"
    if used.storage_bytes is not None:
        text += f"; objects {size(used.storage_bytes)}"
        if used.storage_quota_bytes:
            text += f" of {size(used.storage_quota_bytes)}"
    if used.database_bytes is not None:
        text += f"; database {size(used.database_bytes)}"
    return text


def _tables(look: Look) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    today, week, month = look.dashboard.today, look.dashboard.week, look.dashboard.month
    yield (
        "Records that ended",
        [_period("today", today), _period("this week", week), _period("this month", month)],
    )
    yield "Queue", _queue(look.queue)
    slowest = sorted(look.performance.steps, key=lambda step: step.p95 or 0, reverse=True)
    yield (
        "Slowest steps, 24 hours",
        [
            {
                "line": step.line,
                "step": step.step,
                "tried": step.count,
                "failed": step.failed,
                "p50": _span(step.p50),
                "p95": _span(step.p95),
            }
            for step in slowest[:ROWS_SHOWN]
        ],
    )
    yield (
        "Failed, to be retried",
        [
            {
                "line": group.line,
                "step": group.step,
                "error": group.error_type,
                "records": group.records,
                "last": None if group.last_at is None else f"{_ago(group.last_at)} ago",
            }
            for group in look.errors.groups[:ROWS_SHOWN]
        ],
    )


def _period(name: str, period: "Period") -> Mapping[str, Any]:
    from keepsake.text.amounts import percent

    rate = period.success_rate
    return {
        "period": name,
        "ended": period.total,
        "completed": period.completed,
        "in part": period.partial_success,
        "failed": period.failed,
        "success": None if rate is None else percent(rate),
        "average": _span(period.average_seconds),
    }


def _queue(queue: "Queue") -> "Sequence[Mapping[str, Any]]":
    lines = [
        {
            "what": line.line,
            "due": line.depth,
            "in work": line.active,
            "oldest": _span(line.oldest_seconds),
            "steps": ", ".join(f"{step} {due:,}" for step, due in line.steps),
        }
        for line in queue.lines
    ]
    jobs = [
        {
            "what": f"jobs {name}",
            "due": pending,
            "in work": running,
            "oldest": _span(oldest),
            "steps": "",
        }
        for name, pending, running, oldest in queue.jobs
    ]
    return [*lines, *jobs]


def _span(seconds: float | None) -> str | None:
    from keepsake.text.amounts import span

    return None if seconds is None else span(seconds)


def _ago(moment: datetime) -> str:
    from keepsake.text.amounts import span

    return span(max(datetime.now(UTC) - moment, timedelta()).total_seconds())
