"""Every setting, from the environment or `.env`, with its default.

`docs/settings.md` is the table an operator reads; a test holds the two together. An empty value
counts as not set. What is not set falls to the embedded default: a PostgreSQL, a folder of objects
and a model server of our own under `KEEPSAKE_HOME`. `places.py` says where `.env` and the home are.
"""

import io
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from keepsake.errors import SettingsError
from keepsake.settings.embedding_models import EMBEDDED, USE, embedding_model
from keepsake.settings.files import ENV_FILE, default_home, env_file

Provider = Literal["openai", "cartesia", "bedrock"]
Role = Literal["chat", "embeddings", "transcription", "speech"]
ROLES: tuple[Role, ...] = ("chat", "embeddings", "transcription", "speech")

PATHS = frozenset({"keepsake_home", "prices_file", "notify_config"})

LOCAL_MODELS: dict[Role, str] = {
    "chat": "smollm2-135m-instruct",
    "embeddings": USE,
    "transcription": "whisper-base",
    "speech": "hibari",
}
# Roles for which the embedded server has more than one model, the default first.
LOCAL_CHOICES: dict[Role, tuple[str, ...]] = {"transcription": ("whisper-base", "whisper-tiny.en")}


class Endpoint(BaseModel):
    """Where one model role is served: a provider's protocol, a base URL, a key and a model name."""

    role: Role
    provider: Provider
    base_url: str
    model: str
    api_key: SecretStr
    concurrency: int
    timeout: float
    embedded: bool


