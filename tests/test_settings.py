"""Settings come from the environment, say by name what is wrong, and keep secrets to themselves."""

import inspect
import json
import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from keepsake.errors import SettingsError
from keepsake.settings import (
    LOCAL_MODELS,
    ROLES,
    ObjectSettings,
    Settings,
    WebSettings,
    groups,
    load_settings,
)
from keepsake.settings.embedding_models import E5
from keepsake.settings.groups import Group


@pytest.fixture(autouse=True)
def _empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_nothing_set_is_the_embedded_default() -> None:
    settings = load_settings()
    assert (settings.database_url, settings.s3_bucket) == ("", "")
    assert settings.objects_folder == settings.home / "objects"
    assert (settings.embeds_dimensions, settings.chat_words) == (512, 900)
    for role in ROLES:
        endpoint = settings.endpoint(role)
        assert (endpoint.embedded, endpoint.model) == (True, LOCAL_MODELS[role])
        assert endpoint.concurrency in (1, 2)


def test_a_dot_env_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KEEPSAKE_ENV_FILE", str(tmp_path / ".env"))
    (tmp_path / ".env").write_text("QUOTE_HOUR=7\nDAGSTER_PORT=4000\nSOMEONE_ELSES=1\n")
    settings = load(monkeypatch, DAGSTER_PORT="5000")
    assert (settings.quote_hour, settings.dagster_port) == (7, 5000)


def test_an_empty_value_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings()
    assert load(monkeypatch, CHAT_CONCURRENCY="", DATABASE_URL="") == default


def test_embedded_models_are_where_up_says_they_are(tmp_path: Path) -> None:
    assert load_settings().endpoint("chat").base_url == "http://127.0.0.1:9/v1"  # nobody is there
    state = load_settings().state_file
    state.parent.mkdir()
    state.write_text(json.dumps({"models_url": "http://127.0.0.1:4711/v1"}))
    assert load_settings().endpoint("chat").base_url == "http://127.0.0.1:4711/v1"


def test_an_openai_compatible_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        CHAT_BASE_URL="http://127.0.0.1:1234/v1/",
        CHAT_MODEL="qwen3",
        CHAT_TIMEOUT="30",
        OPENAI_API_KEY="sk-openai",
    )
    endpoint = settings.endpoint("chat")
    assert (endpoint.base_url, endpoint.model) == ("http://127.0.0.1:1234/v1", "qwen3")
    assert (endpoint.concurrency, endpoint.timeout, endpoint.embedded) == (16, 30.0, False)
    assert endpoint.api_key == SecretStr("")  # OpenAI's key is for OpenAI
    assert settings.chat_words == 6000
    assert settings.endpoint("speech").embedded


def test_openais_key_goes_to_openai_unless_a_role_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load(
        monkeypatch,
        OPENAI_API_KEY="shared",
        CHAT_BASE_URL="https://api.openai.com/v1",
        CHAT_MODEL="a-model",
        EMBEDDINGS_BASE_URL="https://eu.api.openai.com/v1",
        EMBEDDINGS_MODEL="another",
        EMBEDDINGS_API_KEY="own",
        SPEECH_BASE_URL="https://api.openai.com.example.org/v1",
        SPEECH_MODEL="a-third",
    )
    assert settings.endpoint("chat").api_key == SecretStr("shared")
    assert settings.endpoint("embeddings").api_key == SecretStr("own")
    assert settings.endpoint("speech").api_key == SecretStr("")


