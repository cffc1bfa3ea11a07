"""A receiver of messages, as apprise's json:// sends them."""

import asyncio
import threading

from starlette.requests import Request
from starlette.responses import Response

from tests.doubles.server import Double


class Webhook(Double):
    """Takes every message, unless its `status` says otherwise; answers while `open` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.open = threading.Event()
        self.open.set()

    async def answer(self, request: Request) -> Response:
        await asyncio.to_thread(self.open.wait, 60)
        return Response(status_code=self.status)

    @property
    def messages(self) -> list[str]:
        """Title and text of each message."""
        return [f"{seen.json['title']}\n{seen.json['message']}" for seen in self.seen]
