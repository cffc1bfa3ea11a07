"""Spans of time as people write them."""

from datetime import timedelta

import pytest

from keepsake.errors import InvalidInput
from keepsake.text.durations import duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), (" 5M", 300), ("1h30m", 5_400), ("2d", 172_800), ("0s", 0)]
)
def test_a_span_is_read(text: str, seconds: int) -> None:
    assert duration(text, "--ttl") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "-5m", "5 m", "1m1h", "1.5h", "999999999d", "soon"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no span of time: write it like 30s"):
        duration(text, "--ttl")
