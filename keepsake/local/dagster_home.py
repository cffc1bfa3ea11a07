"""DAGSTER_HOME of the embedded default: the repository's `dagster.yaml`, completed by the settings.

This room writes files and environment variables for Dagster; it does not import it.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
import yaml

from keepsake.database import connect
from keepsake.errors import SettingsError
from keepsake.settings import HomeSettings, ObjectSettings, Settings

_SCHEMA = "dagster"


def dagster_home(settings: HomeSettings) -> Path:
    """The folder that becomes DAGSTER_HOME."""
    return settings.home / "dagster"


def render_dagster_yaml(root_yaml_text: str, settings: Settings) -> str:
    """The repository's `dagster.yaml` with the place of the compute logs added.

    Runs print text of Dagster's form; where logs are JSON, they print such lines as well.
    """
    instance: dict[str, Any] = yaml.safe_load(root_yaml_text)
    instance["compute_logs"] = _s3_logs(settings) if settings.s3_bucket else _no_logs()
    if settings.log_format == "json":
        lines = {"class": "keepsake.logs.RunLines", "level": "INFO"}
        instance["python_logs"]["dagster_handler_config"] = {"handlers": {"lines": lines}}
    return yaml.safe_dump(instance, sort_keys=False)


def write_dagster_home(root: Path, settings: Settings, *, code_port: int) -> Path:
    """Write `dagster.yaml` and the workspace file; returns the path of the latter.

    Args:
        root: folder that holds the repository's `dagster.yaml`.
        settings: in force.
        code_port: where the code server listens on 127.0.0.1.
    """
    home = dagster_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    text = render_dagster_yaml((root / "dagster.yaml").read_text(), settings)
    (home / "dagster.yaml").write_text(text)
    server = {"host": "127.0.0.1", "port": code_port, "location_name": "keepsake"}
    workspace = home / "workspace.yaml"
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    return workspace


def dagster_environment(settings: ObjectSettings, database_url: str) -> dict[str, str]:
    """The variables that Dagster's processes need beside ours."""
    environment = {
        "DAGSTER_HOME": str(dagster_home(settings)),
        "DAGSTER_POSTGRES_URL": dagster_storage_url(database_url),
    }
    if settings.s3_bucket:
        environment["AWS_DEFAULT_REGION"] = settings.s3_region
    if settings.s3_access_key.get_secret_value():
        environment["AWS_ACCESS_KEY_ID"] = settings.s3_access_key.get_secret_value()
        environment["AWS_SECRET_ACCESS_KEY"] = settings.s3_secret_key.get_secret_value()
    return environment


def dagster_storage_url(database_url: str) -> str:
    """URL of Dagster's own tables: the same database, in a schema of their own."""
    url = urlsplit(database_url)
    search_path = urlencode({"options": f"-csearch_path={_SCHEMA}"})
    query = f"{url.query}&{search_path}" if url.query else search_path
    # SQLAlchemy, unlike libpq, does not know `postgres:`.
    return url._replace(scheme="postgresql", query=query).geturl()


def create_dagster_schema(database_url: str) -> None:
    """Make the schema of Dagster's tables; Dagster makes the tables.

    Raises:
        SettingsError: the database cannot be reached.
    """
    try:
        with connect(database_url) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
    except psycopg.OperationalError as error:
        raise SettingsError(f"DATABASE_URL: {str(error).strip()}") from None


def _no_logs() -> dict[str, Any]:
    # What a run logs is in its event log. Capturing its raw output too takes four processes a run
    # and a fifth of a second before its first step; it goes to the code server's log instead.
    return {
        "module": "dagster.core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }


def _s3_logs(settings: ObjectSettings) -> dict[str, Any]:
    config = {
        "bucket": settings.s3_bucket,
        "prefix": "dagster",
        "region": settings.s3_region,
        "local_dir": str(dagster_home(settings) / "compute_logs"),
        "skip_empty_files": True,
    }
    if settings.s3_endpoint:
        config["endpoint_url"] = settings.s3_endpoint
    return {
        "module": "dagster_aws.s3.compute_log_manager",
        "class": "S3ComputeLogManager",
        "config": config,
    }
