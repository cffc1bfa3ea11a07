"""The page of a week: `digest.html.j2` filled with a digest, and the words its numbers get.

The page is made from the facts and the letters of the week's runs, and from nothing else: the same
facts give the same page, byte for byte. Its charts are SVG in the page, so that they follow its
colours and type by day, by night and on paper.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepsake.running.charts import HEIGHT, WIDTH, bar_chart, dot_chart
from keepsake.running.digest import EFFICIENCY_DAYS, Digest
from keepsake.running.facts import EFFORTS
from keepsake.running.predictions import MARATHON_CAUTION, SOURCES, Prediction
from keepsake.running.trends import Comparison, rests_on
from keepsake.running.wording import ordinal
from keepsake.text.moments import clock
from keepsake.text.templates import environment

if TYPE_CHECKING:
    from jinja2 import Template


TEMPLATES = Path(__file__).parent / "templates"


def page(digest: Digest, letters: Mapping[int, str]) -> str:
    """One HTML file with everything in it. `letters` by record, as plain text."""
    return _template().render(**values(digest, letters))


def values(digest: Digest, letters: Mapping[int, str]) -> dict[str, Any]:
    """What the templates of a digest are filled with. `letters` by record, as plain text."""
    end = digest.last_day.toordinal()
    return {
        **{
            word.__name__: word for word in (km, day, distance, compared, grounds, rests_on, change)
        },
        "digest": digest,
        "letters": [
            (run, letters[run.record_id]) for run in digest.runs if run.record_id in letters
        ],
        "width": WIDTH,
        "height": HEIGHT,
        "volume": bar_chart(
            [week.distance / 1000 for week in digest.weeks],
            [week.mean4 / 1000 for week in digest.weeks],
        ),
        "efficiency": dot_chart(
            [(point.day.toordinal(), point.value) for point in digest.efficiency],
            # A month's median is drawn in its middle, or at the edge where that is outside.
            [
                (min(max(point.day.toordinal() + 14, end - EFFICIENCY_DAYS), end), point.value)
                for point in digest.efficiency_by_month
            ],
            end - EFFICIENCY_DAYS,
            end,
        )
        if digest.efficiency
        else None,
        "sources": SOURCES,
        "marathon_caution": MARATHON_CAUTION,
    }


@cache
def _template() -> "Template":
    templates = environment(TEMPLATES)
    templates.filters["clock"] = clock
    return templates.get_template("digest.html.j2")


def km(metres: float) -> str:
    """Kilometres with one decimal: `12.3`."""
    return f"{metres / 1000:.1f}"


def day(moment: date) -> str:
    """`4 May`."""
    return f"{moment.day} {moment:%B}"


def distance(metres: float) -> str:
    """A distance by the name it has among best efforts: `400 m`, `5 km`, `half marathon`."""
    return EFFORTS.get(f"{metres:.7g}", f"{metres:.0f} m")


def grounds(race: Prediction) -> str:
    """What a prediction rests on: `from 5 km (4998 m measured) in 24:10 on 9 May`."""
    measured = race.from_measured
    short = (
        f" ({measured:.0f} m measured)" if measured and round(measured) < race.from_metres else ""
    )
    text = (
        f"from {distance(race.from_metres)}{short} in {clock(race.from_seconds)} "
        f"on {day(race.from_day)}"
    )
    if race.ran is None or race.ran_day is None:
        return text
    return f"{text}; no slower than the {clock(race.ran)} that you ran on {day(race.ran_day)}"


def change(percent: float) -> str:
    """`1.2 % up`, `0.4 % down`, `unchanged`."""
    if abs(percent) < 0.05:
        return "unchanged"
    return f"{abs(percent):.1f} % {'up' if percent > 0 else 'down'}"


def compared(comparison: Comparison) -> str:
    """A run among its like, in a sentence."""
    rank = "fastest" if comparison.pace_rank == 1 else f"{ordinal(comparison.pace_rank)} fastest"
    seconds = round(comparison.pace_difference)
    side = "faster than" if seconds < 0 else "slower than"
    like = f"{comparison.like + 1} like runs"
    sentence = (
        f"{rank} of {like}, {clock(abs(seconds))} /km {side} their median"
        if seconds
        else f"as fast as the median of {like}"
    )
    sentence = sentence[0].upper() + sentence[1:]
    percent = comparison.efficiency_difference
    if percent is None or abs(percent) < 0.05:
        return f"{sentence}."
    further = "further" if percent >= 0 else "less far"
    return f"{sentence}; {abs(percent):.1f} % {further} on each heartbeat."
