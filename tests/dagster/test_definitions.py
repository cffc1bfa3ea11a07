"""The code location as people see it: a change to the graph shows here."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value
from pydantic import SecretStr

from definitions import build_defs, defs
from keepsake.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
RECORDS = "every_record_succeeded"
CAME_IN = {"responses", "bookmarks", "activity_files"}  # what Dagster only observes
BOOKMARKS = {"bookmarks", "pages", "summaries", "keywords", "bookmark_embeddings", "media"}
RUNNING = {
    "activity_files",
    "activities",
    "letters",
    "coaching_insights",
    "weekly_digests",
    "trends",
}


@pytest.fixture(scope="module")
def assets() -> dict[str, Any]:
    """Every asset by name, as the UI gets it."""
    graph = defs.resolve_asset_graph()
    return {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}


def test_what_is_made_of_what(assets: dict[str, Any]) -> None:
    assert {
        name: sorted(key.to_user_string() for key in asset.parent_keys)
        for name, asset in assets.items()
    } == {
        "responses": [],
        "transcripts": ["responses"],
        "embeddings": ["transcripts"],
        "tags": ["transcripts"],
        "wisdom": ["transcripts"],
        "stories": ["transcripts"],
        "quotes": ["transcripts"],
        "podcasts": ["stories", "transcripts"],
        "interview_prompts": ["stories", "tags"],
        "bookmarks": [],
        "pages": ["bookmarks"],
        "summaries": ["pages"],
        "keywords": ["pages"],
        "bookmark_embeddings": ["pages"],
        "media": ["bookmarks"],
        "activity_files": [],
        "activities": ["activity_files"],
        "letters": ["activities"],
        "coaching_insights": ["activities"],
        "weekly_digests": ["activities", "letters"],
        "trends": ["activities"],
    }


def test_what_is_checked() -> None:
    checks = defs.resolve_asset_graph().asset_check_keys
    assert {(key.asset_key.to_user_string(), key.name) for key in checks} == {
        ("transcripts", RECORDS),
        ("embeddings", RECORDS),
        ("embeddings", "vectors_of_the_declared_size"),
        ("tags", RECORDS),
        ("tags", "tags_in_the_vocabulary"),
        ("wisdom", RECORDS),
        ("stories", RECORDS),
        ("quotes", RECORDS),
        ("quotes", "quotes_verbatim"),
        ("podcasts", RECORDS),
        ("podcasts", "episodes_audible"),
        ("pages", RECORDS),
        ("summaries", RECORDS),
        ("keywords", RECORDS),
        ("keywords", "few_keywords"),
        ("bookmark_embeddings", RECORDS),
        ("bookmark_embeddings", "vectors_of_the_declared_size"),
        ("media", RECORDS),
        ("media", "media_whole"),
        ("activities", RECORDS),
        ("letters", RECORDS),
        ("letters", "letters_plain"),
        ("letters", "letters_grounded"),
        ("coaching_insights", RECORDS),
        ("coaching_insights", "insights_grounded"),
    }


def test_what_starts_by_itself() -> None:
    sensors = {sensor.name: sensor.default_status for sensor in defs.sensors or ()}
    assert set(sensors) == {
        "new_family_records",
        "new_bookmarks_records",
        "new_running_records",
        "imports_done",
        "outbox",
        "tracked_jobs",
    }
    assert set(sensors.values()) == {dg.DefaultSensorStatus.RUNNING}
    schedules = defs.get_repository_def().schedule_defs
    running = dg.DefaultScheduleStatus.RUNNING
    assert {s.name: (s.cron_schedule, s.execution_timezone) for s in schedules} == {
        "daily_podcasts": ("0 3 * * *", "UTC"),
        "close_the_family_day": ("30 0 * * *", "UTC"),
        "daily_quote": ("*/15 * * * *", "UTC"),
        "send_interview_prompts": ("*/15 * * * *", "UTC"),
        "weekly_interview_prompts": ("0 6 * * 1", "UTC"),
        "close_the_bookmarks_day": ("45 0 * * *", "UTC"),
        "close_the_running_month": ("0 1 * * *", "UTC"),
        "nightly_digests": ("30 4 * * *", "UTC"),
        "nightly_trends": ("45 4 * * *", "UTC"),
        "clean_up": ("15 3 * * *", "UTC"),
        "nightly_backup": ("15 2 * * *", "UTC"),
        "weekly_verification": ("15 5 * * 0", "UTC"),
    }
    waiting = {s.name for s in schedules if s.default_status != running}
    assert waiting == {"nightly_backup", "weekly_verification"}  # until BACKUP_DIR is set


def test_what_can_be_started() -> None:
    names = {job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    assert names == {
        "family_line",
        "weekly_questions",
        "daily_quote",
        "send_interview_prompts",
        "bookmarks_line",
        "running_line",
        "running_digests",
        "running_trends",
        "clean_up",
        "create_backup",
        "verify_backup",
    }


def _line(asset: str) -> str:
    if asset in RUNNING:
        return "running"
    return "bookmarks" if asset in BOOKMARKS else "family"


def test_every_asset_says_what_it_is(assets: dict[str, Any]) -> None:
    for name, asset in assets.items():
        assert len(asset.description) > 50, name
        assert asset.group_name == _line(name)
        assert "postgres" in asset.kinds, name
        if name not in CAME_IN:  # Dagster has no owners for what it only observes
            assert asset.owners == ["team:keepsake"], name
        columns = asset.metadata["dagster/column_schema"].columns
        assert all(column.type and column.description for column in columns), name


def test_what_is_made_has_a_version_and_is_made_by_ranges(assets: dict[str, Any]) -> None:
    for name, asset in assets.items():
        if name not in CAME_IN:
            assert asset.code_version, name
            assert asset.backfill_policy == dg.BackfillPolicy.single_run(), name


def test_days_weeks_and_months_are_those_of_utc_and_the_current_one_is_there(
    assets: dict[str, Any],
) -> None:
    for name, asset in assets.items():
        if name in CAME_IN:  # in Dagster a day without records would be one that is missing
            assert asset.partitions_def is None
            continue
        partitions = asset.partitions_def
        assert partitions.timezone == "UTC", name
        assert partitions.end_offset == 1, name
        assert partitions.cron_schedule == (
            "0 0 * * 1"
            if name in ("interview_prompts", "weekly_digests")
            else "0 0 1 * *"
            if name in RUNNING
            else "0 0 * * *"
        )


def test_resources_can_be_replaced() -> None:
    other = object()
    made = build_defs(load_settings(), {"objects": other})
    assert made.resources is not None
    assert made.resources["objects"] is other
    assert set(made.resources) == {"settings", "database", "objects", "models"}


def test_no_secret_lands_in_what_dagster_stores_of_the_code_location() -> None:
    secrets = {
        name: "https://example.org/SeCrEt{email}"  # as SIGN_IN_MAIL must have it
        for name, field in Settings.model_fields.items()
        if field.annotation is SecretStr
    }
    secrets["alert_webhook_secret"] = "whsec_" + 6 * "SeCrEt"
    settings = Settings.model_validate(
        {**secrets, "database_url": "postgresql://u:SeCrEt@127.0.0.1:9/d", "s3_bucket": "kept"}
    )
    made = build_defs(settings)
    stored = serialize_value(RepositorySnap.from_def(made.get_repository_def()))
    assert "DatabaseResource" in stored
    assert "SeCrEt" not in stored


def calls(folder: str) -> Iterator[tuple[str, str]]:
    """Each function that is called in a folder's files: the file, and the function's name."""
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                yield file.relative_to(ROOT).as_posix(), str(called)


@pytest.mark.parametrize("folder", ["assets", "resources", "sensors", "schedules"])
def test_no_statement_is_sent_to_the_database_outside_the_library(folder: str) -> None:
    assert [c for c in calls(folder) if c[1] in ("execute", "executemany", "cursor", "copy")] == []


def test_settings_are_read_only_where_a_process_starts() -> None:
    readers = {
        file
        for folder in ("assets", "resources", "sensors", "schedules", "keepsake")
        for file, called in calls(folder)
        if called == "load_settings"
    }
    commands = {f for f in readers if re.search(r"^keepsake/cli/|/(\w+_command|commands)\.py$", f)}
    # One serves with them, one runs jobs with them, one says what is wrong with them.
    assert readers - commands == {
        "keepsake/api/__main__.py",
        "keepsake/job_types/__main__.py",
        "keepsake/doctor.py",
    }


def test_dagster_accepts_the_workspace(tmp_path: Path) -> None:
    validated = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert validated.returncode == 0, validated.stderr
    assert "Validation successful for code location keepsake" in validated.stdout + validated.stderr
