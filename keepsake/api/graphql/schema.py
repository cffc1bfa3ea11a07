"""The schema: what can be asked, changed and followed."""

from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.types.graphql import OperationType

from keepsake.api.graphql.limits import Limits
from keepsake.api.graphql.types import JobType, field, type_of
from keepsake.job_types import REGISTRY


@strawberry.type
class Query:
    """What can be asked."""

    @field
    def job_types(self) -> list[JobType]:
        """The types of jobs that there are."""
        return [type_of(each) for each in REGISTRY.all()]


class _Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Log nothing here: Strawberry would log what errors say. See `errors.py`."""


SCHEMA = _Schema(Query, extensions=[Limits])
AT_ONCE = frozenset({OperationType.QUERY, OperationType.MUTATION})
ALL = AT_ONCE | {OperationType.SUBSCRIPTION}
