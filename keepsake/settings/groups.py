"""Every setting with its default and its checks, one class for each part of Keepsake.

A function declares the group that it needs; `Settings` is all of them together, so it can be passed
for any. Reading the environment is in `loading.py`. A group can be made by itself, as tests do:
`WebSettings.model_validate({"web_timeout": 1})`.
"""

import json
import re
from base64 import b64decode
from datetime import UTC, date, datetime
from functools import cached_property
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from keepsake.logs import Format
from keepsake.settings.embedding_models import EMBEDDED, embedding_model
from keepsake.settings.endpoint import LOCAL_MODELS, ROLES, Endpoint, Provider, Role, is_openai
from keepsake.settings.files import default_home
from keepsake.traces.spans import Receiver


def _absolute(path: object) -> object:
    """In the environment a relative path starts at the current folder, as in any command."""
    if not path or "://" in str(path):  # an address, for NOTIFY_CONFIG
        return path
    try:
        return str(Path(str(path)).expanduser().absolute())
    except (RuntimeError, OSError):
        raise ValueError(f"{path} starts in a folder that is not known here") from None


def _http_url(url: str) -> str:
    if not url:
        return url
    if not re.match(r"https?://", url):
        raise ValueError("must start with http:// or https://")
    try:
        host, _ = urlsplit(url).hostname, urlsplit(url).port
    except ValueError:  # its text quotes the address, which may hold a password
        raise ValueError("its host or port is none") from None
    if not host:
        raise ValueError("it names no host")
    return url


def _postgres_url(url: str) -> str:
    if url and not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://")
    return url


def _not_in_the_future(day: date) -> date:
    if day > datetime.now(UTC).date():
        raise ValueError("is in the future: nothing could be added")
    return day


def _hosts_and_networks(allowed: str) -> str:
    for part in filter(None, map(str.strip, allowed.split(","))):
        try:
            ip_network(part.strip("[]"), strict=False)
        except ValueError:
            if not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", part):
                raise ValueError(
                    f"{part!r} is no name of a host, no address and no network: write them "
                    "like wiki.internal, 10.0.0.1 or 10.20.0.0/16, without a port"
                ) from None
    return allowed


def _networks(listed: str) -> str:
    for part in filter(None, map(str.strip, listed.split(","))):
        try:
            ip_network(part, strict=False)
        except ValueError:
            raise ValueError(
                f"{part!r} is no address and no network: write them like 10.0.0.1 or 10.20.0.0/16"
            ) from None
    return listed


def _with_email(url: SecretStr) -> SecretStr:
    if url.get_secret_value() and "{email}" not in url.get_secret_value():
        raise ValueError("must have {email} where the address of the person goes")
    return url


def _secret_url(url: SecretStr) -> SecretStr:
    _http_url(url.get_secret_value())
    return url


def _signing_secret(secret: SecretStr) -> SecretStr:
    """As `keepsake/delivery/signatures.py` reads it; here so that it is checked at start."""
    said = secret.get_secret_value()
    try:
        length = len(b64decode(said.removeprefix("whsec_"), validate=True))
    except ValueError:
        length = 0
    if said and not (said.startswith("whsec_") and 24 <= length <= 64):
        raise ValueError("must be whsec_ and 24 to 64 random bytes in base64")
    return secret


_SIZES = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _size(text: object) -> object:
    """A size such as 50GB, in bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]B|)", str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is no size: write it like 50GB, with kB, MB, GB or TB")
    return round(float(match[1]) * _SIZES[match[2]])


HttpUrl = Annotated[str, AfterValidator(_http_url)]
SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]
PathText = Annotated[str, BeforeValidator(_absolute)]


class Group(BaseModel):
    """What all groups have in common."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class HomeSettings(Group):
    """The data folder of the embedded default, and what is where in it."""

    keepsake_home: Annotated[Path, BeforeValidator(_absolute)] = Field(
        default_factory=default_home, description="Folder of the embedded default."
    )

    @property
    def home(self) -> Path:
        """The data folder, absolute."""
        return self.keepsake_home.resolve()

    @property
    def incoming_folder(self) -> Path:
        """Where files are while they are handed in; the same file system as the objects' folder."""
        return self.home / "incoming"

    @property
    def logs_folder(self) -> Path:
        """Where the parts of `keepsake up` write their logs."""
        return self.home / "logs"

    @property
    def state_file(self) -> Path:
        """What `keepsake up` wrote about the parts it runs: addresses and process ids."""
        return self.home / "up.json"


