"""What was wrong in a file, or assumed, in words: the issues among an activity's facts."""

from collections.abc import Iterable

from keepsake.running.facts import Issue

# By kind: a sentence, with the count where it says something; a pair where one reads otherwise.
REMARKS: dict[str, str | tuple[str, str]] = {
    # What the file has
    "bare_ampersand": (
        "the file has an & that XML does not allow: read as text",
        "the file has {n} times an & that XML does not allow: read as text",
    ),
    "checksum_mismatch": "the file's checksum does not match: single values may be wrong",
    "cut_off": "the file breaks off: what comes after is missing",
    "damaged": "the file is damaged: what comes after that place is missing",
    "decimal_comma": ("1 number has a decimal comma", "{n} numbers have a decimal comma"),
    "file_behind": "another file lies behind the activity: left alone",
    "forbidden_character": (
        "the file has a character that XML does not allow: left out",
        "the file has {n} characters that XML does not allow: left out",
    ),
    "not_closed": "the device did not close the file: it has no checksum",
    "part_of_file": "the file holds {n} activities; this is one of them",
    "undeclared_prefix": "the file uses names that it never declares: read all the same",
    "unreadable_number": (
        "1 number cannot be read: left out",
        "{n} numbers cannot be read: left out",
    ),
    "wrong_encoding": "the file is not in the encoding that it names",
    # What its points have
    "clock_jump": (
        "the clock jumps once: it goes on at the usual step",
        "the clock jumps {n} times: it goes on at the usual step",
    ),
    "distance_jump": (
        "the distance jumps once: not counted",
        "the distance jumps {n} times: not counted",
    ),
    "duplicate_point": ("1 point is there twice", "{n} points are there twice"),
    "elevation_out_of_range": (
        "1 elevation cannot be: left out",
        "{n} elevations cannot be: left out",
    ),
    "gps_spike": (
        "1 position is out of reach: not counted",
        "{n} positions are out of reach: not counted",
    ),
    "heart_rate_out_of_range": (
        "1 heart rate cannot be: left out",
        "{n} heart rates cannot be: left out",
    ),
    "late_point": ("1 point comes too late: left out", "{n} points come too late: left out"),
    "no_time": ("1 point has no time: left out", "{n} points have no time: left out"),
    "pause": ("1 pause", "{n} pauses"),
    # What they lack, and where it is from
    "distance_from_lengths": "the distance is that of the lengths of the pool",
    "distance_from_session": "the points have no distance: it is what the file says of the whole",
    "heart_rate_from_session": "the points have no heart rate: it is what the file says of the "
    "whole",
    "heart_rate_from_strap": "the heart rate is what the strap stored",
    "heart_rate_gaps": ("1 point has no heart rate", "{n} points have no heart rate"),
    "no_distance": "the file says no distance",
    "no_heart_rate": "the file has no heart rate to go by",
    "no_points": "only totals are known, and no points",
    "no_sport": "the file names no sport: taken to be on foot, and in no digest",
}


def remarks(issues: Iterable[Issue]) -> list[str]:
    """The issues in words; a kind that has none by its name."""
    return [_remark(issue) for issue in issues]


def _remark(issue: Issue) -> str:
    words = REMARKS.get(issue.kind, issue.kind.replace("_", " "))
    if isinstance(words, tuple):
        words = words[0] if issue.count == 1 else words[1]
    return words.format(n=f"{issue.count:,}")