@pytest.mark.parametrize("role", ["transcription", "speech"])
def test_cartesia(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    settings = load(
        monkeypatch,
        **{
            f"{role.upper()}_PROVIDER": "cartesia",
            f"{role.upper()}_MODEL": "ink-or-sonic",
            "SPEECH_VOICE": "a-voice",
            "CARTESIA_API_KEY": "sk-car",
            "OPENAI_API_KEY": "sk-openai",
        },
    )
    endpoint = settings.endpoint("speech" if role == "speech" else "transcription")
    assert (endpoint.provider, endpoint.base_url) == ("cartesia", "https://api.cartesia.ai")
    assert (endpoint.api_key, endpoint.embedded) == (SecretStr("sk-car"), False)


def test_bedrock(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        CHAT_PROVIDER="bedrock",
        CHAT_MODEL="claude",
        AWS_REGION="eu-central-1",
        AWS_BEARER_TOKEN_BEDROCK="bearer",
    )
    endpoint = settings.endpoint("chat")
    assert endpoint.base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert (endpoint.api_key, endpoint.concurrency) == (SecretStr("bearer"), 16)


def test_vectors_elsewhere_are_longer_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = {"EMBEDDINGS_BASE_URL": "http://127.0.0.1:1/v1", "EMBEDDINGS_MODEL": "m"}
    assert load(monkeypatch, **remote).embeds_dimensions == 1536
    assert load(monkeypatch, EMBEDDINGS_DIMENSIONS="768").embeds_dimensions == 768


def test_another_embedded_model_brings_its_own_length(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, EMBEDDINGS_MODEL="multilingual-e5-small-q4")
    assert settings.endpoint("embeddings").embedded
    assert (settings.endpoint("embeddings").model, settings.embeds_dimensions) == (E5, 384)


def test_steps_left_to_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, STEPS_ON_SCHEDULE=" podcasts, stories,,")
    assert settings.scheduled_steps == {"podcasts", "stories"}


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"DATABASE_URL": "mysql://h/d"}, "DATABASE_URL: must start with postgresql://"),
        ({"CHAT_CONCURRENCY": "many"}, "CHAT_CONCURRENCY: Input should be a valid integer"),
        ({"CHAT_CONCURRENCY": "-1"}, "CHAT_CONCURRENCY: Input should be greater than or equal"),
        ({"CHAT_TIMEOUT": "0"}, "CHAT_TIMEOUT: Input should be greater than 0"),
        ({"CHAT_PROVIDER": "cartesia"}, "CHAT_PROVIDER: Input should be 'openai' or 'bedrock'"),
        ({"SPEECH_PROVIDER": "bedrock"}, "SPEECH_PROVIDER: Input should be 'openai' or 'cartesia'"),
        ({"EMBEDDINGS_DIMENSIONS": "4001"}, "EMBEDDINGS_DIMENSIONS: Input should be less than"),
        (
            {"EMBEDDINGS_MODEL": "nomic-embed-text"},
            "EMBEDDINGS_MODEL is none of the embedded models (universal-sentence-encoder-",
        ),
        ({"FIRST_DAY": "long ago"}, "FIRST_DAY: Input should be a valid date"),
        ({"QUOTE_HOUR": "24"}, "QUOTE_HOUR: Input should be less than or equal to 23"),
        ({"WEB_ALLOW": "10.0.0.0/33"}, "WEB_ALLOW: '10.0.0.0/33' is no name of a host"),
        ({"WEB_ALLOW": "wiki.internal,host:8080"}, "WEB_ALLOW: 'host:8080' is no name of a host"),
        ({"WEB_ALLOW": "*.internal"}, "WEB_ALLOW: '*.internal' is no name of a host"),
        ({"WEB_USER_AGENT": "Bücherei/1"}, "WEB_USER_AGENT: String should match"),
        ({"AUDIO_CONCURRENCY": "0"}, "AUDIO_CONCURRENCY: Input should be greater than or equal"),
        ({"CHAT_BASE_URL": "http://h/v1"}, "CHAT_MODEL is empty, but chat is not the embedded"),
        ({"CHAT_PROVIDER": "bedrock"}, "CHAT_MODEL is empty"),
        ({"EMBEDDINGS_BASE_URL": "http://h/v1"}, "EMBEDDINGS_MODEL is empty"),
        ({"TRANSCRIPTION_PROVIDER": "cartesia"}, "TRANSCRIPTION_MODEL is empty"),
        ({"SPEECH_PROVIDER": "cartesia", "SPEECH_MODEL": "m"}, "SPEECH_VOICE is empty"),
        ({"S3_ACCESS_KEY": "only"}, "set both S3_ACCESS_KEY and S3_SECRET_KEY, or neither"),
        ({"S3_SECRET_KEY": "only"}, "set both S3_ACCESS_KEY and S3_SECRET_KEY, or neither"),
        ({"S3_ENDPOINT": "http://h"}, "S3_BUCKET is empty, but S3_ENDPOINT is set"),
        (
            {"S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"},
            "S3_BUCKET is empty, but S3_ACCESS_KEY is set",
        ),
        ({"DAGSTER_PORT": "80000"}, "DAGSTER_PORT: Input should be less than or equal to 65535"),
        ({"DAGSTER_PORT": "-1"}, "DAGSTER_PORT: Input should be greater than or equal to 0"),
        ({"CHAT_TIMEOUT": "inf"}, "CHAT_TIMEOUT: Input should be a finite number"),
        ({"FIRST_DAY": "2999-01-01"}, "FIRST_DAY: is in the future"),
        ({"KEEPSAKE_HOME": "~no-such-user/x"}, "KEEPSAKE_HOME: ~no-such-user/x starts in"),
        ({"CHAT_BASE_URL": "api.openai.com/v1"}, "CHAT_BASE_URL: must start with http:// or"),
        ({"SPEECH_BASE_URL": "localhost:8000"}, "SPEECH_BASE_URL: must start with http:// or"),
        ({"S3_ENDPOINT": "https://"}, "S3_ENDPOINT: it names no host"),
        ({"COBALT_URL": "http://h:port"}, "COBALT_URL: its host or port is none"),
        ({"COBALT_URL": "ftp://h"}, "COBALT_URL: must start with http:// or https://"),
    ],
)
def test_what_is_wrong_is_said_by_name(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], problem: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(problem)}"):
        load(monkeypatch, **environment)


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"DAGSTER_PORT: .*; QUOTE_HOUR: "):
        load(monkeypatch, DAGSTER_PORT="x", QUOTE_HOUR="99")


