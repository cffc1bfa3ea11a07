"""`keepsake monitor`: on a terminal it refreshes itself, elsewhere it is shown once."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepsake.database import Connection, connect
from keepsake.owners.owners import add_owner
from tests.commands import answer, keepsake
from tests.given import given_record
from tests.monitoring.given import given_counting_since, given_totals, records_ended

COMMAND = [str(Path(sys.executable).with_name("keepsake"))]


@pytest.fixture
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Four records of the system have ended, one of them failed; one of Ada's is due."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with connect(database_url) as connection:
        given_counting_since(connection, datetime(2024, 1, 1, tzinfo=UTC))
        counts = records_ended("completed", 3, line="bookmarks")
        counts.merge(records_ended("failed", line="bookmarks"))
        given_totals(connection, counts)
        ada = add_owner(connection, "Ada").id
        add_owner(connection, "Ben")
        given_record(connection, line="bookmarks", owner_id=ada, external_id="1")
        yield connection


def words(text: str) -> str:
    return " ".join(text.split())


def test_elsewhere_it_is_shown_once(db: Connection) -> None:
    result = keepsake("monitor")
    assert result.exit_code == 0, result.output
    shown = words(result.output)
    assert "period ended completed failed success average today 4 3 1 75 % 4.0 s" in shown
    assert "0 workers alive" in shown
    assert "$0.00 spent this month" in shown


def test_what_failed_is_named_with_its_step(db: Connection) -> None:
    db.execute(
        "UPDATE ledger SET status = 'failed', due_at = NULL, error_type = 'PermanentError',"
        " finished_at = now() WHERE step = 'pages'"
    )
    assert "bookmarks pages PermanentError 1" in words(keepsake("monitor").output)


def test_an_alert_that_fires_comes_first(db: Connection) -> None:
    db.execute(
        "WITH rule AS (INSERT INTO alert_rules (name, metric, threshold, severity)"
        " VALUES ('much fails', 'failure_rate', 0.1, 'critical') RETURNING id)"
        " INSERT INTO alerts (rule_id, state, value, since, fired_at)"
        " SELECT id, 'firing', 0.25, now(), now() FROM rule"
    )
    first = keepsake("monitor").output.splitlines()[1]
    assert first.startswith("critical: ")


def test_what_could_not_be_measured_is_said(db: Connection) -> None:
    db.execute(
        "INSERT INTO probes (metric, labels, error)"
        " VALUES ('keepsake_object_store_bytes', '', 'refused')"
    )
    shown = words(keepsake("monitor").output)
    assert "keepsake_object_store_bytes cannot be measured: refused" in shown


def test_json_has_all_of_it(db: Connection) -> None:
    found = answer("monitor")
    assert found["dashboard"]["month"]["total"] == 4
    assert found["queue"]["lines"][0]["line"] == "bookmarks"
    assert found["workers"] == 0
    assert found["alerts"] == []


def test_an_owner_sees_its_own(db: Connection) -> None:
    assert answer("monitor", "--owner", "ben")["queue"]["depth"] == 0
    assert answer("monitor", "--owner", "ada")["queue"]["depth"] > 0


def test_an_owner_that_is_not_there_is_refused(db: Connection) -> None:
    assert keepsake("monitor", "--owner", "nobody").exit_code == 2


def test_on_a_terminal_it_stays_until_ctrl_c(db: Connection) -> None:
    master, terminal = pty.openpty()
    command = subprocess.Popen(
        [*COMMAND, "monitor"],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "50"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    seen = b""
    try:
        while seen.count(b"spent this month") < 2:  # it was refreshed
            seen += os.read(master, 65536)
        command.send_signal(signal.SIGINT)
        while os.read(master, 65536):
            pass
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(master)
    assert command.wait(10) == 0
