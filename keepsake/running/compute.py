"""The one way from an activity file to its facts, made to run in the worker pool."""

from keepsake.running.facts import Facts, Seen
from keepsake.running.files import MOST_BYTES, read_track
from keepsake.running.sports import sport_name


def compute(
    data: bytes,
    *,
    max_heart_rate: int | None = None,
    seen: Seen | None = None,
    part: int = 1,
    sport: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Facts:
    """The facts of the activity in this file, packed (`.gz`) or not.

    Made to run in the worker pool: bytes go in, and facts come out, not points.

    Args:
        data: the file, whatever its name.
        max_heart_rate: the runner's highest, as stated: the zones are parts of it.
        seen: what the runner's other activities show, for where none is stated.
        part: which of the activities in the file, from 1.
        sport: as a listing calls it. What is no leap depends on it, where the file names none.
        most_bytes: the largest file that is read, unpacked.

    Raises:
        PermanentError: it is no activity file, nothing of it can be read, or it has no times.
    """
    # numpy: a tenth of a second for a run that only hands this function on.
    from keepsake.running.formulas import facts_of

    track = read_track(data, part=part, sport=sport_name(sport or ""), most_bytes=most_bytes)
    return facts_of(track, max_heart_rate=max_heart_rate, seen=seen)