class DatabaseSettings(HomeSettings):
    """Which PostgreSQL is used; `keepsake.database.database_url()` gives its address."""

    database_url: Annotated[str, AfterValidator(_postgres_url)] = Field(
        "",
        description="PostgreSQL 15+ with pgvector 0.8.4+. Empty: the embedded one.",
        repr=False,  # it holds a password
    )


DAGSTER_PREFIX = "/dagster"  # of every address of Dagster's webserver, here and behind the API


class DagsterSettings(Group):
    """Dagster's own webserver, which the API passes `/dagster` on to."""

    dagster_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of Dagster's webserver on 127.0.0.1. 0: any, which `keepsake up` tells "
        "its parts.",
    )

    @property
    def dagster_url(self) -> str:
        """The webserver's own address, for programs. People go through the API."""
        return f"http://127.0.0.1:{self.dagster_port}{DAGSTER_PREFIX}"


class ApiSettings(Group):
    """The HTTP API and the pages: where they listen, and what they accept."""

    api_host: str = Field("127.0.0.1", description="Address that the HTTP API listens on.")
    api_port: int = Field(8000, ge=1, le=65535, description="Port of the HTTP API and the pages.")
    public_url: HttpUrl = Field(
        "",
        description="Address under which people reach the API, such as https://keepsake.example; "
        "links in mail and podcast feeds begin with it.",
    )
    max_upload_mb: int = Field(500, gt=0, description="Largest upload, in MB.")
    webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="What messages to /api/webhooks/trigger are signed with. Empty: it takes none.",
    )

    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Token with which /metrics may be read. Empty: only with an operator's.",
    )

    @property
    def base_url(self) -> str:
        """What links begin with, without a slash at the end: PUBLIC_URL, or this machine."""
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.api_port}"


