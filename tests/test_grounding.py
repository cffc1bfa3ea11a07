"""The rule that every number in a text must stand in the facts, as a specification."""

import pytest

from keepsake.text.grounding import numbers, ungrounded

FACTS = [
    "date: Sunday 7 June 2026",
    "distance: 10.02 km",
    "moving time: 52:13",
    "pace: 5:13 per km",
    "longest: 1:02:45",
    "climbed: 1,234 m",
    "heart rate: 148 beats a minute",
    "fastest kilometre: 4, in 4:58",
    "drift: -2.3 %",
]


@pytest.mark.parametrize(
    "text",
    [
        "No number at all.",
        "You ran 10.02 km, or 10,02 as others write it, on the 7th of June 2026.",
        "10.020 kilometres, 1234 metres, 1.234 m, 1'234 m of climbing.",
        "On the seventh, your fourth kilometre was the fastest: 4:58.",
        "It took 52:13, that is 52 min 13 s, 52 minutes and 13 seconds, or 52m 13s.",
        "Fifty-two minutes and thirteen seconds; fifty two minutes, thirteen seconds.",
        "5:13/km, 5'13\" a kilometre, 5′13″ each.",
        "About 52 minutes. And once more than 1 hour, 1 hour and 2 minutes, or 62 minutes.",
        "One hundred and forty-eight beats; a hundred and forty-eight beats; 148bpm.",
        "Your heart drifted by 2.3%.",
        "One run, your first in June, once around the lake; no one saw the second half.",
        "Half a marathon it was not, nor an hour.",
        "An hour and two minutes; one hour, two minutes and forty-five seconds.",
        "Fifty\u2011two minutes, fifty\u2010two minutes, a hundred and forty\u2011eight beats.",
        "148 beats, and a half marathon in it; then wind, and a half moon.",
        "148 beats a minute and no more; one hour at a time, half of it in song.",
    ],
)
def test_what_stands_in_the_facts_may_be_said(text: str) -> None:
    assert ungrounded(text, FACTS) == []


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("You ran 10 km.", ["10"]),
        ("You ran 10.2 km.", ["10.2"]),
        ("It took 52:14.", ["52:14"]),
        ("It took 53 minutes.", ["53 minutes"]),
        ("52 and 13", ["52", "13"]),
        ("13 seconds", ["13 seconds"]),
        ("2 minutes", ["2 minutes"]),
        ("A 5k in 2025", ["5", "2025"]),
        ("Eleven geese and twenty-one swans", ["Eleven", "twenty-one"]),
        ("a hundred and fifty, or thousands", ["hundred and fifty", "thousands"]),
        ("five thirteen", ["five", "thirteen"]),
        ("your third, eighth and twentieth mile", ["third", "eighth", "twentieth"]),
        ("twice as far, a dozen times", ["twice", "dozen"]),
        ("03.06.2026", ["03", "06"]),
        ("3-5 repeats at 4:30-4:45", ["3", "5", "4:30", "4:45"]),
        ("two or three hills", ["two", "three"]),
        ("١٢ km", ["١٢"]),
        ("1 second", ["1 second"]),
        ("one million stars, a billion", ["one million", "billion"]),
        ("148 minutes, four hours", ["148 minutes", "four hours"]),
        (
            "half an hour, a half-hour, a quarter of an hour",
            ["half an hour", "half-hour", "quarter of an hour"],
        ),
        ("an hour and a half; four and a half; 4½", ["and a half", "and a half", "½"]),
        ("an hour and five minutes", ["an hour and five minutes"]),
        ("fortyeight geese", ["fortyeight"]),
    ],
)
def test_what_does_not_is_named_as_it_stands(text: str, invented: list[str]) -> None:
    assert ungrounded(text, FACTS) == invented


def test_words_that_only_hold_a_number_are_none() -> None:
    assert numbers("often, someone, weight, tender, attention, stone, a lonely height") == []


def test_a_number_of_a_title_is_a_fact_too() -> None:
    assert ungrounded("Your 10K!", ["title: Parkrun 10k"]) == []


def test_half_an_hour_is_thirty_minutes() -> None:
    assert ungrounded("Half an hour, or 30 minutes.", ["moving time: 30 min 12 s"]) == []


def test_facts_that_are_none_ground_nothing() -> None:
    assert ungrounded("5 km", []) == ["5"]
