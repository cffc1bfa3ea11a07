"""A TCP proxy before PostgreSQL that loses the answers to COMMITs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass
class LosingProxy:
    """Forwards connections to `host`, or the folder of its socket, and `port`.

    The next COMMITs, as many as `losing` says, are forwarded, PostgreSQL carries them out, and the
    connection is cut in place of the answer.
    """

    host: str
    port: int
    losing: int = 0
    lost: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side ends it."""
        if self.host.startswith("/"):
            path = f"{self.host}/.s.PGSQL.{self.port}"
            server, to_server = await asyncio.open_unix_connection(path)
        else:
            server, to_server = await asyncio.open_connection(self.host, self.port)
        try:
            await self._forward(reader, writer, server, to_server)
        finally:
            writer.close()
            to_server.close()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        committing = False

        async def ask() -> None:
            nonlocal committing
            while data := await reader.read(1 << 16):
                if self.losing > 0 and b"COMMIT" in data:
                    self.losing -= 1
                    self.lost += 1
                    committing = True
                to_server.write(data)
                await to_server.drain()

        async def answer() -> None:
            while data := await server.read(1 << 16):
                if committing:  # PostgreSQL has answered: it is committed
                    return
                writer.write(data)
                await writer.drain()

        tasks = [asyncio.create_task(ask()), asyncio.create_task(answer())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, OSError):
                await task


@asynccontextmanager
async def losing_proxy(url: str) -> AsyncIterator[tuple[LosingProxy, str]]:
    """A proxy before the database at `url`, and its address through the proxy."""
    parameters = conninfo_to_dict(url)
    proxy = LosingProxy(str(parameters["host"]), int(str(parameters.get("port", 5432))))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy, make_conninfo(url, host="127.0.0.1", port=port)
