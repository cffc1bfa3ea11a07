"""The types of jobs that there are: each is one function with a decorator, in a file of this room.

How jobs are kept and run is not here (`keepsake/jobs/`); nor is what the functions call, which
does not know of jobs.
"""

from keepsake.job_types import (
    backups,
    export,
    family,
    imports,
    lines,
    messages,
    records,
    running,
    upkeep,
    webhooks,
)
from keepsake.jobs.registry import JobType, Registry

REGISTRY = Registry(
    each
    for module in (
        backups,
        export,
        family,
        imports,
        lines,
        messages,
        records,
        running,
        upkeep,
        webhooks,
    )
    for each in vars(module).values()
    if isinstance(each, JobType)
)
