"""Cron expressions in a time zone: checked when they are given, and the times they name.

Where clocks are put forward, a time that the day does not have is the moment of the change. Where
they are put back, a time of day that comes twice counts once, the first time; an expression with a
star or a step in its hours (`*/30 * * * *`) goes on through both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from keepsake.errors import InvalidInput
from keepsake.text.names import check_time_zone

LONGEST = 100  # characters
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_DAY = timedelta(hours=25)


@dataclass(frozen=True)
class Cron:
    """An expression of five fields, and whose clock it means."""

    expression: str
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after a moment, in UTC, in order."""
        for time in CronSim(self.expression, moment.astimezone(self.zone)):
            if time.astimezone(UTC) > moment:  # not so in the second of two equal hours
                yield time.astimezone(UTC)

    def next(self, moment: datetime) -> datetime:
        """The first time after a moment, in UTC."""
        return next(self.after(moment))

    def from_until(self, first: datetime, last: datetime, *, limit: int) -> list[datetime]:
        """The times from `first`, which is one, to `last`: the first so many of them."""
        times = [first]
        for time in self.after(first):
            if time > last or len(times) == limit:
                break
            times.append(time)
        return times

    def latest(self, first: datetime, last: datetime) -> datetime:
        """The last time from `first`, which is one, to `last`."""
        latest = first
        # Of what comes often the last day's times are enough; of what comes seldom there are few.
        for start in (last - _DAY, first):
            for time in self.after(max(start, first)):
                if time > last:
                    break
                latest = time
            if latest > first:
                break
        return latest

    def __str__(self) -> str:
        return f"{CronSim(self.expression, datetime.now(self.zone)).explain()} ({self.zone.key})"


def check_cron(expression: str, time_zone: str) -> Cron:
    """The expression, with a name such as `@daily` written out.

    Raises:
        InvalidInput: it is none, it never comes, or there is no such time zone.
    """
    zone = check_time_zone(time_zone)
    written = expression.strip()
    if len(written) > LONGEST:
        raise InvalidInput(
            f"the cron expression has {len(written):,} characters; at most {LONGEST}"
        )
    plain = _NAMED.get(written.lower(), " ".join(written.split()))
    if len(plain.split()) != 5:
        raise InvalidInput(
            f"the cron expression {written!r} does not have five fields (minute, hour, day, month, "
            f"day of the week), such as `0 9 * * 1-5`, and is none of {', '.join(sorted(_NAMED))}"
        )
    cron = Cron(plain, zone)
    try:
        cron.next(datetime.now(UTC))
    except CronSimError as error:
        reason = str(error)[:1].lower() + str(error)[1:]
        raise InvalidInput(
            f"the cron expression {written!r} has a {reason}: it means no time that ever comes"
        ) from None
    except StopIteration:
        raise InvalidInput(
            f"the cron expression {written!r} means no time that ever comes"
        ) from None
    return cron
