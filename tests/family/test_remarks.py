"""What could not be trusted in a recording, as people read it."""

import pytest

from keepsake.family.remarks import remark


@pytest.mark.parametrize(
    ("issue", "told"),
    [
        (
            {"kind": "language", "declared": "en", "heard": "de", "start": 0.0, "end": 9.1},
            "This is German, and the family speaks English, 0:00 to 0:09",
        ),
        (
            {"kind": "tracks", "track": 2, "tracks": 2},
            "The file has 2 audio tracks: this is number 2",
        ),
        (
            {"kind": "loop", "words": "and so", "times": 7},
            "The model repeated the same words 7 times: they are written once",
        ),
        ({"kind": "silence", "start": 4, "end": 12}, "Nothing is to be heard, 0:04 to 0:12"),
        (
            {"kind": "dropped", "reason": "hint", "words": "Rose", "start": 1, "end": 2},
            "The model wrote down words that were probably not said (hint): left out, 0:01 to 0:02",
        ),
        ({"kind": "tracks"}, "Tracks"),
        ({"kind": "of_later", "start": 3}, "Of later, 0:03"),
    ],
)
def test_an_issue_of_a_transcript_is_a_sentence(issue: dict[str, object], told: str) -> None:
    assert remark(issue) == told
