"""One run of the family line's real job in this process, as in Dagster's run worker.

`python -m benchmarks.run_line DAY` prints what it took as one line of JSON.
"""

import json
import resource
import sys

import dagster as dg

from benchmarks.site import LATER


def main() -> None:
    """Materialise the day of the command line, and say what it took."""
    from definitions import defs

    job = defs.resolve_job_def("family_line")
    keys = [key for key in job.asset_layer.executable_asset_keys if key.path[-1] != LATER]
    with dg.DagsterInstance.get() as instance:
        before = _cpu_seconds()
        result = job.execute_in_process(
            partition_key=sys.argv[1], instance=instance, asset_selection=keys
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


def _body_seconds(instance: dg.DagsterInstance, run_id: str) -> float:
    """From the start of the run's one step to its end, as Dagster shows it."""
    ends = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS}
    times = [entry.timestamp for entry in instance.all_logs(run_id, of_type=ends)]
    return max(times) - min(times)


if __name__ == "__main__":
    main()
