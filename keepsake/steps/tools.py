"""Everything a step may use, opened together for one run."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keepsake.clients.objects import ObjectStore
from keepsake.database import Pool
from keepsake.pipeline.limits import FairSemaphore
from keepsake.settings import Settings
from keepsake.steps.owner_tags import OwnerTags
from keepsake.worker_pool import WorkerPool, open_worker_pool

if TYPE_CHECKING:
    from keepsake.clients.cobalt import Cobalt
    from keepsake.clients.models import Models
    from keepsake.web.client import Web


@dataclass(frozen=True)
class Tools:
    """What is handed to every step.

    `web` fetches what others name, `cobalt` finds media behind links, and `workers` runs what reads
    either; `tags` are those of owners. `recordings` bounds how many recordings are on disk at once,
    `audio` how many are worked on by the processor; `scratch` is a folder that vanishes with the
    run.
    """

    settings: Settings
    pool: Pool
    objects: ObjectStore
    models: "Models"
    web: "Web"
    cobalt: "Cobalt"
    workers: WorkerPool
    tags: OwnerTags
    recordings: FairSemaphore
    audio: FairSemaphore
    scratch: Path

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """A folder of one's own, for the length of the block."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            yield Path(folder)

    @asynccontextmanager
    async def fetched(self, key: str) -> AsyncIterator[Path]:
        """An object as a file, for the length of the block."""
        async with self.folder() as folder:
            path = folder / Path(key).name
            await self.objects.get_file(key, path)
            yield path


@asynccontextmanager
async def open_tools(
    settings: Settings, pool: Pool, objects: ObjectStore, models: "Models"
) -> AsyncIterator[Tools]:
    """Open the rest of what steps use, for one run on the running event loop."""
    from keepsake.clients.cobalt import open_cobalt
    from keepsake.web.client import open_web

    with tempfile.TemporaryDirectory(prefix="keepsake-") as scratch:
        async with (
            open_worker_pool(settings) as workers,
            open_web(settings, pool, workers) as web,
            open_cobalt(settings, web) as cobalt,
        ):
            yield Tools(
                settings=settings,
                pool=pool,
                objects=objects,
                models=models,
                web=web,
                cobalt=cobalt,
                workers=workers,
                tags=OwnerTags(pool),
                recordings=FairSemaphore(
                    models.transcription.limiter.limit + settings.audio_concurrency
                ),
                audio=FairSemaphore(settings.audio_concurrency),
                scratch=Path(scratch),
            )
