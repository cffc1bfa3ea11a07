"""Logs: what a line names beside its message, and how it is written.

    with about(job=17, attempt=1, owner=3):
        log.info("%d of %d", done, total)

Ids hold for all that is logged inside, also in tasks and threads that are begun there. A line never
holds content: the text of a record, an address, a token. So of an error it has the type and the
place, and not what it says, which may quote any of these.

Which lines a job keeps in the database is not here (`keepsake/jobs/log.py`).
"""

import json
import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["text", "json"]

_ids: ContextVar[Mapping[str, int | str]] = ContextVar("ids of what is logged")
_QUOTE_ADDRESSES = ("httpx", "httpx2")  # whole ones, with queries, in lines of level INFO


@contextmanager
def about(
    *,
    job: int | None = None,
    attempt: int | None = None,
    run: str | None = None,
    record: int | None = None,
    owner: int | None = None,
) -> Iterator[None]:
    """Have the lines inside name these, beside what is named around."""
    given = {"job": job, "attempt": attempt, "run": run, "record": record, "owner": owner}
    new = {name: value for name, value in given.items() if value is not None}
    token = _ids.set({**ids(), **new})
    try:
        yield
    finally:
        _ids.reset(token)


def ids() -> Mapping[str, Any]:
    """What a line names that is logged now."""
    return _ids.get({})


def set_up(form: Format, level: int = logging.INFO) -> None:
    """Have the process write its log to stderr, from that level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    logging.basicConfig(level=level, handlers=[handler])
    for name in _QUOTE_ADDRESSES:
        logging.getLogger(name).setLevel(logging.WARNING)


def formatter(form: Format) -> logging.Formatter:
    """What writes lines in that format; both give the time in UTC."""
    return JsonLines() if form == "json" else Text()


class RunLines(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes what Dagster's runs log as JSON lines; `dagster.yaml` names it.

    Of what Dagster logs itself it has the message, and no text of an error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        said = copy(record)  # which others are given too
        said.msg, said.args = message(record), None
        with about(run=_of_run(record).get("run_id")):
            super().emit(said)


def message(record: logging.LogRecord) -> str:
    """What was said. In a run Dagster writes names of the run before it, into the record itself."""
    said: str | None = _of_run(record).get("orig_message")
    return record.getMessage() if said is None else said


def _of_run(record: logging.LogRecord) -> Mapping[str, Any]:
    of_run: Mapping[str, Any] = getattr(record, "dagster_meta", {})
    return of_run


def where(error: BaseException) -> str:
    """The type of an error and where it was raised, and the same of what it came from."""
    parts = [type(error).__name__, "\n", *traceback.format_tb(error.__traceback__)]
    if isinstance(error, BaseExceptionGroup):
        parts += [f"with {where(each)}" for each in error.exceptions]
    if error.__cause__ is not None or not error.__suppress_context__:
        cause = error.__cause__ or error.__context__
        parts += [f"from {where(cause)}"] if cause is not None else []
    return "".join(parts)


class Text(logging.Formatter):
    """Lines for people: time, level, logger, message, ids."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class's name
        """See `logging.Formatter`."""
        named = " ".join(f"{name}={value}" for name, value in ids().items())
        line = super().formatMessage(record)
        return f"{line} [{named}]" if named else line

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Type and place."""
        return where(ei[1])


class JsonLines(logging.Formatter):
    """One JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **ids(),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = where(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)
