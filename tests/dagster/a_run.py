"""A run in a process of its own, which may be killed: `python -m tests.dagster.a_run REQUEST`."""

import json
import sys

import dagster as dg

from definitions import build_defs
from keepsake.settings import load_settings

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    with dg.DagsterInstance.ephemeral() as instance:
        build_defs(load_settings()).resolve_job_def(asked["job"]).execute_in_process(
            partition_key=asked["partition"],
            tags=asked["tags"],
            asset_selection=[dg.AssetKey(name) for name in asked["assets"]],
            run_config=asked["config"],
            instance=instance,
        )
