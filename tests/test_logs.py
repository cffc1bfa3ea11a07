"""What a line of a log names, and how it is written."""

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from keepsake.logs import Format, about, formatter, ids, where


def record(message: str, *values: Any, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("keepsake.x", logging.INFO, "x.py", 1, message, values, info)


def raised() -> Exception:
    try:
        try:
            raise KeyError("what grandmother said")
        except KeyError as error:
            raise ValueError("and where she lived") from error
    except ValueError as error:
        return error


def test_a_line_for_people_has_its_ids_at_the_end() -> None:
    with about(job=17, attempt=1):
        line = formatter("text").format(record("%d of %d", 1, 2))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z INFO keepsake\.x 1 of 2 \[job=17 attempt=1\]", line
    )


def test_a_line_for_programs_is_one_object_in_utc() -> None:
    with about(record=3, owner=1):
        line = formatter("json").format(record("two\nlines"))
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "INFO", "logger": "keepsake.x", "message": "two\nlines", "record": 3, "owner": 1
    }  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_has_type_and_place_and_nothing_that_it_says(form: Format) -> None:
    line = formatter(form).format(record("it failed", error=raised()))
    assert "ValueError" in line
    assert "KeyError" in line
    assert "in raised" in line
    assert "grandmother said'" not in line
    assert "lived'" not in line
    assert "Error: " not in line


def test_errors_of_a_group_are_named() -> None:
    assert "TimeoutError" in where(ExceptionGroup("both", [TimeoutError(), raised()]))


async def test_ids_hold_in_tasks_and_threads_and_end_with_the_block() -> None:
    with about(job=1, owner=2):
        with about(attempt=3, owner=None):
            assert await asyncio.to_thread(ids) == {"job": 1, "owner": 2, "attempt": 3}
            task = asyncio.create_task(asyncio.to_thread(ids))
        assert ids() == {"job": 1, "owner": 2}
    assert ids() == {}
    assert await task == {"job": 1, "owner": 2, "attempt": 3}
