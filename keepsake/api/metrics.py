"""`/metrics`: the figures of the whole system, for Prometheus."""

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security

from keepsake.http.callers import bearer_token, operator, principal, token_scheme
from keepsake.http.state import ForState
from keepsake.monitoring.exposition import OPENMETRICS, TEXT, accepted

router = APIRouter(tags=["monitoring"])


async def may_scrape(
    request: Request, state: ForState, _token: Annotated[Any, Security(token_scheme)]
) -> None:
    """Let in METRICS_TOKEN, and operators.

    Raises:
        Problem: it is neither.
    """
    expected = state.settings.metrics_token.get_secret_value()
    sent = bearer_token(request)
    if expected and hmac.compare_digest(sent.encode(), expected.encode()):
        return
    await operator(await principal(request, None, None))


@router.get(
    "/metrics",
    dependencies=[Depends(may_scrape)],
    response_class=Response,
    responses={
        200: {
            "description": "The text format of Prometheus; OpenMetrics where `Accept` names it.",
            "content": {
                TEXT: {"schema": {"type": "string"}},
                OPENMETRICS: {"schema": {"type": "string"}},
            },
        }
    },
)
async def metrics(request: Request, state: ForState) -> Response:
    """Give all figures, at most a second old. For METRICS_TOKEN, or an operator's token."""
    content_type = accepted(request.headers.get("accept", ""))
    return Response(
        await state.scraper.scrape(content_type), headers={"Content-Type": content_type}
    )
