"""What an export has of bookmarks: addresses, pages as they were fetched, and their media."""

from keepsake.line_module import ExportedTable

TABLES = (
    ExportedTable(
        "bookmarks",
        about="What was saved: the originals.",
        columns={
            "record_id": "",
            "url": "as it was given",
            "platform": "youtube, tiktok, ... as the sender names it",
            "title": "the sender's own",
            "content": "text that came with it",
            "folder": "where it was filed in the program it was imported from",
        },
    ),
    ExportedTable(
        "pages",
        about="What fetching the page gave.",
        columns={
            "record_id": "",
            "url": "after redirects",
            "http_status": "null: not fetched, made from the content that was given",
            "content_type": "",
            "body_key": "the response as it came",
            "fetched_at": "",
            "title": "",
            "description": "",
            "author": "",
            "site": "",
            "language": "",
            "published_on": "",
            "image_url": "",
            "canonical_url": "",
            "text": "the readable text",
            "words": "how many",
            "note": "what kept us from more",
        },
        files=("body_key",),
    ),
    ExportedTable(
        "summaries", about="What a page says, in short.", columns={"record_id": "", "summary": ""}
    ),
    ExportedTable(
        "keywords",
        about="What a page is about.",
        columns={"record_id": "", "keyword": "", "source": "human or ai", "created_at": ""},
        order="record_id, keyword",
    ),
    ExportedTable(
        "media",
        about="Pictures, sound and films that a page shows.",
        columns={
            "record_id": "",
            "position": "",
            "kind": "video, audio or image",
            "object_key": "the file",
            "name": "",
            "content_type": "",
            "size_bytes": "",
            "sha256": "of the file",
            "duration": "seconds",
        },
        order="record_id, position",
        files=("object_key",),
    ),
)