class _DotEnv(DotEnvSettingsSource):
    """What `.env` says. A relative path in it starts at the folder of the file."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        if isinstance(self.env_file, Path):
            for name in PATHS & values.keys():
                if not re.match(r"~|\w+://", values[name]):
                    values[name] = str(self.env_file.parent / values[name])
        return values


class Settings(BaseSettings):
    """The settings in force. Read once at start with `load_settings()`."""

    model_config = SettingsConfigDict(
        # A file that Windows wrote begins with a byte order mark.
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    keepsake_home: Path = Field(
        default_factory=default_home, description="Folder of the embedded default."
    )
    database_url: str = Field(
        "",
        description="PostgreSQL 15+ with pgvector 0.8.4+. Empty: the embedded one.",
        repr=False,  # it holds a password
    )
    dagster_port: int = Field(
        3000, ge=1, le=65535, description="Port of the Dagster UI on 127.0.0.1."
    )

    s3_endpoint: str = Field("", description="S3-compatible endpoint. Empty: AWS itself.")
    s3_bucket: str = Field("", description="Bucket for objects. Empty: a folder in KEEPSAKE_HOME.")
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_access_key: SecretStr = Field(
        SecretStr(""), description="Access key. Empty: the AWS default chain."
    )
    s3_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of S3_ACCESS_KEY.")

    chat_provider: Literal["openai", "bedrock"] = Field(
        "openai", description="`openai` (any OpenAI-compatible server) or `bedrock` (Converse)."
    )
    chat_base_url: str = Field("", description="Base URL with /v1. Empty: the embedded model.")
    chat_api_key: SecretStr = Field(SecretStr(""), description="Key of the chat endpoint.")
    chat_model: str = Field("", description="Model name as the endpoint knows it.")
    chat_concurrency: int = Field(
        0, ge=0, description="Calls at once. 0: 2 embedded, 16 elsewhere."
    )
    chat_timeout: float = Field(120.0, gt=0, description="Seconds one chat call may take.")
    chat_context_words: int = Field(
        0, ge=0, description="Longest text sent in one chat call, in words. 0: 900 embedded, 6000."
    )

    embeddings_base_url: str = Field(
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
    transcription_base_url: str = Field("", description="Base URL. Empty: the embedded model.")
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
    speech_base_url: str = Field("", description="Base URL. Empty: the embedded model.")
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

    audio_concurrency: int = Field(2, ge=1, description="Audio files worked on at once.")
    max_audio_minutes: float = Field(120.0, gt=0, description="Longest recording accepted.")
    max_text_chars: int = Field(200_000, gt=0, description="Longest written response accepted.")
    first_day: date = Field(
        date(2000, 1, 1), description="First daily partition; nothing older is accepted."
    )
    max_records_per_run: int = Field(
        500, gt=0, description="Most records in one run that a sensor asked for."
    )
    steps_on_schedule: str = Field(
        "", description="Steps that sensors leave to schedules and people, comma-separated."
    )

    keepsake_owner: str = Field(
        "me", description="Whose bookmarks and activities they are when none is named."
    )
    media_download: bool = Field(True, description="Download media; needs COBALT_URL.")
    ai_summaries: bool = Field(True, description="Write summaries and keywords of bookmarks.")
    cobalt_url: str = Field(
        "", description="Base URL of a Cobalt server, v7, v10 or v11. Empty: no media."
    )
    cobalt_api_key: SecretStr = Field(SecretStr(""), description="Key of the Cobalt server.")
    cobalt_concurrency: int = Field(2, ge=1, description="Media downloaded at once.")
    max_media_mb: int = Field(500, gt=0, description="Largest media file kept, in MB.")
    media_timeout: float = Field(600.0, gt=0, description="Seconds one download may take.")
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
    web_allow: str = Field(
        "",
        description="Hosts and networks that may be fetched although they are private: names, "
        "addresses or CIDR, comma-separated.",
    )
    apart_processes: int = Field(
        2, ge=1, description="Processes in which other people's files are read."
    )
    apart_memory_mb: int = Field(
        768, ge=128, description="Memory each of them may take, in MB; more ends it."
    )
    max_activity_mb: int = Field(50, gt=0, description="Largest activity file, in MB unpacked.")
    prices_file: str = Field(
        "", description="CSV of your own prices, in the format of keepsake/owners/prices.csv."
    )

    notify_urls: SecretStr = Field(
        SecretStr(""), description="apprise URLs, space-separated, that get every family's quote."
    )
    notify_config: str = Field(
        "", description="apprise configuration file; its tags are family slugs."
    )
    quote_hour: int = Field(9, ge=0, le=23, description="Local hour of the daily quote.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over `.env`."""
        file = dotenv_settings.env_file if isinstance(dotenv_settings, DotEnvSettingsSource) else ""
        return init_settings, env_settings, _DotEnv(settings_cls, env_file=file or None)

    @field_validator("keepsake_home", "prices_file", "notify_config", mode="before")
    @classmethod
    def _absolute(cls, path: object) -> object:
        """In the environment a relative path starts at the current folder, as in any command."""
        if not path or "://" in str(path):  # an address, for NOTIFY_CONFIG
            return path
        try:
            return str(Path(str(path)).expanduser().absolute())
        except (RuntimeError, OSError):
            raise ValueError(f"{path} starts in a folder that is not known here") from None

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, url: str) -> str:
        if url and not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return url

    @field_validator(
        "s3_endpoint",
        "chat_base_url",
        "embeddings_base_url",
        "transcription_base_url",
        "speech_base_url",
        "cobalt_url",
    )
    @classmethod
    def _address(cls, url: str) -> str:
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

    @field_validator("first_day")
    @classmethod
    def _has_begun(cls, day: date) -> date:
        if day > datetime.now(UTC).date():
            raise ValueError("is in the future: nothing could be added")
        return day

    @field_validator("web_allow")
    @classmethod
    def _hosts_and_networks(cls, allowed: str) -> str:
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

    @model_validator(mode="after")
    def _complete(self) -> Self:
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
    def home(self) -> Path:
        """The data folder, absolute."""
        return self.keepsake_home.resolve()

    @property
    def objects_folder(self) -> Path:
        """Where objects live when no bucket is set."""
        return self.home / "objects"

    @property
    def scheduled_steps(self) -> frozenset[str]:
        """The steps that sensors leave alone."""
        return frozenset(s.strip() for s in self.steps_on_schedule.split(",") if s.strip())

    @property
    def switched_off_steps(self) -> frozenset[str]:
        """The steps that nobody makes, whoever asks."""
        media = set() if self.media_download and self.cobalt_url else {"media"}
        summaries = set() if self.ai_summaries else {"summaries", "keywords"}
        return frozenset(media | summaries)

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
        """Where `role` is served now.

        Raises:
            SettingsError: the role is embedded and `keepsake up` has not written its address.
        """
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
            # Not to whoever else speaks OpenAI's protocol.
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

    @property
    def state_file(self) -> Path:
        """What `keepsake up` wrote about the parts it runs: addresses and process ids."""
        return self.home / "up.json"

    def _embedded_models_url(self) -> str:
        """Address of the local model server; a placeholder that refuses when it is not running."""
        try:
            return str(json.loads(self.state_file.read_text())["models_url"])
        except (OSError, ValueError, KeyError):
            # Port 9 (discard) on loopback: calls fail as "connection refused", and `doctor` and
            # the ledger then say that the embedded models are not running.
            return "http://127.0.0.1:9/v1"


def is_openai(base_url: str) -> bool:
    """Whether this is an address of OpenAI itself."""
    host = urlsplit(base_url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def load_settings() -> Settings:
    """Read and check the settings.

    Raises:
        SettingsError: naming every variable that is wrong, and why.
    """
    file = env_file()
    dot_env(file)
    try:
        return Settings(_env_file=file)  # type: ignore[call-arg]  # every field has a default
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" if name else message)
        raise SettingsError("; ".join(lines)) from None


def dot_env(file: Path) -> Mapping[str, str | None]:
    """What a `.env` sets, by name as it is written there. No file: nothing.

    Raises:
        SettingsError: it cannot be read, or a line is no `NAME=value`. The message quotes no line.
    """
    from dotenv.parser import parse_stream

    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        if os.environ.get(ENV_FILE):
            raise SettingsError(f"{ENV_FILE}: there is no file {file}") from None
        return {}
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file} is not UTF-8 text (line {line}): convert it") from None
    bindings = list(parse_stream(io.StringIO(text)))
    for binding in bindings:
        if binding.error:
            written = binding.original.string  # with the empty lines before it
            empty = written[: len(written) - len(written.lstrip())].count("\n")
            line = binding.original.line + empty
            raise SettingsError(
                f"line {line} of {file} is no NAME=value: correct it, or begin it with #"
            )
    return {binding.key: binding.value for binding in bindings if binding.key}
