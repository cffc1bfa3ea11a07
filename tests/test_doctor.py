"""`keepsake doctor` on real parts, well and unwell."""

import asyncio
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from starlette.responses import Response
from typer.testing import CliRunner

from keepsake.access import API_ROLE
from keepsake.cli import app
from keepsake.database import connect, open_connection
from keepsake.doctor import Check, examine
from keepsake.jobs.attempts import become_worker
from keepsake.local.ports import free_port
from keepsake.owners.owners import add_owner
from tests.doubles.cobalt import KEY, Cobalt
from tests.doubles.otlp import SpanReceiver
from tests.doubles.server import serving


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder where nothing runs yet."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("KEEPSAKE_HOME", str(home))
    monkeypatch.setenv("DAGSTER_PORT", str(free_port()))
    return home


@pytest.fixture
def models(folder: Path, models_url: str) -> str:
    """The real local models, running for this data folder."""
    (folder / "up.json").write_text(json.dumps({"models_url": models_url}))
    return models_url


def checks() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_nothing_runs() -> None:
    found = checks()
    assert [name for name, check in found.items() if check.ok] == [
        "settings", "home", "objects", "alerts",
    ]  # fmt: skip
    for name in ("database", "chat", "embeddings", "speech", "dagster"):
        assert "keepsake up" in (found[name].fix or "")


def test_it_makes_no_home(folder: Path) -> None:
    folder.rmdir()
    found = checks()
    assert [name for name, check in found.items() if check.ok] == ["settings", "alerts"]
    assert all("keepsake up" in (found[name].fix or "") for name in ("home", "objects"))
    assert not folder.exists()


def test_it_says_which_settings_and_which_home_and_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{folder}, which KEEPSAKE_HOME in the environment names" == checks()["home"].detail
    file = tmp_path / "my.env"
    file.write_text("KEEPSAKE_HOME=home\n")
    monkeypatch.setenv("KEEPSAKE_ENV_FILE", str(file))
    monkeypatch.delenv("KEEPSAKE_HOME")
    found = checks()
    assert f"from the environment and {file}" in found["settings"].detail
    assert f"{folder}, which KEEPSAKE_HOME in {file} names" == found["home"].detail


def test_a_home_that_is_a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")
    home = checks()["home"]
    assert not home.ok
    assert "KEEPSAKE_HOME" in (home.fix or "")


def test_the_command_says_what_is_wrong_and_how_to_mend_it() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "FAILED database" in result.stdout
    assert "To fix it: start everything with `keepsake up`" in result.stdout


def test_wrong_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_TIMEOUT", "-1")
    (check,) = examine()
    assert (check.name, check.ok) == ("settings", False)
    assert "CHAT_TIMEOUT" in check.detail


def test_a_database_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/keepsake")
    database = checks()["database"]
    assert not database.ok
    assert "DATABASE_URL" in (database.fix or "")


