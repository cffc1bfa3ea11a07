"""How far the steps of one record are. What was made of it is shown by `keepsake show`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from keepsake.terminal.shell import console, filled, open_database, print_json, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from keepsake.records.progress import RecordHead


def show_record(record_id: int, *, json: bool) -> None:
    """Print how far a record is.

    Raises:
        InvalidInput: there is no such record.
    """
    from keepsake.pipeline.ledger.attempts import timeline
    from keepsake.pipeline.ledger.states import record_steps
    from keepsake.records.lookup import owner_of
    from keepsake.records.progress import record_head
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        owner_id = owner_of(connection, record_id)
        record = record_head(connection, owner_id, record_id)
        steps = record_steps(connection, owner_id, record_id)
        attempts = timeline(connection, owner_id, record_id)
    if json:
        print_json({"record": record, "steps": steps, "attempts": attempts})
        return
    out = console()
    _show_head(out, record)
    rows = [_step_row(step) for step in steps]
    print_table("Steps", rows, filled(rows))
    if attempts:
        out.print()
        tried = [_attempt_row(attempt) for attempt in attempts]
        print_table("Attempts", tried, filled(tried))
    out.print(f"\nWhat was made of it: keepsake show {record.id}")


def _show_head(out: "Console", record: "RecordHead") -> None:
    out.print(f"Record {record.id} of {record.owner}: {record.status}", style="bold")
    batch = "" if record.batch_id is None else f", taken in with batch {record.batch_id}"
    out.print(f"{record.line}, of {record.recorded_at:%Y-%m-%d %H:%M} UTC{batch}")
    out.print()


def _step_row(step: Mapping[str, Any]) -> dict[str, Any]:
    from keepsake.owners.costs import usd

    seconds, cost = step["seconds"], step["cost"]
    return {
        "step": step["step"],
        "status": step["status"],
        "tries": step["attempts"],
        "calls": step["calls"],
        "tokens": step["tokens_in"] + step["tokens_out"],
        "USD": usd(cost or Decimal(), cost) if step["calls"] else "",
        "seconds": None if seconds is None else round(seconds, 1),
        "model": ", ".join(step["models"]),
        "remark": _remark(step),
    }


def _attempt_row(attempt: Mapping[str, Any]) -> dict[str, Any]:
    from keepsake.owners.costs import usd

    cost = attempt["cost"]
    return {
        "began (UTC)": f"{attempt['started_at']:%Y-%m-%d %H:%M:%S}",
        "step": attempt["step"],
        "try": attempt["attempt"],
        "outcome": attempt["outcome"],
        "error": attempt["error_type"] or "",
        "seconds": round(attempt["seconds"], 1),
        "tokens": attempt["tokens_in"] + attempt["tokens_out"],
        "USD": usd(cost or Decimal(), cost) if attempt["calls"] else "",
        "model": ", ".join(attempt["models"]),
        "run": attempt["run_id"][:8],
    }


def _remark(step: Mapping[str, Any]) -> str:
    """What an unfinished step waits for, what went wrong, and why there was nothing to make."""
    from keepsake.pipeline.ledger.rows import HOLD_REASONS, waiting_text

    due, error = step["due_at"], step["error_message"] or ""
    waits = waiting_text(step["wait_reason"], step["waits_for"])
    if step["nothing_reason"]:
        return f"nothing to make: {step['nothing_reason']}"
    if step["hold_reason"]:
        return "; ".join(filter(None, (HOLD_REASONS[step["hold_reason"]], waits, error)))
    if step["status"] == "succeeded" and due is not None:
        return "to be made again"
    if step["status"] != "pending":
        return error
    if due is None:
        return waits or error or "left to its schedule, or to a backfill"
    when = "due" if due <= datetime.now(UTC) else f"again at {due:%Y-%m-%d %H:%M} UTC"
    return "; ".join(filter(None, (when, waits, error)))
