"""What the page of jobs is filtered by: it is all in the address, which people keep and send on."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from keepsake.api.job_forms import Errors
from keepsake.errors import InvalidInput
from keepsake.jobs.listing import JobFilter
from keepsake.jobs.rows import STATUSES

MOST_COUNTED = 1_000  # of a status: to count a million takes seconds
Typed = Annotated[str, Field(max_length=2_000)]


class Asked(BaseModel):
    """The fields of the filter, as they were typed; '' does not matter."""

    model_config = ConfigDict(frozen=True)

    owner: Typed = ""
    status: list[Typed] = Field(default=[], max_length=20)
    type: Typed = ""
    tag: Typed = ""
    words: Typed = ""
    metadata: Typed = ""
    since: Typed = ""
    until: Typed = ""
    schedule: Typed = ""
    before: Typed = ""

    def link(self, path: str = "/jobs", **other: Any) -> str:
        """The address of this filter, with other values for some of its fields."""
        values = {name: value for name, value in {**dict(self), **other}.items() if value}
        return path + (f"?{urlencode(values, doseq=True)}" if values else "")

    @property
    def is_narrow(self) -> bool:
        """Whether it says more than whose jobs, and which page of them."""
        return any(value for name, value in self if name not in ("owner", "before"))

    @property
    def is_typed(self) -> bool:
        """Whether a field of the form is filled in."""
        return bool(self.owner or self.type or self.tag or self.is_slow)

    @property
    def is_slow(self) -> bool:
        """Whether much may have to be read to find little; such a list is looked up less often."""
        return bool(self.words or self.metadata or self.since or self.until)


def read(asked: Asked, owner_id: int | None, zone: ZoneInfo) -> tuple[JobFilter, Errors]:
    """The filter, and what of it cannot be read.

    Args:
        asked: as it was typed.
        owner_id: whose jobs; None: all.
        zone: in which days begin and end.
    """
    errors, wanted = Errors(), dict[str, Any]()
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "status": ("statuses", _statuses),
        "words": ("tags", _words),
        "metadata": ("metadata", _metadata),
        "since": ("since", lambda text: _midnight(text, zone)),
        "until": ("until", lambda text: _midnight(text, zone, later=timedelta(days=1))),
        "schedule": ("schedule_id", _id),
        "before": ("before", _id),
    }
    for field, (name, reader) in readers.items():
        with errors.of(field):
            if value := getattr(asked, field):
                wanted[name] = reader(value)
    return (
        JobFilter(type=asked.type or None, tag=asked.tag or None, owner_id=owner_id, **wanted),
        errors,
    )


def _statuses(names: list[str]) -> list[str]:
    if unknown := sorted(set(names) - set(STATUSES)):
        raise InvalidInput(
            f"there is no status {unknown[0][:100]!r} (known: {', '.join(STATUSES)})"
        )
    return names


def _words(text: str) -> list[str]:
    return [word for word in (each.strip() for each in text.split(",")) if word]


def _metadata(text: str) -> dict[str, Any]:
    """`department=sales, year=2026`, or an object of JSON."""
    if text.lstrip().startswith("{"):
        return dict(_json(text))
    found = {}
    for pair in _words(text):
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"{pair[:100]!r} has no '=': write it like department=sales")
        found[name.strip()] = _scalar(value.strip())
    return found


def _json(text: str) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInput(f"this is no JSON: {error}") from None


def _scalar(text: str) -> Any:
    """A number, true or false as such; anything else is a word."""
    try:
        found = from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
    return found if isinstance(found, int | float) else text


def _midnight(text: str, zone: ZoneInfo, *, later: timedelta = timedelta()) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text) + later, datetime.min.time(), zone)
    except (ValueError, OverflowError):
        raise InvalidInput("this is no day: write it like 2026-11-28") from None


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput("this is no id: it is a number")
    return int(text)
