"""How `keepsake up` ends: by signal, by command, by a part that does not start."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from keepsake.database import migrate
from keepsake.embedded import postgres
from keepsake.embedded.processes import is_alive, session
from keepsake.errors import SettingsError
from keepsake.local.parts import PartFailed
from keepsake.local.ports import free_port
from keepsake.local.up import ROOT, started
from keepsake.settings import Settings

from .parts import eventually, state

DEFINITIONS = """
import os, time
import dagster as dg

@dg.asset
def slow() -> None:
    time.sleep(300)

@dg.sensor(asset_selection=["slow"], default_status=dg.DefaultSensorStatus.RUNNING,
           minimum_interval_seconds=1)
def once(context):
    # Any setting would do to tell it from outside when to ask.
    if voice := os.environ.get("SPEECH_VOICE"):
        yield dg.RunRequest(run_key=voice)

defs = dg.Definitions([slow], sensors=[once], executor=dg.in_process_executor)
"""
# With models elsewhere a supervisor has one part less to wait for.
ELSEWHERE: dict[str, Any] = {
    f"{role}_{name}": value
    for role in ("chat", "embeddings", "transcription", "speech")
    for name, value in {"base_url": "http://127.0.0.1:9/v1", "model": "none"}.items()
}
UP = """
import sys
from functools import partial
from pathlib import Path
from keepsake.database import migrate
from keepsake.local.up import run_forever
from keepsake.settings import load_settings

say = partial(print, flush=True)  # a line is read while the process goes on
run_forever(load_settings(), prepare=migrate, root=Path(sys.argv[1]), say=say)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one asset that takes long and a sensor that may ask for it."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "definitions.py").write_text(DEFINITIONS)
    (folder / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    return folder


def _migrate(url: str) -> None:
    migrate(url)


def _settings(home: Path, **values: Any) -> Settings:
    return Settings.model_validate(
        {"keepsake_home": home, "dagster_port": free_port(), "api_port": free_port(), **values}
    )


class TestEnd:
    @pytest.fixture
    def start(self, root: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
        """Runs `up` in a process of its own; what still runs at the end is ended."""
        processes = []

        def start(settings: Settings, **values: str) -> "subprocess.Popen[str]":
            values |= ELSEWHERE | {"keepsake_home": str(settings.home)}
            values["dagster_port"] = str(settings.dagster_port)
            values["api_port"] = str(settings.api_port)
            process = subprocess.Popen(
                [sys.executable, "-c", UP, root],
                env={**os.environ, **{name.upper(): value for name, value in values.items()}},
                stdout=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
            return process

        yield start
        for process in processes:
            process.terminate()
            process.communicate(timeout=60)

    def _processes(self, settings: Settings) -> list[psutil.Process]:
        """All of its parts and what they started."""
        return [p for leader in state(settings)["sessions"] for p in session(int(leader))]

    def test_killed_one_is_cleared_up_after_and_stopped_one_leaves_nothing(
        self, home: Path, start: Callable[..., "subprocess.Popen[str]"]
    ) -> None:
        settings = _settings(home)
        first = start(settings, speech_voice="first")
        eventually(lambda: _runs(home) == ["STARTED"])
        eventually(lambda: state(settings)["dagster_url"])
        first.kill()
        first.wait()
        # The run dies with its code server, so that nobody can say that it has ended.
        for process in session(state(settings)["parts"]["code server"]):
            process.kill()
        orphans = [process for process in self._processes(settings) if is_alive(process)]
        assert len(orphans) >= 2

        second = start(settings, speech_voice="second")
        eventually(lambda: _runs(home) == ["CANCELED", "STARTED"])
        eventually(lambda: state(settings)["dagster_url"])
        assert not any(is_alive(orphan) for orphan in orphans)
        processes = self._processes(settings)
        assert _db_stop(home, "--yes").returncode == 0
        said, _ = second.communicate(timeout=60)
        assert second.returncode == 0
        assert f"http://127.0.0.1:{settings.api_port}/dagster" in said
        assert "Waiting for 1 run to store what is finished, 20 s at most." in said
        assert not any(is_alive(process) for process in processes)
        assert postgres.running_url(home) is None
        assert not settings.state_file.exists()
        postgres.ensure_running(home)
        assert _runs(home) == ["CANCELED", "CANCELED"]

    def test_it_is_not_stopped_unasked_and_a_second_interrupt_waits_for_nothing(
        self, home: Path, start: Callable[..., "subprocess.Popen[str]"]
    ) -> None:
        settings = _settings(home)
        up = start(settings, speech_voice="first")
        eventually(lambda: _runs(home) == ["STARTED"])
        eventually(lambda: state(settings)["dagster_url"])
        refused = _db_stop(home)
        assert refused.returncode == 1
        assert f"`keepsake up` runs on this database (process {up.pid})" in refused.stderr
        assert "keepsake db stop --yes" in refused.stderr
        assert postgres.running_url(home) is not None

        processes = self._processes(settings)
        up.send_signal(signal.SIGINT)
        assert up.stdout is not None
        while "Ctrl-C again" not in up.stdout.readline():
            pass
        up.send_signal(signal.SIGINT)
        said, _ = up.communicate(timeout=60)
        assert said.splitlines()[-2:] == ["Ending everything at once.", "Keepsake has stopped."]
        assert not any(is_alive(process) for process in processes)
        assert postgres.running_url(home) is None


def _db_stop(home: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """`keepsake db stop`, with nobody to ask."""
    return subprocess.run(
        [sys.executable, "-c", "from keepsake.cli import app; app()", "db", "stop", *options],
        env={**os.environ, "KEEPSAKE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _runs(home: Path) -> list[str]:
    """Status of every run."""
    url = postgres.running_url(home)
    if url is None:
        return []
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('dagster.runs')").fetchone() == (None,):
            return []
        return [
            status
            for (status,) in connection.execute("SELECT status FROM dagster.runs ORDER BY id")
        ]


def test_port_that_is_taken_is_named(home: Path, root: Path, models_url: str) -> None:
    port = int(models_url.rsplit(":", 1)[1].removesuffix("/v1"))
    settings = Settings.model_validate(
        {"keepsake_home": home, "dagster_port": port, "api_port": free_port()}
    )
    with (
        pytest.raises(SettingsError, match=rf"DAGSTER_PORT: port {port} .* by \S+ \(process \d+\)"),
        started(settings, prepare=_migrate, root=root),
    ):
        pass


def test_definitions_that_do_not_load_are_shown(home: Path, tmp_path: Path) -> None:
    (tmp_path / "definitions.py").write_text("raise RuntimeError('no such voice')")
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with (
        pytest.raises(PartFailed, match=r"(?s)code server ended as it started.*no such voice"),
        started(_settings(home, **ELSEWHERE), prepare=_migrate, root=tmp_path),
    ):
        pass
    assert postgres.running_url(home) is None