def test_a_database_without_the_schema(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    assert "keepsake db migrate" in (checks()["database"].fix or "")


def test_a_database_that_is_well(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert checks()["database"].ok


async def test_jobs_that_nobody_runs(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    jobs = (await asyncio.to_thread(checks))["jobs"]
    assert (jobs.ok, jobs.detail) == (False, "no worker lives")
    assert "keepsake jobs work" in (jobs.fix or "")
    async with open_connection(database_url) as worker:
        await become_worker(worker)
        jobs = (await asyncio.to_thread(checks))["jobs"]
    assert (jobs.ok, jobs.detail) == (True, "1 worker runs them")


def test_a_database_user_from_whom_records_are_hidden(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = f"reader_{uuid4().hex}"
    url = urlsplit(database_url)
    with connect(database_url) as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN IN ROLE {API_ROLE}".encode())
        connection.execute(f"GRANT SELECT ON migrations TO {user}".encode())
        try:
            monkeypatch.setenv("DATABASE_URL", url._replace(netloc=f"{user}@").geturl())
            database = checks()["database"]
        finally:
            connection.execute(f"DROP OWNED BY {user}; DROP ROLE {user}".encode())
    assert database.detail == f"row-level security hides the records of all owners from {user}"
    assert "owns the tables" in (database.fix or "")


def test_objects_that_cannot_be_written(folder: Path) -> None:
    (folder / "objects").write_text("a file where the folder should be")
    objects = checks()["objects"]
    assert not objects.ok
    assert "KEEPSAKE_HOME" in (objects.fix or "")


def test_embedded_models_that_are_busy_are_not_to_be_started_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepsake.doctor.SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (folder / "up.json").write_text(json.dumps({"models_url": url}))
        found = checks()
    for role in ("chat", "embeddings", "speech", "transcription"):
        assert "no answer within" in found[role].detail
        assert "busy" in (found[role].fix or "")


def test_vectors_of_another_length(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDINGS_DIMENSIONS", "7")
    embeddings = checks()["embeddings"]
    assert not embeddings.ok
    assert "EMBEDDINGS_DIMENSIONS" in embeddings.detail


def test_a_model_that_the_endpoint_does_not_have(
    models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_BASE_URL", models)
    monkeypatch.setenv("CHAT_MODEL", "no-such-model")
    found = checks()
    assert "CHAT_MODEL" in (found["chat"].fix or "")
    assert found["transcription"].ok, "one part that is unwell hides no other"


def test_a_model_whose_end_is_announced(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIPTION_BASE_URL", models)
    monkeypatch.setenv("TRANSCRIPTION_MODEL", "whisper-1")
    transcription = checks()["transcription"]
    assert "TRANSCRIPTION_MODEL" in f"{transcription.detail}{transcription.fix}"


@pytest.mark.parametrize(
    ("version", "said"), [("11.7.1", "11.7.1 takes our requests, knows 3 services"), ("7.15", "7")]
)
def test_a_cobalt_that_is_well(monkeypatch: pytest.MonkeyPatch, version: str, said: str) -> None:
    server = Cobalt(version)
    with serving(server) as server.address:
        monkeypatch.setenv("COBALT_URL", server.address)
        cobalt = checks()["cobalt"]
    assert cobalt.ok
    assert said in cobalt.detail


def test_a_cobalt_that_refuses_our_key(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Cobalt(key=KEY)
    with serving(server) as server.address:
        monkeypatch.setenv("COBALT_URL", server.address)
        monkeypatch.setenv("COBALT_API_KEY", "another")
        cobalt = checks()["cobalt"]
    assert not cobalt.ok
    assert "auth.key" in cobalt.detail
    assert "COBALT_API_KEY" in (cobalt.fix or "")


def test_a_receiver_of_traces_that_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(SpanReceiver()) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        assert checks()["traces"].ok


def test_a_receiver_of_traces_that_refuses_us(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = SpanReceiver()
    receiver.next(Response(status_code=401))
    with serving(receiver) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        traces = checks()["traces"]
    assert (traces.ok, "401" in traces.detail) == (False, True)
    assert "OTEL_EXPORTER_OTLP_HEADERS" in (traces.fix or "")


def test_a_receiver_of_traces_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    traces = checks()["traces"]
    assert not traces.ok
    assert "4318" in (traces.fix or "")


def test_a_cobalt_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COBALT_URL", f"http://127.0.0.1:{free_port()}")
    cobalt = checks()["cobalt"]
    assert not cobalt.ok
    assert "COBALT_URL" in (cobalt.fix or "")


def test_names_that_are_almost_a_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("CHAT_BASEURL=http://h/v1\nPOSTGRES_PASSWORD=x\nAWS_ACCESS_KEY_ID=x\n")
    monkeypatch.setenv("KEEPSAKE_ENV_FILE", str(file))
    monkeypatch.setenv("KEEPSAKE_HOEM", "/data")
    monkeypatch.setenv("AWS_PROFILE", "home")
    names = checks()["names"]
    assert not names.ok
    assert names.detail == (
        f"CHAT_BASEURL in {file}: is CHAT_BASE_URL meant?; "
        "KEEPSAKE_HOEM in the environment: is KEEPSAKE_HOME meant?"
    )
    assert names.fix


def test_names_are_checked_also_where_a_setting_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUOTE_HOUR", "99")
    monkeypatch.setenv("KEEPSAKE_OWNERS", "ada")
    assert set(checks()) == {"settings", "names"}


def test_a_database_url_that_is_none_quotes_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("postgresql://u:SeC/rEt@h/d", "postgresql://h/d?SeCrEt=1", "postgresql://h:0/d"):
        monkeypatch.setenv("DATABASE_URL", url)
        database = checks()["database"]
        assert "is no address of a PostgreSQL" in database.detail
        assert "SeC" not in database.detail


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ("model,input_usd\nmine,0.1\nmine,0.2\n", "has prices of 1 model"),
        ("model,input_usd\nmine,free\n",
         "line 2 of prices.csv is no row of prices (its input_usd is no number)"),
        ("name,input_usd\nmine,1\n", "(it names no model)"),
        (None, "cannot be read (No such file or directory)"),
    ],
)  # fmt: skip
def test_a_file_of_prices(
    content: str | None, detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content:
        (tmp_path / "prices.csv").write_text(content)
    monkeypatch.setenv("PRICES_FILE", str(tmp_path / "prices.csv"))
    prices = checks()["prices"]
    assert detail in prices.detail
    assert prices.ok == ("has prices" in detail)
    assert prices.ok or "PRICES_FILE" in (prices.fix or "")


def test_addresses_of_messages_are_read_and_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_URLS", "json://127.0.0.1:1 foo://SeCrEt@h")
    file = tmp_path / "apprise.yml"
    file.write_text("urls:\n  - json://127.0.0.1:1:\n      tag: ada\n  - foo://SeCrEt@h\n")
    monkeypatch.setenv("NOTIFY_CONFIG", str(file))
    found = checks()
    assert found["NOTIFY_URLS"].detail == "cannot be read: number 2 of 2"
    assert found["NOTIFY_CONFIG"].detail == f"{file}: 1 address can be read, 1 cannot"
    assert not found["NOTIFY_URLS"].ok
    assert not found["NOTIFY_CONFIG"].ok
    monkeypatch.setenv("NOTIFY_URLS", "json://127.0.0.1:1")
    file.write_text("urls:\n  - json://127.0.0.1:1:\n      tag: ada\n")
    found = checks()
    assert found["NOTIFY_URLS"].ok
    assert found["NOTIFY_CONFIG"].ok


def test_it_says_whether_alerts_reach_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = checks()["alerts"]
    assert nowhere.ok, "pages and commands show them"
    assert "reach no one" in nowhere.detail
    monkeypatch.setenv("ALERT_URLS", "json://127.0.0.1:1")
    monkeypatch.setenv("ALERTMANAGER_URL", "http://127.0.0.1:1")
    assert "go to apprise, alertmanager;" in checks()["alerts"].detail
    monkeypatch.setenv("ALERT_URLS", "foo://SeCrEt@h")
    unread = checks()["alerts"]
    assert not unread.ok
    assert "SeCrEt" not in f"{unread}"


def test_the_mail_to_sign_in_with_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "SIGN_IN_MAIL" not in checks()
    for scheme, well in (("mailto", True), ("foo", False)):
        url = f"{scheme}://u:SeCrEt@127.0.0.1:1/?from=keepsake@example.org&to={{email}}"
        monkeypatch.setenv("SIGN_IN_MAIL", url)
        check = checks()["SIGN_IN_MAIL"]
        assert check.ok == well
        assert "SeCrEt" not in f"{check}"


def test_a_file_of_addresses_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_CONFIG", str(tmp_path / "none.yml"))
    config = checks()["NOTIFY_CONFIG"]
    assert not config.ok
    assert "No such file" in config.detail


def test_messages_that_were_not_sent_lately_are_counted(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert "messages" not in checks()
    with connect(database_url) as db:
        add_owner(db, "Ada")
        db.execute(
            "INSERT INTO outbox (owner_id, kind, idempotency_key, status, attempts, finished_at)"
            " SELECT 1, 'test', 'test/' || at, status, attempts, now() - at * interval '1 day'"
            " FROM (VALUES (1, 'failed', 6), (2, 'unknown', 1), (3, 'expired', 2),"
            "              (4, 'failed', 6), (5, 'expired', 0), (6, 'sent', 1), (8, 'failed', 6))"
            " AS of (at, status, attempts)"
        )
    found = checks()["messages"]
    assert not found.ok
    assert found.detail == "in the last 7 days: 1 expired, 2 failed, 1 unknown"
    assert "keepsake messages" in (found.fix or "")


def test_whatever_fails_says_how_to_mend_it() -> None:
    assert [check.name for check in examine() if not check.ok and not check.fix] == []
