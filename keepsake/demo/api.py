"""The demo's way in: the HTTP API, as an app uses it, with a token of an operator for an hour."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from keepsake.accounts.tokens import create_token, revoke_token
from keepsake.database import Connection
from keepsake.errors import KeepsakeError
from keepsake.records.adding import Added

_TIMEOUT = 60.0  # seconds an answer may take: a recording is decoded before it is accepted


class Refused(KeepsakeError):
    """The API did not take what the demo sent. The message is the API's own."""


class Api:
    """The API, and who asks it."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, **query: str) -> Any:
        """What is at an address.

        Raises:
            Refused: it cannot be read.
        """
        return self._asked("GET", path, query).json()

    def post(self, path: str, content: Any, **query: str) -> Any:
        """Send JSON; gives the answer.

        Raises:
            Refused: it is not accepted.
        """
        return self._asked("POST", path, query, json=content).json()

    def add(self, path: str, content: Any, **query: str) -> Added:
        """Add a record by JSON.

        Raises:
            Refused: it is not accepted.
        """
        return _added(self.post(path, content, **query))

    def upload(self, method: str, path: str, file: Path, **query: str) -> Added:
        """Add a record by a file, which is the whole body.

        Raises:
            Refused: it is not accepted.
        """
        with file.open("rb") as content:
            sent = self._asked(method, path, {"file_name": file.name, **query}, content=content)
        return _added(sent.json())

    def _asked(self, method: str, path: str, query: Any, **body: Any) -> httpx.Response:
        answer = self._client.request(method, path, params=query, **body)
        if answer.is_success:
            return answer
        try:
            why = answer.json()["detail"]
        except (ValueError, KeyError):
            why = f"status {answer.status_code}"
        raise Refused(f"{method} {path}: {why}")


def _added(answer: Any) -> Added:
    return Added(answer["id"], created=answer["created"])


@contextmanager
def open_api(url: str, connection: Connection) -> Iterator[Api]:
    """The API at an address, with a token that ends with the block."""
    token, made = create_token(
        connection, "demo", owner_id=None, expires_at=datetime.now(UTC) + timedelta(hours=1)
    )
    try:
        with httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            trust_env=False,
        ) as client:
            yield Api(client)
    finally:
        revoke_token(connection, made.id)
