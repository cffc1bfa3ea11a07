"""What a job that Dagster runs comes to: one run of a line, as plain data.

The function of such a type returns a plan in place of doing the work. A sensor asks Dagster for the
run, and the run claims the job (`runs.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from keepsake.errors import InvalidInput
from keepsake.jobs.rows import Fence

RUN_TAG = "keepsake/job"  # of the run: the job's id and the number of the attempt, "17:1"
SENSOR = "tracked_jobs"  # which asks for them

Mode = Literal["due", "all"]


@dataclass(frozen=True)
class RunPlan:
    """One run of a line.

    Attributes:
        line: its name.
        first, last: days of the first and the last partition.
        steps: those to make, or all.
        mode: `due`: only what is due; `all`: what failed or is stale as well.
        redo: make what is up to date again too.
        record_ids: of the records of those days only these; none: all.
        max_records: how many at most, in mode `due`.
    """

    line: str
    first: date
    last: date
    steps: tuple[str, ...] = ()
    mode: Mode = "all"
    redo: bool = False
    record_ids: tuple[int, ...] = ()
    max_records: int | None = None


def run_tag(fence: Fence) -> str:
    """The value of `RUN_TAG` of the run that is this attempt."""
    return f"{fence.job_id}:{fence.attempt}"


def fence_of(tags: Mapping[str, str]) -> Fence | None:
    """The attempt that a run with these tags is; None: it is of no job.

    Raises:
        InvalidInput: the tag names no attempt.
    """
    if RUN_TAG not in tags:
        return None
    if not (found := re.fullmatch(r"(\d{1,18}):(\d{1,9})", tags[RUN_TAG])):
        raise InvalidInput(f"the tag {RUN_TAG} is no job's id and attempt, such as 17:1")
    return Fence(int(found[1]), int(found[2]))
