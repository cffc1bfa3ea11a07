"""The two ways to send a query: by POST, and over a websocket (`websocket.py`)."""

from typing import Any

from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from keepsake.api.graphql import websocket
from keepsake.api.graphql.asked import Asked
from keepsake.api.graphql.question import Question, Said, answer
from keepsake.api.graphql.schema import AT_ONCE
from keepsake.http.callers import SignedIn
from keepsake.http.state import ForState

router = APIRouter(prefix="/graphql", tags=["graphql"])

_MEDIA_TYPE = "application/graphql-response+json"


class GraphQLAnswer(BaseModel):
    """What a query came to."""

    data: dict[str, Any] | None = Field(None, description="Absent: it could not be run at all.")
    errors: list[dict[str, Any]] | None = Field(
        None, description="`extensions.code` of each is the `code` of a problem."
    )


@router.post("", response_model=GraphQLAnswer)
async def ask_graphql(
    question: Question, request: Request, state: ForState, caller: SignedIn
) -> JSONResponse:
    """Ask for jobs, or change them, by GraphQL; `docs/schema.graphql` is the schema."""
    async for said in answer(question, Asked(state, caller), AT_ONCE):
        return _response(request, said)
    raise AssertionError("a query has one answer")


@router.websocket("")
async def converse(browser: WebSocket) -> None:
    """Ask, change and follow jobs over a websocket."""
    await websocket.converse(browser)


def _response(request: Request, said: Said) -> JSONResponse:
    """As GraphQL over HTTP has it: 400 for what was not run, to a client that knows its type."""
    if _MEDIA_TYPE not in request.headers.get("accept", ""):
        return JSONResponse(said.content)
    return JSONResponse(said.content, 200 if said.ran else 400, media_type=_MEDIA_TYPE)
