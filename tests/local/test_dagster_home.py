"""Dagster's instance: the repository's dagster.yaml, completed by the settings."""

from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict

from keepsake.local.dagster_home import (
    create_dagster_schema,
    dagster_environment,
    dagster_storage_url,
    render_dagster_yaml,
)
from keepsake.local.up import ROOT
from keepsake.settings import Settings

ROOT_YAML = (ROOT / "dagster.yaml").read_text()


def _settings(home: Path, **values: Any) -> Settings:
    return Settings.model_validate({"keepsake_home": home, **values})


def test_everything_in_the_repositorys_file_is_kept(tmp_path: Path) -> None:
    rendered = yaml.safe_load(render_dagster_yaml(ROOT_YAML, _settings(tmp_path)))
    assert rendered.items() >= yaml.safe_load(ROOT_YAML).items()


def test_without_a_bucket_no_raw_output_is_captured(tmp_path: Path) -> None:
    rendered = yaml.safe_load(render_dagster_yaml(ROOT_YAML, _settings(tmp_path)))
    assert rendered["compute_logs"]["class"] == "NoOpComputeLogManager"


def test_compute_logs_go_to_s3_when_a_bucket_is_set(tmp_path: Path) -> None:
    settings = _settings(
        tmp_path,
        s3_bucket="voices",
        s3_endpoint="http://127.0.0.1:9000",
        s3_access_key="id",
        s3_secret_key="hush",
    )
    rendered = render_dagster_yaml(ROOT_YAML, settings)
    logs = yaml.safe_load(rendered)["compute_logs"]
    assert logs["class"] == "S3ComputeLogManager"
    assert logs["config"]["bucket"] == "voices"
    assert logs["config"]["endpoint_url"] == "http://127.0.0.1:9000"
    assert "hush" not in rendered
    environment = dagster_environment(settings, "postgresql://localhost/keepsake")
    assert environment["AWS_SECRET_ACCESS_KEY"] == "hush"


def test_dagsters_tables_have_a_schema_of_their_own(database_url: str) -> None:
    create_dagster_schema(database_url)
    with psycopg.connect(dagster_storage_url(database_url)) as connection:
        assert connection.execute("SELECT current_schema()").fetchone() == ("dagster",)


def test_storage_url_keeps_what_the_users_url_says() -> None:
    url = dagster_storage_url("postgres://ann:p%40ss@db.example:5433/keepsake?sslmode=require")
    assert url.startswith("postgresql://ann:p%40ss@db.example:5433/keepsake?")
    parameters = conninfo_to_dict(url)
    assert parameters["sslmode"] == "require"
    assert parameters["options"] == "-csearch_path=dagster"
