"""Alertmanager's API version 2: alerts that are posted, and which of them fire."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.doubles.server import Double

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Alertmanager(Double):
    """Keeps what was posted last of each set of labels, as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}

    async def answer(self, request: Request) -> Response:
        if (request.method, request.url.path) != ("POST", "/api/v2/alerts"):
            return JSONResponse({"code": 404, "message": f"no path {request.url.path}"}, 404)
        posted = json.loads(await request.body())
        for alert in posted:
            if wrong := _wrong_with(alert):
                return JSONResponse(wrong, 400)
        for alert in posted:
            self.alerts[frozenset(alert["labels"].items())] = alert
        return Response(status_code=200)

    @property
    def firing(self) -> list[str]:
        """The names of the alerts that have not ended."""
        now = datetime.now(UTC)
        return sorted(
            alert["labels"]["alertname"]
            for alert in self.alerts.values()
            if datetime.fromisoformat(alert["endsAt"]) > now
        )


def _wrong_with(alert: dict[str, Any]) -> str | None:
    """What the real one refuses, in its words."""
    labels = alert.get("labels") or {}
    if not labels:
        return "at least one label pair required"
    if not all(_LABEL.fullmatch(name) and isinstance(labels[name], str) for name in labels):
        return "invalid label set"
    starts, ends = (alert.get(name) for name in ("startsAt", "endsAt"))
    if starts and ends and datetime.fromisoformat(starts) > datetime.fromisoformat(ends):
        return "start time must be before end time"
    return None
