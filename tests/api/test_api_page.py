"""The examples of docs/api.md, run in their order against a real server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keepsake.database import connect
from keepsake.family.response import add_family, add_member
from tests.api.conftest import Door
from tests.pages import ROOT

PAGE = ROOT / "docs/api.md"
ADDRESS = "http://127.0.0.1:8000"
EXAMPLES = {
    "message.m4a": ROOT / "keepsake/demo/data/walter.m4a",
    "run.fit": ROOT / "keepsake/demo/data/runs/2026-11-03-harbor-loop.fit",
}


def test_every_example_does_what_it_says(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(door.settings.database_url) as db:
        add_member(db, add_family(db, "The Harbors"), "Rosa")
    for name, file in EXAMPLES.items():
        shutil.copy(file, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DATABASE_URL": door.settings.database_url,
        "KEEPSAKE_HOME": str(door.settings.home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)
    namespace: dict[str, Any] = {}
    found = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    for language, example in found:
        example = example.replace(ADDRESS, door.url)
        if language == "python":
            exec(compile(example, str(PAGE), "exec"), namespace)
        else:
            run(example, monkeypatch)
    assert len(found) == 32, "sixteen tasks, each in two ways"


# What has no end, live progress, is broken off after two seconds.
SHELL = """
curl() {
    if [ "$2" != -N ]; then command curl "$@"; return; fi
    command curl --max-time 2 "$@" || test $? = 28
}
"""


def run(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a block in a shell, and keep what it exports for the next."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{SHELL}{example}\nenv -0 > environment"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{example}\n{done.stdout}{done.stderr}"
    exported = dict(
        pair.split("=", 1) for pair in Path("environment").read_text().split("\0") if pair
    )
    for name in {"TOKEN", "RECORD", "JOB"} & exported.keys():
        monkeypatch.setenv(name, exported[name])
