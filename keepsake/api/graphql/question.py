"""A query as it is sent, and how it is answered, whichever way it came."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel, Field
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from keepsake.api.graphql.asked import Asked
from keepsake.api.graphql.errors import formatted
from keepsake.api.graphql.schema import SCHEMA

LONGEST = 20_000  # characters of a query


class Question(BaseModel):
    """A query. What else clients send along is not looked at."""

    query: str = Field(
        min_length=1, max_length=LONGEST, examples=["{ jobTypes { name description } }"]
    )
    variables: dict[str, Any] | None = None
    operation_name: str | None = Field(
        None, alias="operationName", description="Which is meant, where the query has several."
    )


class Said(NamedTuple):
    """An answer.

    Attributes:
        content: `data` and `errors`.
        ran: whether the query could be run; it may have met errors.
    """

    content: dict[str, Any]
    ran: bool


async def answer(
    question: Question, asked: Asked, allowed: Iterable[OperationType]
) -> AsyncGenerator[Said]:
    """What a query comes to: one answer; of a subscription any number.

    Args:
        question: the query.
        asked: what its resolvers share.
        allowed: the kinds of operations that may be run.
    """
    try:
        results = await SCHEMA.stream(
            question.query,
            variable_values=question.variables,
            context_value=asked,
            operation_name=question.operation_name,
            allowed_operation_types=allowed,
        )
        async for result in results:
            yield _said(result)
    except Exception as error:  # as `Limits` raises it, or a fault
        yield Said({"errors": [formatted(error)]}, ran=False)


def _said(result: Any) -> Said:
    ran = not isinstance(result, PreExecutionError)
    content: dict[str, Any] = {"data": result.data} if ran else {}
    if result.errors:
        content["errors"] = [formatted(error) for error in result.errors]
    return Said(content, ran)
