"""From a figure to a message: told once, though the process that judges and sends is killed."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from keepsake.database import Connection
from tests.doubles.server import serving
from tests.doubles.slack import PATH, Slack

# The monitor of a worker, in less of a hurry to wait.
MONITOR = """
import asyncio
from keepsake.monitoring import watch
from keepsake.settings import load_settings

watch.DUTIES = tuple((0.1, duty) for _, duty in watch.DUTIES)
watch.JUDGE_SECONDS = watch.LOOK_SECONDS = 0.1
settings = load_settings()
asyncio.run(watch.run_monitor(settings.database_url, settings, asyncio.Event()))
"""
BUDGET = "A budget is nearly spent"


def spent(db: Connection, owner_id: int, dollars: float) -> None:
    """So much of a budget of 10 dollars."""
    db.execute("UPDATE owners SET monthly_budget = 10 WHERE id = %s", (owner_id,))
    db.execute("DELETE FROM spending")
    db.execute(
        "INSERT INTO spending (owner_id, day, line, step, model, cost)"
        " VALUES (%s, (now() AT TIME ZONE 'UTC')::date, 'family', 'stories', 'm', %s)",
        (owner_id, dollars),
    )


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - no event of another process tells of it
            await asyncio.sleep(0.02)


@asynccontextmanager
async def monitoring(**environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that monitors; it is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MONITOR, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def test_an_alert_is_told_once_though_the_monitor_is_killed_while_it_tells(
    db: Connection, ada: int, database_url: str, tmp_path: Path
) -> None:
    slack = Slack()
    slack.delay = 60.0

    def told() -> list[str]:
        texts: list[str] = [seen.json["text"] for seen in slack.seen]
        return [text for text in texts if BUDGET in text]

    with serving(slack) as address:
        environment = {
            "DATABASE_URL": database_url,
            "KEEPSAKE_HOME": str(tmp_path),
            "SLACK_WEBHOOK_URL": address + PATH,
        }
        spent(db, ada, 9.0)
        async with monitoring(**environment):
            await until(told)  # Slack has it and has not answered: now the process is killed
        slack.delay = 0.0
        async with monitoring(**environment):
            spent(db, ada, 1.0)
            await until(lambda: len(told()) > 1)
    assert told() == [
        f"Keepsake: {BUDGET}: owner {ada} (medium)",
        f"Resolved: {BUDGET}: owner {ada}",
    ]
    attempts = db.execute("SELECT max(attempts) FROM outbox WHERE kind LIKE 'alert.%'").fetchone()
    assert attempts == (1,)