class AccountSettings(Group):
    """How people sign in, and what is kept of what they do."""

    sign_in_mail: Annotated[SecretStr, AfterValidator(_with_email)] = Field(
        SecretStr(""),
        description="apprise URL that sends the mail with which people sign in; {email} in it "
        "stands for the address. Empty: `keepsake user link` prints what it would say.",
    )
    audit_kept_days: int = Field(365, ge=1, description="Days for which the audit log is kept.")
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        "",
        description="Addresses and networks of reverse proxies, comma-separated, whose "
        "X-Forwarded-For and X-Forwarded-Proto are believed.",
    )
    forward_auth: bool = Field(
        False,
        description="Believe what TRUSTED_PROXIES say of who is signed in: Remote-Email, or a "
        "Remote-User that is an address.",
    )
    oidc_issuer: HttpUrl = Field(
        "", description="OpenID Connect provider to sign in with, exactly as it names itself."
    )
    oidc_client_id: str = Field("", description="What the provider calls this Keepsake.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="And its secret for that.")
    rate_limit: int = Field(
        6000, ge=0, description="Requests a minute of a token or a session. 0: any number."
    )
    rate_limit_address: int = Field(
        600, ge=0, description="Requests a minute of an address without either. 0: any number."
    )
    rate_limit_sign_in: int = Field(
        20, ge=0, description="Tries a minute of an address to sign in. 0: any number."
    )

    @model_validator(mode="after")
    def _complete_provider(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("OIDC_CLIENT_ID is empty, but OIDC_ISSUER is set: name both")
        if self.oidc_issuer and find_spec("joserfc") is None:
            raise ValueError("OIDC_ISSUER needs the extra `oidc`: pip install 'keepsake[oidc]'")
        return self

    @model_validator(mode="after")
    def _complete_proxies(self) -> Self:
        if self.forward_auth and not self.trusted_proxies:
            raise ValueError(
                "TRUSTED_PROXIES is empty, but FORWARD_AUTH is on: name the proxy, or anyone could "
                "say who they are"
            )
        return self


class ObjectSettings(HomeSettings):
    """Where objects are stored: in a bucket, or in a folder of the data folder."""

    s3_endpoint: HttpUrl = Field("", description="S3-compatible endpoint. Empty: AWS itself.")
    s3_bucket: str = Field("", description="Bucket for objects. Empty: a folder in KEEPSAKE_HOME.")
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_access_key: SecretStr = Field(
        SecretStr(""), description="Access key. Empty: the AWS default chain."
    )
    s3_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of S3_ACCESS_KEY.")
    objects_quota: Annotated[int, BeforeValidator(_size)] = Field(
        0, description="What all objects may take, such as 50GB, for an alert. 0: no quota."
    )

    @model_validator(mode="after")
    def _complete_bucket(self) -> Self:
        if bool(self.s3_access_key.get_secret_value()) != bool(
            self.s3_secret_key.get_secret_value()
        ):
            raise ValueError("set both S3_ACCESS_KEY and S3_SECRET_KEY, or neither")
        if not self.s3_bucket:
            for name in ("s3_endpoint", "s3_access_key"):
                if name in self.model_fields_set:
                    raise ValueError(
                        f"S3_BUCKET is empty, but {name.upper()} is set: name the bucket too, or "
                        "objects would go to a folder"
                    )
        return self

    @property
    def objects_folder(self) -> Path:
        """Where objects are when no bucket is set."""
        return self.home / "objects"


class BackupSettings(HomeSettings):
    """Where backups are kept, and which of them."""

    backup_dir: PathText = Field(
        "",
        description="Folder of backups, which are then made every night. Empty: `backups` in "
        "KEEPSAKE_HOME, and only when asked for.",
    )
    backup_keep_daily: int = Field(7, ge=0, description="Days whose last backup is kept.")
    backup_keep_weekly: int = Field(4, ge=0, description="Weeks whose last backup is kept.")
    backup_keep_monthly: int = Field(12, ge=0, description="Months whose last backup is kept.")

    @property
    def backup_folder(self) -> Path:
        """The folder of backups."""
        return Path(self.backup_dir) if self.backup_dir else self.home / "backups"


class ModelSettings(HomeSettings):
    """Where the four model roles are served, and what their calls cost.

    `endpoint(role)` puts the settings of one role together. A role is embedded as long as its
    base URL is empty and its provider is `openai`.
    """

    chat_provider: Literal["openai", "bedrock"] = Field(
        "openai", description="`openai` (any OpenAI-compatible server) or `bedrock` (Converse)."
    )
    chat_base_url: HttpUrl = Field("", description="Base URL with /v1. Empty: the embedded model.")
    chat_api_key: SecretStr = Field(SecretStr(""), description="Key of the chat endpoint.")
    chat_model: str = Field("", description="Model name as the endpoint knows it.")
    chat_concurrency: int = Field(
        0, ge=0, description="Calls at once. 0: 2 embedded, 16 elsewhere."
    )
    chat_timeout: float = Field(120.0, gt=0, description="Seconds one chat call may take.")
    chat_context_words: int = Field(
        0, ge=0, description="Longest text sent in one chat call, in words. 0: 900 embedded, 6000."
    )

    embeddings_base_url: HttpUrl = Field(
        "", description="Base URL with /v1. Empty: the embedded model."
    )
    embeddings_api_key: SecretStr = Field(SecretStr(""), description="Key of the endpoint.")
    embeddings_model: str = Field("", description="Model name as the endpoint knows it.")
    embeddings_dimensions: int = Field(
        0,
        ge=0,
        le=4000,
        description="Length of the vectors. 0: the model's if embedded, else 1536.",
    )
    embeddings_concurrency: int = Field(0, ge=0, description="Calls at once. 0: 2 embedded, 8.")
    embeddings_timeout: float = Field(60.0, gt=0, description="Seconds one call may take.")

    transcription_provider: Literal["openai", "cartesia"] = Field(
        "openai", description="`openai` (any compatible server) or `cartesia` (native /stt)."
    )
    transcription_base_url: HttpUrl = Field("", description="Base URL. Empty: the embedded model.")
    transcription_api_key: SecretStr = Field(SecretStr(""), description="Key of the endpoint.")
    transcription_model: str = Field(
        "",
        description="Model name as the endpoint knows it. Embedded: `whisper-base` (the default, "
        "many languages) or `whisper-tiny.en` (English only, for small machines).",
    )
    transcription_concurrency: int = Field(0, ge=0, description="Calls at once. 0: 1 embedded, 8.")
    transcription_timeout: float = Field(600.0, gt=0, description="Seconds one call may take.")

    speech_provider: Literal["openai", "cartesia"] = Field(
        "openai", description="`openai` (any compatible server) or `cartesia` (native /tts/bytes)."
    )
    speech_base_url: HttpUrl = Field("", description="Base URL. Empty: the embedded model.")
    speech_api_key: SecretStr = Field(SecretStr(""), description="Key of the endpoint.")
    speech_model: str = Field("", description="Model name as the endpoint knows it.")
    speech_voice: str = Field("", description="Voice name or id. Empty: the embedded voice.")
    speech_concurrency: int = Field(0, ge=0, description="Calls at once. 0: 1 embedded, 3.")
    speech_timeout: float = Field(120.0, gt=0, description="Seconds one call may take.")

    cartesia_version: str = Field("2026-08-14", description="Cartesia-Version header.")
    aws_bearer_token_bedrock: SecretStr = Field(
        SecretStr(""), description="Bedrock bearer token; used when CHAT_PROVIDER=bedrock."
    )
    aws_region: str = Field("us-west-2", description="Region of Bedrock.")
    openai_api_key: SecretStr = Field(
        SecretStr(""),
        description="Key of every role at api.openai.com that has none of its own.",
    )
    cartesia_api_key: SecretStr = Field(
        SecretStr(""), description="Key of transcription and speech with provider cartesia."
    )
    prices_file: PathText = Field(
        "", description="CSV of your own prices, in the format of keepsake/owners/prices.csv."
    )

    @model_validator(mode="after")
    def _complete_roles(self) -> Self:
        for role in ROLES:
            provider = getattr(self, f"{role}_provider", "openai")
            remote = provider != "openai" or getattr(self, f"{role}_base_url")
            if remote and not getattr(self, f"{role}_model"):
                raise ValueError(
                    f"{role.upper()}_MODEL is empty, but {role} is not the embedded model: "
                    "name the model as its endpoint knows it"
                )
        if not self.embeddings_base_url and self.embeddings_model not in ("", *EMBEDDED):
            raise ValueError(
                f"EMBEDDINGS_MODEL is none of the embedded models ({', '.join(EMBEDDED)}): "
                "name one of them, or the server of yours in EMBEDDINGS_BASE_URL"
            )
        if self.speech_provider == "cartesia" and not self.speech_voice:
            raise ValueError("SPEECH_VOICE is empty: Cartesia needs a voice id")
        return self

    @cached_property
    def embeds_dimensions(self) -> int:
        """Length of every stored vector."""
        own = embedding_model(self.endpoint("embeddings").model).dimensions
        return self.embeddings_dimensions or own or 1536

    @cached_property
    def chat_words(self) -> int:
        """Words of source text that fit one chat call."""
        return self.chat_context_words or (900 if self.endpoint("chat").embedded else 6000)

    def endpoint(self, role: Role) -> Endpoint:
        """Where `role` is served now. An embedded one: where `keepsake up` says that it runs."""
        provider: Provider = getattr(self, f"{role}_provider", "openai")
        base_url: str = getattr(self, f"{role}_base_url")
        embedded = provider == "openai" and not base_url
        if embedded:
            base_url = self._embedded_models_url()
        elif not base_url:
            base_url = {
                "cartesia": "https://api.cartesia.ai",
                "bedrock": f"https://bedrock-runtime.{self.aws_region}.amazonaws.com",
            }[provider]
        own: SecretStr = getattr(self, f"{role}_api_key")
        shared = {
            # Not for other servers that speak OpenAI's protocol.
            "openai": self.openai_api_key if is_openai(base_url) else SecretStr(""),
            "cartesia": self.cartesia_api_key,
            "bedrock": self.aws_bearer_token_bedrock,
        }[provider]
        few, many = {
            "chat": (2, 16),
            "embeddings": (2, 8),
            "transcription": (1, 8),
            "speech": (1, 3),
        }[role]
        return Endpoint(
            role=role,
            provider=provider,
            base_url=base_url.rstrip("/"),
            model=getattr(self, f"{role}_model") or LOCAL_MODELS[role],
            api_key=own if own.get_secret_value() else shared,
            concurrency=getattr(self, f"{role}_concurrency") or (few if embedded else many),
            timeout=getattr(self, f"{role}_timeout"),
            embedded=embedded,
        )

    def _embedded_models_url(self) -> str:
        """Address of the local model server; a placeholder that refuses when it is not running."""
        try:
            return str(json.loads(self.state_file.read_text())["models_url"])
        except (OSError, ValueError, KeyError):
            # Port 9 (discard) on loopback: calls fail as "connection refused", and `doctor` and
            # the ledger then say that the embedded models are not running.
            return "http://127.0.0.1:9/v1"


class AudioSettings(Group):
    """Work on audio files."""

    audio_concurrency: int = Field(2, ge=1, description="Audio files worked on at once.")
    max_audio_minutes: float = Field(120.0, gt=0, description="Longest recording accepted.")


class IntakeSettings(Group):
    """Which records are accepted, and whose they are."""

    max_text_chars: int = Field(200_000, gt=0, description="Longest written response accepted.")
    max_activity_mb: int = Field(50, gt=0, description="Largest activity file, in MB unpacked.")
    first_day: Annotated[date, AfterValidator(_not_in_the_future)] = Field(
        date(2000, 1, 1), description="First daily partition; nothing older is accepted."
    )
    keepsake_owner: str = Field(
        "me", description="Whose bookmarks and activities they are when none is named."
    )


class MediaSettings(Group):
    """Media of bookmarks, which a Cobalt server finds."""

    media_download: bool = Field(True, description="Download media; needs COBALT_URL.")
    cobalt_url: HttpUrl = Field(
        "", description="Base URL of a Cobalt server, v7, v10 or v11. Empty: no media."
    )
    cobalt_api_key: SecretStr = Field(SecretStr(""), description="Key of the Cobalt server.")
    cobalt_concurrency: int = Field(2, ge=1, description="Media downloaded at once.")
    max_media_mb: int = Field(500, gt=0, description="Largest media file kept, in MB.")
    media_timeout: float = Field(600.0, gt=0, description="Seconds one download may take.")


class StepSettings(MediaSettings):
    """Which steps run, by themselves or at all, and how many records one run takes."""

    ai_summaries: bool = Field(True, description="Write summaries and keywords of bookmarks.")
    steps_on_schedule: str = Field(
        "", description="Steps that sensors leave to schedules and people, comma-separated."
    )
    max_records_per_run: int = Field(
        500, gt=0, description="Most records in one run that a sensor asked for."
    )
    attempts_kept_days: int = Field(
        90, ge=1, description="Days for which each attempt at a step is kept."
    )

    @property
    def scheduled_steps(self) -> frozenset[str]:
        """The steps that sensors leave alone."""
        return frozenset(s.strip() for s in self.steps_on_schedule.split(",") if s.strip())

    @property
    def switched_off_steps(self) -> frozenset[str]:
        """The steps that are never made, however they are asked for."""
        media = set() if self.media_download and self.cobalt_url else {"media"}
        summaries = set() if self.ai_summaries else {"summaries", "keywords"}
        return frozenset(media | summaries)


class WebSettings(Group):
    """How pages of other sites are fetched."""

    web_concurrency: int = Field(8, ge=1, description="Pages fetched at once.")
    web_timeout: float = Field(30.0, gt=0, description="Seconds one page may take, all in all.")
    max_page_mb: int = Field(10, gt=0, description="Largest page read, in MB after decompression.")
    web_host_interval: float = Field(
        1.0, ge=0, description="Seconds between two requests to one host, over all runs."
    )
    web_user_agent: str = Field(
        "Keepsake/0.1",
        pattern=r"^[!-~]+( [!-~]+)*$",  # what a header can hold: ASCII
        description="How we name ourselves to sites; robots.txt rules go by it.",
    )
    web_robots: bool = Field(True, description="Respect robots.txt.")
    web_allow: Annotated[str, AfterValidator(_hosts_and_networks)] = Field(
        "",
        description="Hosts and networks that may be fetched although they are private: names, "
        "addresses or CIDR, comma-separated.",
    )


class WorkerSettings(Group):
    """The worker processes that read files and pages of others."""

    apart_processes: int = Field(
        2, ge=1, description="Processes in which other people's files are read."
    )
    apart_memory_mb: int = Field(
        768, ge=128, description="Memory each of them may take, in MB; more ends it."
    )


class JobSettings(Group):
    """The worker, which runs jobs."""

    jobs_at_once: int = Field(
        4, ge=1, le=100, description="Jobs that one worker runs at the same time."
    )


class LogSettings(Group):
    """How processes write their logs."""

    log_format: Format = Field(
        "text", description="`text` for people, `json` for programs: one object a line."
    )


class TraceSettings(Group):
    """Where traces are sent. The names are OpenTelemetry's."""

    otel_exporter_otlp_endpoint: HttpUrl = Field(
        "",
        description="Server that takes traces over OTLP/HTTP, such as http://127.0.0.1:4318. "
        "Empty: there are none.",
    )
    otel_exporter_otlp_traces_endpoint: HttpUrl = Field(
        "", description="The same as a whole address, with its path. Wins."
    )
    otel_exporter_otlp_headers: SecretStr = Field(
        SecretStr(""), description="Headers for it, such as its key: name=value, comma-separated."
    )

    @property
    def span_receiver(self) -> Receiver | None:
        """Where spans go; None: nowhere."""
        base = self.otel_exporter_otlp_endpoint
        url = self.otel_exporter_otlp_traces_endpoint or (
            f"{base.rstrip('/')}/v1/traces" if base else ""
        )
        headers = self.otel_exporter_otlp_headers.get_secret_value()
        return Receiver(url, headers) if url else None


class DeliverySettings(Group):
    """Messages to people: where they are sent, and when."""

    notify_urls: SecretStr = Field(
        SecretStr(""), description="apprise URLs, space-separated, that get every family's quote."
    )
    notify_config: PathText = Field(
        "", description="apprise configuration file; its tags are family slugs."
    )
    quote_hour: int = Field(9, ge=0, le=23, description="Local hour of the daily quote.")
    alert_urls: SecretStr = Field(
        SecretStr(""),
        description="apprise URLs, space-separated, that get alerts about the whole system.",
    )
    slack_webhook_url: SecretUrl = Field(
        SecretStr(""), description="Incoming webhook of Slack that gets them."
    )
    alert_webhook_url: SecretUrl = Field(
        SecretStr(""), description="Address to which they are posted, signed."
    )
    alert_webhook_secret: Annotated[SecretStr, AfterValidator(_signing_secret)] = Field(
        SecretStr(""), description="What they are signed with there: whsec_ and base64."
    )
    alertmanager_url: SecretUrl = Field(
        SecretStr(""), description="Base URL of a Prometheus Alertmanager that gets them."
    )

    @model_validator(mode="after")
    def _webhook_of_alerts_is_signed(self) -> Self:
        if self.alert_webhook_url.get_secret_value() and not (
            self.alert_webhook_secret.get_secret_value()
        ):
            raise ValueError(
                "ALERT_WEBHOOK_URL needs ALERT_WEBHOOK_SECRET, with which what is posted there is "
                "signed: whsec_ and 24 to 64 random bytes in base64"
            )
        return self

    @property
    def sends_messages(self) -> bool:
        """Whether the settings say where to send messages."""
        return bool(self.notify_urls.get_secret_value() or self.notify_config)
