"""What others post to us, signed: events of runs."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from keepsake.delivery.signatures import NotSigned, verify
from keepsake.errors import InvalidInput
from keepsake.http.bodies import broken_off
from keepsake.http.body_limit import allow_body
from keepsake.http.problems import Problem
from keepsake.http.rate_limits import address_key
from keepsake.http.state import ForState
from keepsake.webhooks.received import LARGEST_BODY, read_event, take

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])


class Received(BaseModel):
    """What came of a message."""

    duplicate: bool = Field(description="It had come before, and nothing was done again.")
    jobs: int = Field(description="Jobs that are looked at now.")


@router.post(
    "/trigger",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {"type": "run.completed", "data": {"run_id": "0d8e..."}},
                }
            },
        }
    },
)
async def receive_run_event(request: Request, state: ForState) -> Received:
    """Take an event of a run: the job that it is of is looked at now, whatever the event says.

    The body is signed with WEBHOOK_SECRET, as Standard Webhooks or as Trigger.dev has it.
    """
    secret = state.settings.webhook_secret.get_secret_value()
    await state.limits.count(address_key(request), state.settings.rate_limit_address)
    if not secret:
        raise Problem("not_found", "no webhooks are taken in here: WEBHOOK_SECRET is not set")
    allow_body(request, LARGEST_BODY)
    try:
        body = await request.body()
    except ClientDisconnect:
        raise broken_off() from None
    try:
        signed_id = verify(request.headers, body, secret)
    except NotSigned as error:
        raise Problem("unauthenticated", str(error)) from None
    except InvalidInput as error:
        raise Problem("not_configured", f"WEBHOOK_SECRET: {error}") from None
    event = read_event(body, signed_id)
    async with state.pool.connection() as connection, connection.transaction():
        taken = await take(connection, event)
    return Received(duplicate=taken.duplicate, jobs=taken.jobs)
