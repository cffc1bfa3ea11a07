"""The embeddings model for a process that answers searches and lives long.

The clients of `models.py` are for one run: an endpoint that is down stays down for them, and the
embedded one has the address that it had at first.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module

from keepsake.clients.embeddings import Embeddings
from keepsake.clients.models import open_models
from keepsake.settings import ModelSettings

PAUSE = 10.0  # seconds before an endpoint that was down is asked again


class QueryEmbeddings:
    """The embeddings model of the settings, wherever it is served now."""

    def __init__(self, settings: ModelSettings, clients: AsyncExitStack) -> None:
        self._settings = settings
        self._clients = clients
        self._address: str | None = None
        self._embeddings: Embeddings | None = None
        self._last_try = 0.0

    async def now(self) -> Embeddings:
        """The client to ask now. After `keepsake up` was restarted it is another one."""
        address = self._settings.endpoint("embeddings").base_url
        if self._embeddings is None or address != self._address:
            # Its import takes a second, in which others are answered.
            await asyncio.to_thread(import_module, "openai")
            # The one before is closed at the end: it may be answering somebody.
            models = await self._clients.enter_async_context(open_models(self._settings))
            self._address, self._embeddings = address, models.embeddings
        limiter = self._embeddings.limiter
        if limiter.down and time.monotonic() - self._last_try > PAUSE:
            self._last_try = time.monotonic()
            limiter.try_again()
        return self._embeddings


@asynccontextmanager
async def open_query_embeddings(settings: ModelSettings) -> AsyncIterator[QueryEmbeddings]:
    """The model, closed at the end of the block. Nothing is connected before the first call."""
    async with AsyncExitStack() as clients:
        yield QueryEmbeddings(settings, clients)
