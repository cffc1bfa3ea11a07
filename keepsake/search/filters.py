"""Which of an owner's records a search looks in: what people filter by, as conditions in SQL.

They hold inside each search, before it is cut to its best: the nearest of all, filtered afterwards,
may be none.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg.sql import SQL, Composable, Composed

from keepsake import lines
from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput

PASSAGE = "passage"


def kinds() -> tuple[str, ...]:
    """The kinds of texts that a search finds: passages, and those that the lines name."""
    return tuple(dict.fromkeys([PASSAGE, *(kind for line in lines.LINES for kind in line.kinds)]))


@dataclass(frozen=True)
class Filters:
    """Which records and texts to search in; None: all.

    Attributes:
        line: of this line.
        person: said by this member, or published by this site; case does not matter.
        tag: with this tag; case does not matter.
        since: recorded on this day (UTC) or later.
        until: recorded on this day (UTC) or earlier.
        kind: of this kind of text; see `kinds`.
    """

    line: str | None = None
    person: str | None = None
    tag: str | None = None
    since: date | None = None
    until: date | None = None
    kind: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no record can match.

        Raises:
            InvalidInput: there is no such line or kind, or the days are the wrong way round.
        """
        if "\0" in f"{self.person}{self.tag}":
            raise InvalidInput("no person and no tag has a NUL in it")
        if self.line is not None:
            lines.module_of(self.line)
        if self.kind is not None and self.kind not in kinds():
            raise InvalidInput(f"there is no kind {self.kind!r} (kinds: {', '.join(kinds())})")
        if self.since and self.until and self.since > self.until:
            raise InvalidInput(f"no day is from {self.since} on and until {self.until}")

    @property
    def of_passages(self) -> bool:
        """Whether passages are among what is searched."""
        return self.kind in (None, PASSAGE)

    @property
    def of_records(self) -> bool:
        """Whether they leave out records."""
        return self._named or bool(self._of_record())

    def parameters(self, only: "list[int] | None") -> dict[str, Any]:
        """The values of all filters; `only` are the ids that `only_of` gave."""
        return {
            "line": self.line,
            "since": self.since,
            "until": self.until,
            "only": only,
            "kinds": [self.kind] if self.kind else list(kinds()),
        }

    def conditions(self, record_id: Composable) -> Composable:
        """Whether a row with this `record_id` is of a record that passes, for a WHERE."""
        passed = [SQL("{} = ANY(%(only)s)").format(record_id)] if self._named else []
        if self._of_record():
            passed.append(
                SQL("EXISTS (SELECT FROM records asked WHERE asked.id = {} AND {})").format(
                    record_id, SQL(" AND ").join(self._of_record())
                )
            )
        return SQL(" AND ").join(passed) if passed else SQL("true")

    def records(self) -> Composed:
        """A SELECT of the records of `%(owner)s` that pass, without columns."""
        passed: list[Composable] = [SQL("asked.owner_id = %(owner)s"), *self._of_record()]
        if self._named:
            passed.append(SQL("asked.id = ANY(%(only)s)"))
        return SQL("SELECT FROM records asked WHERE {}").format(SQL(" AND ").join(passed))

    @property
    def _named(self) -> bool:
        return self.person is not None or self.tag is not None

    def _of_record(self) -> list[Composable]:
        return [
            condition
            for value, condition in (
                (self.line, SQL("asked.line = %(line)s")),
                (self.since, SQL("asked.recorded_at >= %(since)s")),
                (self.until, SQL("asked.recorded_at < %(until)s::date + 1")),
            )
            if value is not None
        ]


async def only_of(
    connection: AsyncConnection, owner_id: int, filters: Filters
) -> "list[int] | None":
    """The ids of the owner's records with the person and the tag; None: neither is asked for."""
    sought = [
        SQL(" UNION ALL ").join(SQL(select) for select in selects)
        for value, selects in (
            (filters.person, [line.of_person for line in lines.LINES if line.of_person]),
            (filters.tag, [line.tags.of_tag for line in lines.LINES if line.tags]),
        )
        if value is not None
    ]
    if not sought:
        return None
    cursor = await connection.execute(
        SQL(" INTERSECT ").join(SQL("({})").format(each) for each in sought),
        {"owner": owner_id, "person": filters.person, "tag": filters.tag},
    )
    return [record_id for (record_id,) in await cursor.fetchall()]
