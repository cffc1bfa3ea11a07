"""Errors as HTTP says them: problem details (RFC 9457) with a code that programs may rely on.

A code never changes its meaning. Its text is for people and may: a message says what was wrong,
where, and what to do, and quotes nothing that is secret. What a browser asks for as a page is
answered by a page (`pages.py`) with the same words.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from psycopg import DataError, OperationalError
from psycopg.errors import DiskFull as NoRoomInDatabase
from psycopg.errors import NumericValueOutOfRange, UntranslatableCharacter
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from keepsake.errors import DiskFull, InvalidInput, SettingsError, StepError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5  # seconds, when the database or the object store is away

# Every code with its status and its title.
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "malformed_request": (400, "The request cannot be read"),
    "owner_required": (400, "Say for which owner"),
    "unauthenticated": (401, "Sign in, or send a valid token"),
    "forbidden": (403, "Not allowed"),
    "cross_site": (403, "The request came from another site"),
    "not_found": (404, "There is no such thing here"),
    "method_not_allowed": (405, "This address does not take that method"),
    "not_acceptable": (406, "This cannot be given in that form"),
    "conflict": (409, "It does not go with what is there"),
    "request_in_progress": (409, "The same request is being worked on"),
    "length_required": (411, "Say how long the body is"),
    "version_mismatch": (412, "It was changed meanwhile"),
    "too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body is of a type that is not taken here"),
    "range_not_satisfiable": (416, "The range lies beyond the end"),
    "invalid_input": (422, "What was sent cannot be kept"),
    "idempotency_key_reused": (422, "The key was used for another request"),
    "version_required": (428, "Say which version is to be changed (If-Match)"),
    "too_many_requests": (429, "Too many requests"),
    "internal_error": (500, "Something went wrong here"),
    "storage_unavailable": (503, "The object store is away"),
    "database_unavailable": (503, "The database is away"),
    "model_unavailable": (503, "The model is away"),
    "dagster_unavailable": (503, "Dagster is away"),
    "not_configured": (503, "A setting is missing here"),
    "storage_full": (507, "There is no room left"),
}
_BY_STATUS = {
    400: "malformed_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_input",
}


class Problem(HTTPException):
    """An answer other than success.

    Attributes:
        code: one of `PROBLEMS`.
        title: of the code.
        more: further members of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        status, self.title = PROBLEMS[code]
        super().__init__(status, detail, dict(headers or {}))
        self.code, self.more = code, more


class ProblemDetails(BaseModel):
    """How a problem is answered."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "urn:keepsake:problem:not_found",
                "title": "There is no such thing here",
                "status": 404,
                "detail": "there is no record 12",
                "code": "not_found",
            }
        },
    )

    type: str = Field(description="`urn:keepsake:problem:` and the code.")
    title: str = Field(description="The same for every problem of this code.")
    status: int
    detail: str = Field(description="What was wrong, where, and what to do.")
    code: str = Field(description="For programs; never changes its meaning.")


def problem_of(error: Exception) -> Problem:  # one kind of error after the other
    """The problem that an error is."""
    match error:
        case Problem():
            return error
        case InvalidInput():
            return Problem("invalid_input", str(error))
        case SettingsError():
            return Problem("not_configured", str(error))
        case RequestValidationError():
            return _invalid_request(error)
        case HTTPException():
            code = _BY_STATUS.get(error.status_code, "malformed_request")
            return Problem(code, str(error.detail), headers=error.headers)
        case DiskFull() | NoRoomInDatabase():
            return Problem("storage_full", "there is no room left here: nothing was kept")
        case StepError():
            headers = {"Retry-After": str(RETRY_AFTER)}
            return Problem("storage_unavailable", str(error), headers=headers)
        case DataError() if _by_caller(error):
            return Problem(
                "invalid_input", "a number is too large, or a text has characters that no text has"
            )
        case OperationalError() | PoolTimeout():
            return Problem(
                "database_unavailable",
                "the database does not answer: try again in a moment",
                headers={"Retry-After": str(RETRY_AFTER)},
            )
    return Problem("internal_error", "this is our fault: the log of the API says more")


def _by_caller(error: Exception) -> bool:
    """Whether the database refused a value that a caller sent; not a fault of our SQL."""
    # psycopg itself refuses a NUL, and raises the plain class.
    return type(error) in (DataError, NumericValueOutOfRange, UntranslatableCharacter)


def _invalid_request(error: RequestValidationError) -> Problem:
    """What is wrong with each part of a request, without quoting what was sent."""
    wrong = [
        {
            "where": ".".join(str(part) for part in each["loc"]),
            "what": each["msg"].removeprefix("Value error, "),
        }
        for each in error.errors()
    ]
    said = "; ".join(f"{each['where']}: {each['what']}" for each in wrong[:5])
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return Problem("malformed_request", f"the body is no JSON ({said})")
    return Problem("invalid_input", said, errors=wrong)


def as_json(problem: Problem) -> JSONResponse:
    """The answer to a program."""
    return JSONResponse(
        jsonable_encoder(
            {
                "type": f"urn:keepsake:problem:{problem.code}",
                "title": problem.title,
                "status": problem.status_code,
                "detail": problem.detail,
                "code": problem.code,
                **problem.more,
            }
        ),
        problem.status_code,
        problem.headers,
        media_type=MEDIA_TYPE,
    )


async def answer_problem(request: Request, error: Exception) -> Response:
    """Answer an error, as JSON or, to a browser that asks for a page, as one."""
    from keepsake.http.pages import problem_page, wants_page

    problem = problem_of(error)
    return problem_page(request, problem) if wants_page(request) else as_json(problem)
