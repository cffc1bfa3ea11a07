"""Prometheus' own tool, which says whether it can use what it is given."""

import shutil
import subprocess

import pytest


def check_with_promtool(*arguments: str, given: str = "") -> None:
    """Have promtool check something.

    Skips where it is not installed: `.ci/run` installs it.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on this machine: Debian has it in the package prometheus")
    done = subprocess.run(
        [promtool, *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
