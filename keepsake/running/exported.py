"""What an export has of a runner: activities as they came, and what was made of them."""

from keepsake.line_module import ExportedTable

TABLES = (
    ExportedTable(
        "runners",
        about="What is known of the runner: one row.",
        columns={"max_heart_rate": "beats a minute; null: the highest seen"},
        order="owner_id",
    ),
    ExportedTable(
        "activity_files",
        about="The files of activities: the originals.",
        columns={
            "record_id": "",
            "file_key": "the file as it came",
            "file_name": "as its sender called it",
            "format": "fit, gpx or tcx",
            "sha256": "of the unpacked file",
            "title": "the runner's own name for it",
            "sport": "as an archive lists it",
            "part": "which of several activities in the file",
        },
        files=("file_key",),
    ),
    ExportedTable(
        "activities",
        about="The facts of an activity, computed from its file.",
        columns={
            "record_id": "",
            "sport": "",
            "started_at": "",
            "distance": "metres",
            "elapsed": "seconds",
            "moving": "seconds",
            "ascent": "metres",
            "descent": "metres",
            "heart_rate": "beats a minute, mean over moving time",
            "max_heart_rate": "beats a minute",
            "cadence": "steps a minute",
            "drift": "per cent, pace to heart rate, second half against first",
            "splits": "one a kilometre",
            "zones": "seconds in each of five heart-rate zones",
            "best_efforts": "fastest seconds by distance in metres",
            "issues": "what was wrong in the file and was mended or left out",
        },
    ),
    ExportedTable(
        "letters", about="A letter about an activity.", columns={"record_id": "", "letter": ""}
    ),
    ExportedTable(
        "coaching_insights",
        about="What a coach would say of an activity.",
        columns={"record_id": "", "heart_rate": "", "pacing": "", "recommendation": ""},
    ),
    ExportedTable(
        "digests",
        table="weekly_digests",
        about="What a week came to.",
        columns={"week": "its Monday", "facts": "", "page_key": "the page", "made_at": ""},
        order="week",
        files=("page_key",),
    ),
    ExportedTable(
        "trends",
        about="Where the running is going, a row a month.",
        columns={"month": "its first day", "facts": "", "made_at": ""},
        order="month",
    ),
)
