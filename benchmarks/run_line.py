"""One run of a line's real job in this process, as in Dagster's run worker.

`python -m benchmarks.run_line LINE PARTITION [STEP...]` prints what it took as one line of JSON.

Nothing is imported before it is used: the processes that read files import this module too, and in
a run worker they import nothing of Dagster.
"""

import json
import resource
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterInstance


def main() -> None:
    """Materialise the partition of the command line, all steps or some, and say what it took."""
    import dagster as dg

    from benchmarks.site import LATER
    from definitions import defs

    line, partition, *steps = sys.argv[1:]
    job = defs.resolve_job_def(f"{line}_line")
    keys = [
        key
        for key in job.asset_layer.executable_asset_keys
        if (key.path[-1] in steps if steps else key.path[-1] != LATER)
    ]
    with dg.DagsterInstance.get() as instance:
        before = _cpu_seconds()
        result = job.execute_in_process(
            partition_key=partition, instance=instance, asset_selection=keys
        )
        took = {
            "body_seconds": _body_seconds(instance, result.run_id),
            "body_cpu_seconds": _cpu_seconds() - before,
            "cpu_seconds": _cpu_seconds(),
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    print(json.dumps(took))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _body_seconds(instance: "DagsterInstance", run_id: str) -> float:
    """From the start of the run's one step to its end, as Dagster shows it."""
    from dagster import DagsterEventType

    ends = {DagsterEventType.STEP_START, DagsterEventType.STEP_SUCCESS}
    times = [entry.timestamp for entry in instance.all_logs(run_id, of_type=ends)]
    return max(times) - min(times)


if __name__ == "__main__":
    main()
