"""HTTP connections to model endpoints, and the one way to make a call on them.

Every provider is called through `AsyncOpenAI`, also those that do not speak OpenAI's protocol (its
`post` takes any path): one pool, one set of exceptions, and half the CPU of plain httpx.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from keepsake.clients.failures import translate
from keepsake.metrics.counts import observe
from keepsake.pipeline.limits import EndpointLimiter
from keepsake.settings import Endpoint
from keepsake.traces.spans import model_call

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from opentelemetry.trace import SpanContext

CONNECT_SECONDS = 10.0


class HttpClients:
    """The HTTP clients of one event loop: opened when first used, closed together.

    Roles with the same address and key share one. A client dropped without being closed can hang
    the others, so `close()` is not optional.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._size = sum(endpoint.concurrency for endpoint in endpoints)
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}

    def client(self, endpoint: Endpoint) -> "AsyncOpenAI":
        """The client for `endpoint`. It never retries, and leaves the deadline to the caller."""
        from httpx2 import Limits, Timeout  # the SDK's HTTP library, installed with it
        from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

        key = endpoint.api_key.get_secret_value() or "none"
        name = (endpoint.base_url, key)
        if name not in self._clients:
            self._clients[name] = AsyncOpenAI(
                base_url=endpoint.base_url,
                api_key=key,
                max_retries=0,
                timeout=Timeout(None, connect=CONNECT_SECONDS),
                http_client=DefaultAsyncHttpx2Client(
                    limits=Limits(max_connections=self._size, max_keepalive_connections=self._size),
                    trust_env=not endpoint.embedded,  # a proxy knows nothing of our loopback
                ),
            )
        return self._clients[name]

    async def close(self) -> None:
        """Close every client that was opened."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.close()


class ModelConnection:
    """One role's endpoint, its limiter, and the HTTP client that reaches it."""

    def __init__(self, endpoint: Endpoint, http: HttpClients) -> None:
        self.endpoint = endpoint
        self.limiter = EndpointLimiter(endpoint.role, endpoint.concurrency)
        self._http = http

    @asynccontextmanager
    async def call(
        self, asked_by: "Collection[SpanContext | None]" = ()
    ) -> AsyncIterator["AsyncOpenAI"]:
        """`async with connection.call() as client:` around one call and the reading of its answer.

        Waits for a slot, holds the call to the role's timeout, translates what goes wrong, and
        measures the time of an answered call.

        Args:
            asked_by: the spans whose wishes it gathers; none: it is within the span around.

        Raises:
            StepError: see `keepsake.clients.failures`.
        """
        import openai

        end = self.endpoint
        async with self.limiter:
            with model_call(end.role, end.provider, end.model, asked_by=asked_by):
                started = time.monotonic()
                try:
                    async with asyncio.timeout(end.timeout):
                        yield self._http.client(end)
                except (openai.OpenAIError, TimeoutError, ValueError) as error:
                    # Not chained: the SDK's message repeats the provider's, and so maybe a
                    # person's.
                    raise translate(error, end) from None
                observe(
                    "keepsake_model_request_duration_seconds",
                    time.monotonic() - started,
                    model=end.model,
                )
