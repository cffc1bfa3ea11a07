"""`python -m keepsake.jobs`: run jobs with the settings of the environment."""

import asyncio
import logging

from keepsake.database import database_url
from keepsake.job_types import REGISTRY
from keepsake.jobs.worker import run_worker
from keepsake.settings import load_settings

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
settings = load_settings()
asyncio.run(run_worker(database_url(settings), REGISTRY, settings))
