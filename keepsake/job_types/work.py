"""The process that runs jobs of all types."""

import asyncio

from keepsake.database import database_url
from keepsake.http.bodies import delete_left
from keepsake.job_types import REGISTRY
from keepsake.jobs.worker import run_worker
from keepsake.logs import set_up
from keepsake.settings import Settings


def work(settings: Settings) -> None:
    """Run jobs until Ctrl-C or SIGTERM."""
    set_up(settings.log_format)
    delete_left(settings.incoming_folder)
    asyncio.run(run_worker(database_url(settings), REGISTRY, settings))
