"""The facts of an activity as a runner says them: the closed list that a model may use.

Rounded as people round them, since a model is not to round by itself. What an activity lacks is
not on the list. How it compares with others is not here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from keepsake.running.facts import EFFORTS, Facts, Split
from keepsake.text.moments import clock

WHOLE = 990.0  # metres of a split that may be called a kilometre
NOTABLE_PAUSE = 30.0  # seconds
NOTABLE_ZONE = 30.0  # seconds
NOTABLE_CLIMB = 10.0  # metres


@dataclass(frozen=True)
class Fact:
    """One fact: what it is of, and what it says. The text alone holds every number.

    An assumed one says in its text what it rests on. It is shown to people, and given to no model:
    what a model makes of it would no longer say so.
    """

    name: str
    text: str
    assumed: bool = False


def facts_in_words(facts: Facts, zone: ZoneInfo) -> list[Fact]:
    """The facts in words, with date and time as the runner's clock in `zone` showed them."""
    return [
        *_occasion(facts, zone),
        *_course(facts),
        *_heart(facts),
        *_kilometres(facts),
        *(
            Fact(
                "fastest stretch",
                f"{EFFORTS[metres]} in {clock(seconds)}{_measured(facts, metres)}",
            )
            for metres, seconds in sorted(facts.best_efforts.items(), key=_length)
            if metres in EFFORTS
        ),
    ]


def duration(seconds: float) -> str:
    """`52 min 13 s`, `1 h 2 min 13 s`, `45 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def is_local(zone: ZoneInfo) -> bool:
    """Whether a clock of this zone is the runner's. UTC is there if no zone was named."""
    return zone.key not in ("UTC", "Etc/UTC")


def part_of_day(local: datetime) -> str:
    """`morning`, `afternoon`, `evening`, `night`."""
    if 5 <= local.hour < 12:
        return "morning"
    if 12 <= local.hour < 17:
        return "afternoon"
    return "evening" if 17 <= local.hour < 22 else "night"


def span(fastest: float, slowest: float) -> str:
    """`51:43 to 51:57`; `24:55` where that is both."""
    first, last = clock(fastest), clock(slowest)
    return first if first == last else f"{first} to {last}"


def _occasion(facts: Facts, zone: ZoneInfo) -> Iterator[Fact]:
    start = facts.started_at.astimezone(zone)
    if facts.sport != "unknown":
        yield Fact("sport", facts.sport)
    date = f"{start:%A} {start.day} {start:%B %Y}"
    if not is_local(zone):
        yield Fact("date", f"{date} (UTC)", assumed=True)
        yield Fact("start", f"{start:%H:%M} UTC", assumed=True)
        return
    yield Fact("date", date)
    part = part_of_day(start)
    yield Fact("start", f"{start:%H:%M}, {'at' if part == 'night' else 'in the'} {part}")


def _course(facts: Facts) -> Iterator[Fact]:
    if facts.distance >= WHOLE:
        yield Fact("distance", f"{facts.distance / 1000:.2f} km{_about(facts.distance / 1000)}")
    elif facts.distance >= 1:
        yield Fact("distance", f"{facts.distance:.0f} m")
    yield Fact("moving time", duration(facts.moving))
    if facts.elapsed - facts.moving >= NOTABLE_PAUSE:
        yield Fact("pauses", f"{duration(facts.elapsed - facts.moving)} in all")
    if facts.pace is not None:
        yield Fact("pace", f"{clock(facts.pace)} per km")
    if facts.ascent is not None:
        flat = facts.ascent < NOTABLE_CLIMB and (facts.descent or 0) < NOTABLE_CLIMB
        yield Fact("elevation gain", "flat" if flat else f"{facts.ascent:.0f} m")
    if facts.cadence is not None:
        turns = "turns" if facts.sport == "cycling" else "steps"
        yield Fact("cadence", f"{facts.cadence:.0f} {turns} per minute")


def _about(kilometres: float) -> str:
    """The distance in whole kilometres, as people say it."""
    whole = round(kilometres)
    if whole < 3 or f"{kilometres:.2f}" == f"{whole}.00":
        return ""
    if abs(kilometres - whole) <= 0.25:
        return f" (about {whole} km)"
    return f" (more than {int(kilometres)} km)"


def _heart(facts: Facts) -> Iterator[Fact]:
    if facts.heart_rate is None:
        return
    yield Fact("average heart rate", f"{facts.heart_rate:.0f} bpm")
    if facts.max_heart_rate is not None:
        yield Fact("highest heart rate", f"{facts.max_heart_rate} bpm")
    yield from _zones(facts)
    if facts.drift is not None:
        yield Fact("heart rate drift", _drift(facts.drift))


def _zones(facts: Facts) -> Iterator[Fact]:
    """Nothing where it is not known what the zones are parts of."""
    parts = [
        f"{max(round(seconds / 60), 1)} min in zone {number} of 5"
        for number, seconds in enumerate(facts.zones, start=1)
        if seconds >= NOTABLE_ZONE
    ]
    if facts.zone_maximum is None or not parts:
        return
    if facts.zone_activities is None:
        yield from (Fact("heart rate zones", part) for part in parts)
        return
    rests_on = assumed_maximum(facts.zone_maximum, facts.zone_activities)
    yield Fact("heart rate zones", f"{', '.join(parts)}, {rests_on}", assumed=True)


def assumed_maximum(beats: int, activities: int) -> str:
    """What zones rest on where the runner stated no highest heart rate."""
    return (
        f"with {beats} bpm as your highest heart rate, the most that {activities} activities "
        "have shown"
    )


def _drift(drift: float) -> str:
    size = f"{abs(drift):.1f} %"
    if size == "0.0 %":
        return "none: pace and heart rate kept step"
    change = "less" if drift > 0 else "more"
    return f"{size} {change} speed for the same heart rate in the second half"


def _kilometres(facts: Facts) -> Iterator[Fact]:
    whole = [split for split in facts.splits if split.distance >= WHOLE]
    if len(whole) < 2:
        return
    fastest, slowest = (choose(whole, key=lambda split: split.pace) for choose in (min, max))
    if clock(fastest.pace) != clock(slowest.pace):
        yield Fact("fastest kilometre", _ranked(fastest))
        yield Fact("slowest kilometre", _ranked(slowest))
    yield Fact("kilometre by kilometre", ", ".join(clock(split.pace) for split in whole))


def _length(effort: tuple[str, float]) -> float:
    """Its metres: a database gives efforts back in an order of its own."""
    return float(effort[0])


def _measured(facts: Facts, metres: str) -> str:
    """What was measured where it is a little short of the distance that it counts as."""
    short = facts.distance < float(metres) and round(facts.distance) != round(float(metres))
    return f" ({facts.distance:.0f} m measured)" if short else ""


def _ranked(split: Split) -> str:
    return f"the {ordinal(split.kilometre)}, in {clock(split.pace)}"