def test_no_secret_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        name.upper(): "https://SeCrEt/{email}"  # as SIGN_IN_MAIL must have it
        for name, field in Settings.model_fields.items()
        if field.annotation is SecretStr
    }
    secrets["ALERT_WEBHOOK_SECRET"] = "whsec_" + "SeCrEtAA" * 4
    database = "postgresql://keepsake:SeCrEt@db/keepsake"
    settings = load(monkeypatch, **secrets, DATABASE_URL=database, S3_BUCKET="voices")
    assert len(secrets) >= 10
    assert "SeCrEt" not in repr(settings) + str(settings) + repr(settings.endpoint("chat"))


def test_no_secret_is_shown_in_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refused:
        load(
            monkeypatch,
            DATABASE_URL="mysql://u:SeCrEt@h/d",
            CHAT_BASE_URL="http://u:SeCrEt@h:port",
            S3_ACCESS_KEY="SeCrEt",
        )
    with pytest.raises(SettingsError) as incomplete:
        load(monkeypatch, DATABASE_URL="", CHAT_BASE_URL="", S3_ACCESS_KEY="SeCrEt")
    for error in (refused.value, incomplete.value):
        assert "SeCrEt" not in f"{error!r} {error.__cause__!r}"
        assert error.__suppress_context__


def test_a_group_is_made_by_itself_and_checks_only_its_own_settings() -> None:
    assert WebSettings.model_validate({"web_timeout": 1}).web_timeout == 1.0
    with pytest.raises(ValidationError, match="S3_BUCKET is empty"):
        ObjectSettings.model_validate({"s3_endpoint": "http://127.0.0.1:9000"})


def test_the_settings_are_all_groups_together_and_nothing_else() -> None:
    all_groups = [c for c in vars(groups).values() if inspect.isclass(c) and issubclass(c, Group)]
    of_groups = {name for group in all_groups for name in group.model_fields}
    assert set(Settings.model_fields) == of_groups
