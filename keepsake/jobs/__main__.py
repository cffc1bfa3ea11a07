"""`python -m keepsake.jobs`: run jobs with the settings of the environment."""

import asyncio

from keepsake.database import database_url
from keepsake.job_types import REGISTRY
from keepsake.jobs.worker import run_worker
from keepsake.logs import set_up
from keepsake.settings import load_settings

set_up("text")
settings = load_settings()
asyncio.run(run_worker(database_url(settings), REGISTRY, settings))
