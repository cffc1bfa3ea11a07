"""The embedded PostgreSQL: it starts anywhere, once, and loses nothing when it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import create_engine, text

from keepsake.embedded import postgres
from keepsake.embedded.processes import has_ended, is_alive


def _postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "postgres/data/postmaster.pid").read_text().split()[0]))


def test_url_serves_psycopg_and_sqlalchemy(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT '[1,2]'::vector <-> '[1,2]'::vector").fetchone()
    engine = create_engine(postgres_url)
    with engine.connect() as other:
        assert other.execute(text("SHOW max_connections")).scalar() == "200"
    engine.dispose()
    assert row == (0.0,)


def test_each_test_has_a_database_of_its_own_with_pgvector(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        name, extension = connection.execute(
            "SELECT current_database(), (SELECT extname FROM pg_extension WHERE extname = 'vector')"
        ).fetchone() or ("", "")
    assert name.startswith("test_")
    assert extension == "vector"


def test_two_processes_that_start_it_at_once_get_the_same_server(home: Path) -> None:
    program = (
        "import sys, pathlib; from keepsake.embedded.postgres import ensure_running;"
        "print(ensure_running(pathlib.Path(sys.argv[1])))"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", program, home], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    urls = {starter.communicate(timeout=60)[0].strip() for starter in starters}
    assert urls == {postgres.running_url(home)}
    assert [starter.returncode for starter in starters] == [0, 0]


def test_killed_server_starts_again_with_its_data(home: Path) -> None:
    with psycopg.connect(postgres.ensure_running(home)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    killed = _postmaster(home)
    killed.kill()
    assert has_ended(killed, 10)
    assert postgres.running_url(home) is None
    with psycopg.connect(postgres.ensure_running(home)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_stale_pid_file_that_names_another_process_is_no_server(home: Path) -> None:
    postgres.ensure_running(home)
    pid_file = home / "postgres/data/postmaster.pid"
    lines = pid_file.read_text().splitlines()
    postgres.stop(home)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert postgres.running_url(home) is None
    postgres.ensure_running(home)
    assert postgres.running_url(home)


def test_outlives_the_process_that_started_it(home: Path) -> None:
    program = (
        "import os, sys, pathlib; from keepsake.embedded.postgres import ensure_running;"
        "ensure_running(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    starter = subprocess.run([sys.executable, "-c", program, home], check=False)
    assert starter.returncode == -signal.SIGKILL
    assert postgres.running_url(home)


def test_path_too_long_for_a_socket_and_with_spaces(home: Path) -> None:
    home = home / ("a grandmother's " * 8)
    home.mkdir()
    try:
        with psycopg.connect(postgres.ensure_running(home)) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        postgres.stop(home)


def test_stop_ends_every_process_and_may_be_repeated(home: Path) -> None:
    url = postgres.ensure_running(home)
    server = _postmaster(home)
    with psycopg.connect(url):
        postgres.stop(home)
    assert not is_alive(server)
    postgres.stop(home)
    assert postgres.running_url(home) is None


def test_data_folder_is_closed_to_others(home: Path) -> None:
    postgres.ensure_running(home)
    assert (home / "postgres").stat().st_mode & 0o077 == 0
