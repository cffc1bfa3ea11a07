"""What a Strava export says of the files beside it, in the language of the account.

`activities.csv` has a row for each activity. Strava translates its headings, its sports
(`sports.py`) and its dates; the places of its first columns are the same in all languages.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

LISTING = "activities.csv"
SUFFIXES = tuple(f".{kind}{packed}" for kind in ("fit", "gpx", "tcx") for packed in ("", ".gz"))
# The English headings, and which column each has in every language.
_COLUMNS = (("Activity Date", 1), ("Activity Name", 2), ("Activity Type", 3))
# How months begin in English, German, French, Spanish, Italian, Portuguese and Dutch.
_MONTHS = (
    ("jan", "jän", "ene", "gen"), ("feb", "fév", "fev"), ("mar", "mär", "mrt", "maa"),
    ("apr", "avr", "abr"), ("may", "mai", "mag", "mei"), ("jun", "juin", "giu"),
    ("jul", "juil", "lug"), ("aug", "aoû", "aou", "ago"), ("sep", "set"),
    ("oct", "okt", "ott", "out"), ("nov",), ("dec", "dez", "déc", "dic"),
)  # fmt: skip
_TIME = r"(?:\D+?(\d{1,2}):(\d\d)(?::(\d\d))?\s*([AaPp])?\.?\s?(?:[Mm]\.?)?)?\s*$"
_MONTH_FIRST = re.compile(rf"^([^\W\d_]+)\.? (\d{{1,2}}), (\d{{4}}){_TIME}")
_DAY_FIRST = re.compile(rf"^(\d{{1,2}})\.? (?:de )?([^\W\d_]+)\.?(?: de)? (\d{{4}}){_TIME}")
_YEAR_FIRST = re.compile(rf"^(\d{{4}})[-/年]\s?(\d{{1,2}})[-/月]\s?(\d{{1,2}})日?{_TIME}")
_DOTTED = re.compile(rf"^(\d{{1,2}})\.\s?(\d{{1,2}})\.\s?(\d{{4}}){_TIME}")


@dataclass(frozen=True)
class Listed:
    """What a listing says of a file beside it."""

    date: datetime | None
    title: str | None
    sport: str | None


def read_listing(data: bytes) -> dict[str, Listed]:
    """The rows of an `activities.csv`, by the path of their file.

    The column of files is the one that has files, whatever its heading.
    """
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    try:
        header = next(rows, [])
        date, title, sport = (
            header.index(name) if name in header else place for name, place in _COLUMNS
        )
        return {
            file: Listed(listed_date(row[date]), row[title] or None, row[sport] or None)
            for file, row in _with_files(rows)
            if len(row) > max(date, title, sport)
        }
    except csv.Error:
        return {}


def _with_files(rows: Iterator[list[str]]) -> Iterator[tuple[str, list[str]]]:
    for row in rows:
        # A title may end like a file, and is before it.
        file = next((cell for cell in reversed(row) if cell.lower().endswith(SUFFIXES)), None)
        if file:
            yield file, row


def listed_date(text: str) -> datetime | None:
    """A date as Strava lists it, in UTC; None where its order is not certain, or it is none.

    `Jun 7, 2026, 6:30:00 AM`, `7 juin 2026 à 06:30:00`, `07.06.2026, 06:30:00`,
    `2026/06/07 6:30:00`. Of `07/06/2026` it is not.
    """
    text = " ".join(text.split())  # a narrow space is before AM and PM
    for pattern, (year, month, day) in (
        (_MONTH_FIRST, (3, 1, 2)), (_DAY_FIRST, (3, 2, 1)), (_YEAR_FIRST, (1, 2, 3)),
        (_DOTTED, (3, 2, 1)),
    ):  # fmt: skip
        if found := pattern.match(text):
            return _moment(found[year], found[month], found[day], found.groups()[3:])
    return None


def _moment(year: str, month: str, day: str, clock: tuple[str | None, ...]) -> datetime | None:
    hours, minutes, seconds, half = clock
    hour = int(hours or 0)
    if half:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    number = int(month) if month.isdigit() else _month(month)
    try:
        return datetime(
            int(year), number, int(day), hour, int(minutes or 0), int(seconds or 0), tzinfo=UTC
        )
    except ValueError:
        return None


def _month(name: str) -> int:
    """The number of a month, 0 for none."""
    name = name.lower()
    starts = {start: at for at, names in enumerate(_MONTHS, start=1) for start in names}
    # `juin` and `juil` begin alike: the longest start counts.
    fitting = [start for start in starts if name.startswith(start)]
    return starts[max(fitting, key=len)] if fitting else 0
