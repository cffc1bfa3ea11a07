"""One name for a sport, whatever a file calls it."""

import pytest

from keepsake.running.sports import sport_name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("running", "running"),
        ("Running", "running"),
        ("Trail Run", "running"),
        ("street_running", "running"),
        ("9", "running"),
        ("Biking", "cycling"),
        ("Virtual Ride", "cycling"),
        ("hiking", "hiking"),
        ("Walk", "walking"),
        ("Rock\x00 Climbing", "rock climbing"),
        ("generic", None),
        ("Other", None),
        ("", None),
    ],
)
def test_a_sport_has_one_name(said: str, name: str | None) -> None:
    assert sport_name(said) == name
