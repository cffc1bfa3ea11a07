"""What a listener could not trust in a recording, in words: the issues of a transcript.

The kinds and their fields are described in docs/family-line.md.
"""

from collections.abc import Mapping
from typing import Any

from keepsake.clients.transcription_result import language_name
from keepsake.text.moments import clock

# By kind: a sentence with the fields of the issue. A kind that has none is shown by its name.
REMARKS = {
    "loop": "The model repeated the same words {times} times: they are written once",
    "dropped": "The model wrote down words that were probably not said ({reason}): left out",
    "language": "This is {heard}, and the family speaks {declared}",
    "silence": "Nothing is to be heard",
    "tracks": "The file has {tracks} audio tracks: this is number {track}",
    "truncated": "The file breaks off before its end",
}


def remark(issue: Mapping[str, Any]) -> str:
    """An issue of a transcript in words, and where: `Nothing is to be heard, 0:12 to 0:19`."""
    fields = dict(issue)
    for name in ("heard", "declared"):
        if fields.get(name):
            fields[name] = language_name(fields[name]).title()
    kind = issue["kind"]
    try:
        words = REMARKS[kind].format_map(fields)
    except KeyError:  # a kind or a field of another version
        words = kind.replace("_", " ").capitalize()
    times = [clock(issue[end]) for end in ("start", "end") if issue.get(end) is not None]
    return ", ".join(filter(None, (words, " to ".join(times))))
