"""Types of jobs: found by name, their data checked, their pauses between attempts."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from keepsake.errors import InvalidInput
from keepsake.jobs.registry import Registry, Retry
from tests.jobs.greetings import REGISTRY, Greeting, greet


def test_a_function_with_a_decorator_is_a_type() -> None:
    assert REGISTRY.find("greet") is greet
    assert greet.check({"name": "Ben"}) == Greeting(name="Ben")
    assert REGISTRY.names("internal") == ["alone", "greet", "wave"]


def test_an_unknown_type_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"no type of jobs 'bow' \(known: alone, greet, wave\)"):
        REGISTRY.find("bow")


def test_data_that_does_not_fit_is_refused_by_field_and_without_its_value() -> None:
    with pytest.raises(InvalidInput, match=r"job of type greet: times: .*; secret: ") as refused:
        greet.check({"times": "hunter2", "secret": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_two_types_of_one_name_are_a_fault() -> None:
    with pytest.raises(ValueError, match="two types"):
        Registry([greet, greet])


def test_pauses_grow_by_the_factor_up_to_the_longest() -> None:
    retry = Retry(attempts=9, min_seconds=1, max_seconds=10, factor=3, jitter=False)
    assert [retry.pause(n).total_seconds() for n in (1, 2, 3, 99)] == [1, 3, 9, 10]


@pytest.mark.parametrize("pause", [{"max_seconds": 1e300}, {"pauses": (5, 604_801)}])
def test_a_pause_is_a_week_at_most(pause: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="less than or equal to 604800"):
        Retry(**pause)


def test_the_longest_pause_holds_however_much_it_would_grow() -> None:
    retry = Retry(min_seconds=1e308, max_seconds=604_800, factor=100)
    assert retry.pause(100) == timedelta(days=7)


def test_jitter_lengthens_a_pause_up_to_twice() -> None:
    pauses = {Retry(max_seconds=60).pause(2) for _ in range(50)}
    assert len(pauses) > 1
    assert all(timedelta(seconds=2) <= pause <= timedelta(seconds=4) for pause in pauses)


def test_pauses_may_be_given_one_by_one_and_the_last_one_stays() -> None:
    retry = Retry(attempts=5, pauses=(5, 300), jitter=False)
    assert [retry.pause(n).total_seconds() for n in (1, 2, 3, 4)] == [5, 300, 300, 300]
