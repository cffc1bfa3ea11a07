"""Errors as GraphQL says them: a message for people, and `extensions.code` of `problems.py`.

What was not expected is an `internal_error`; the log gets its type and place, not its words, which
may quote what a person said.
"""

import logging
import traceback
from typing import Any

from graphql import GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from keepsake.http.problems import Problem, problem_of

# Its syntax, its names, its variables; which of its operations is meant.
_OF_QUERY = (GraphQLError, CannotGetOperationTypeError, InvalidOperationTypeError)

_log = logging.getLogger(__name__)


def formatted(error: Exception) -> dict[str, Any]:
    """An error as callers get it."""
    problem = _problem(error)
    said: dict[str, Any] = {"message": problem.detail, "extensions": {"code": problem.code}}
    if isinstance(error, GraphQLError):
        if error.locations:
            said["locations"] = [each.formatted for each in error.locations]
        if error.path:
            said["path"] = error.path
    return said


def _problem(error: Exception) -> Problem:
    cause: Exception = error
    if isinstance(error, GraphQLError):
        cause = error.original_error or error
        # Without a path no resolver has begun. A number may have more digits than Python reads.
        if isinstance(cause, _OF_QUERY) or (isinstance(cause, ValueError) and not error.path):
            return Problem("malformed_request", error.message)
    problem = problem_of(cause)
    if problem.code == "internal_error":
        where = "".join(traceback.format_tb(cause.__traceback__))
        _log.error("%s in /graphql:\n%s", type(cause).__qualname__, where)
    return problem
