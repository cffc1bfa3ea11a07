"""The process that runs jobs of all types, and monitors."""

import asyncio

from keepsake.database import database_url
from keepsake.http.bodies import delete_left
from keepsake.job_types import REGISTRY
from keepsake.jobs.worker import run_worker
from keepsake.logs import set_up
from keepsake.monitoring.watch import run_monitor
from keepsake.settings import Settings
from keepsake.traces.spans import exported


def work(settings: Settings) -> None:
    """Run jobs until Ctrl-C or SIGTERM."""
    set_up(settings.log_format)
    delete_left(settings.incoming_folder)
    with exported(settings.span_receiver, "worker"):
        asyncio.run(_work(database_url(settings), settings))


async def _work(url: str, settings: Settings) -> None:
    stop = asyncio.Event()
    monitor = asyncio.create_task(run_monitor(url, settings, stop))
    try:
        await run_worker(url, REGISTRY, settings)
    finally:
        stop.set()
        await monitor
