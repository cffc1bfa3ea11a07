"""What one query may ask for, judged before it is validated and run.

The caller of a query writes its shape, so its cost is bounded as a whole and not field by field:
the document by tokens, what it names by depth and aliases, what it may come to by the number of
fields of its answer. A fragment is measured once, however often it is spread. What is asked about
the schema is nested deeper and bounded by graphql-core (`MaxIntrospectionDepthRule`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    parse,
)
from strawberry.extensions import SchemaExtension

MOST_TOKENS = 500
MOST_DEPTH = 8  # a job, of a list, with its children and their attempts, is 6
MOST_ALIASES = 20
MOST_REPEATED = 50  # times that a field stands in a query: all of one name are compared
MOST_FIELDS = 20_000  # of an answer, if lists are as long as they may be

# How long lists are at most; the others have a length of their own (`first`).
_LENGTHS = {"children": 20, "attempts": 10, "jobTypes": 30, "jobSchedules": 100}
JOBS, MOST_JOBS = 50, 100  # of a page: if its caller does not say, and at most


class Size(NamedTuple):
    """How large a selection is, with all that it spreads."""

    depth: int = 0
    aliases: int = 0
    fields: int = 0


class Limits(SchemaExtension):
    """Refuse a query that asks for too much."""

    def on_parse(self) -> Iterator[None]:
        """Parse it ourselves: what does not fit is then never looked at again."""
        asked = self.execution_context
        document = parse_limited(asked.query or "", asked.variables or {})
        # Strawberry would run the first.
        if asked.operation_name is None and _operations(document) > 1:
            raise GraphQLError("the query has several operations: say by operationName which")
        asked.graphql_document = document
        yield


def _operations(document: DocumentNode) -> int:
    return sum(isinstance(each, OperationDefinitionNode) for each in document.definitions)


def parse_limited(query: str, variables: Mapping[str, Any]) -> DocumentNode:
    """A query as a document.

    Raises:
        GraphQLError: it is none, or asks for too much.
    """
    try:
        document = parse(query, max_tokens=MOST_TOKENS)
        measure = _Measure(document, variables)
        size = measure.size()
    except RecursionError:
        raise GraphQLError("the query is nested too deeply") from None
    for what, found, most in (
        ("levels", size.depth, MOST_DEPTH),
        ("aliases", size.aliases, MOST_ALIASES),
        ("times the same field", max(measure.names.values(), default=0), MOST_REPEATED),
        ("fields in the answer", size.fields, MOST_FIELDS),
    ):
        if found > most:
            raise GraphQLError(f"the query asks for too much: {found:,} {what}, at most {most:,}")
    return document


class _Measure:
    """The size of a document's operations, and how often each name stands in it."""

    def __init__(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._document, self._variables = document, variables
        self._fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        self._measured: dict[str, Size] = {}
        self.names: Counter[str] = Counter()

    def size(self) -> Size:
        for name in self._fragments:  # those, too, that are not spread
            self._fragment(name)
        return _together(
            self._selection(each.selection_set)
            for each in self._document.definitions
            if isinstance(each, OperationDefinitionNode)
        )

    def _selection(self, selected: SelectionSetNode | None) -> Size:
        if selected is None:
            return Size()
        return _together(self._one(each) for each in selected.selections)

    def _one(self, selected: Any) -> Size:
        match selected:
            case FieldNode():
                return self._field(selected)
            case FragmentSpreadNode():
                return self._fragment(selected.name.value)
        return self._selection(selected.selection_set)  # an inline fragment

    def _fragment(self, name: str) -> Size:
        """Of a fragment; nothing of one that is not there or spreads itself: both are refused."""
        if name not in self._measured:
            self._measured[name] = Size()
            if fragment := self._fragments.get(name):
                self._measured[name] = self._selection(fragment.selection_set)
        return self._measured[name]

    def _field(self, field: FieldNode) -> Size:
        self.names[(field.alias or field.name).value] += 1
        below = self._selection(field.selection_set)
        if field.name.value in ("__schema", "__type"):
            below = Size(aliases=below.aliases)
        return Size(
            depth=below.depth + 1,
            aliases=below.aliases + (field.alias is not None),
            fields=1 + below.fields * self._length(field),
        )

    def _length(self, field: FieldNode) -> int:
        """How many of a field there may be; a connection's are those of its `edges`."""
        if field.name.value != "jobs":
            return _LENGTHS.get(field.name.value, 1)
        match next((arg.value for arg in field.arguments if arg.name.value == "first"), None):
            case None:
                return JOBS
            case IntValueNode(value=digits):
                first = digits
            case VariableNode(name=name):
                first = str(self._variables.get(name.value))
            case _:
                first = ""
        return min(int(first), MOST_JOBS) if first.isdecimal() and len(first) < 4 else MOST_JOBS


def _together(sizes: Iterator[Size]) -> Size:
    total = Size()
    for size in sizes:
        total = Size(
            max(total.depth, size.depth), total.aliases + size.aliases, total.fields + size.fields
        )
    return total
