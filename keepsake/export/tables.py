"""Which tables an export has: those of all lines here, the others from the lines themselves."""

from keepsake import lines
from keepsake.line_module import ExportedTable

OF_ALL_LINES = (
    ExportedTable(
        "owner",
        table="(SELECT *, id AS owner_id FROM owners) AS owners",
        about="Whose export this is: one row.",
        columns={
            "slug": "short name",
            "name": "as it is written",
            "time_zone": "an IANA name",
            "created_at": "when it was added",
        },
        order="slug",
    ),
    ExportedTable(
        "memberships",
        table="memberships JOIN users ON users.id = user_id",
        about="People who may sign in for this owner.",
        columns={"name": "", "email": "", "role": "viewer, editor or owner"},
        order="user_id",
    ),
    ExportedTable(
        "batches",
        about="Imports: records that were taken in together.",
        columns={
            "id": "records refer to it as batch_id",
            "line": "of its records",
            "name": "of the file or folder",
            "created": "new records",
            "duplicates": "recognised as there already",
            "rejected": "no record could be made of them",
            "rejections": "name and reason of the first ones",
            "started_at": "",
            "taken_in_at": "when the import was over",
        },
        order="id",
    ),
    ExportedTable(
        "records",
        about="What was recorded, saved or run. All other kinds refer to it as record_id.",
        columns={
            "id": "",
            "line": "family, bookmarks or running",
            "external_id": "the sender's name for it",
            "recorded_at": "when it was recorded, saved or run",
            "received_at": "when it came in",
            "batch_id": "of its import",
        },
        order="id",
    ),
    ExportedTable(
        "edits",
        about="What people changed by hand, in order.",
        columns={
            "record_id": "",
            "field": "title, transcript or story",
            "value": "the new text; null: the change before was taken back",
            "previous": "the text before",
            "edited_at": "",
        },
        order="id",
    ),
    ExportedTable(
        "removed_tags",
        about="Tags that people took off a record, so that no model puts them back.",
        columns={"record_id": "", "tag": "", "removed_at": ""},
        order="record_id, tag",
    ),
    ExportedTable(
        "spending",
        about="What models were used and what that cost, by day.",
        columns={
            "day": "UTC",
            "line": "",
            "step": "",
            "model": "",
            "calls": "",
            "tokens_in": "read by the model",
            "tokens_out": "written by it",
            "audio_seconds": "of sound that it listened to",
            "characters": "of text that it spoke",
            "cost": "USD; null: not known",
        },
        order="day, line, step, model",
    ),
)

# Tables with an owner that an export leaves out.
LEFT_OUT = {
    "owner_metrics": "figures counted from what is exported",
    "passages": "made again from the texts: pieces of them, for search",
    "refusals": "counts of what models got wrong",
    "ledger": "how far the making of each record is, here",
    "step_attempts": "how the making went, here",
    "outbox": "messages, made from what is exported",
    "idempotency_keys": "what programs sent, for a day",
    "resumable_uploads": "what is just being sent",
    "loose_objects": "what is about to be deleted",
    "jobs": "work that was asked for, here",
    "job_attempts": "how that went, here",
    "job_log": "what was logged of it",
    "job_schedules": "work that comes round, here",
    "job_files": "files of that work, such as this export",
    "webhook_endpoints": "addresses of other programs, which may hold a token",
    "webhook_secrets": "keys",
    "webhook_attempts": "how posting to them went, here",
    "tokens": "secrets of programs",
    "listeners": "secrets of podcast players",
    "feeds": "addresses that hold here alone",
    "feed_changes": "when a player should look again",
    "alert_rules": "what is watched, here",
    "alerts": "what was found",
    "alert_log": "and when, by ids that mean nothing elsewhere",
    "audit_log": "who did what, by ids that mean nothing elsewhere",
}


def exported_tables() -> list[ExportedTable]:
    """All tables that an export has, in order: what is referred to first."""
    of_lines = [module.load_exported() for module in lines.LINES if module.load_exported]
    return [*OF_ALL_LINES, *(table for tables in of_lines for table in tables)]
