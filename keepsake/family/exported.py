"""What an export has of a family: its members, what they told, and what was made of it."""

from keepsake.line_module import ExportedTable

_AT = {"starts_at": "seconds into the recording", "ends_at": ""}

TABLES = (
    ExportedTable(
        "families",
        about="The language that texts are made in: one row.",
        columns={"language": "ISO 639"},
        order="owner_id",
    ),
    ExportedTable(
        "members",
        about="Those who tell.",
        columns={"id": "responses refer to it as member_id", "name": ""},
        order="id",
    ),
    ExportedTable(
        "vocabulary",
        about="The values that tags are chosen from.",
        columns={"value": "", "added_at": "", "by_tag": "whether it came with a tag by hand"},
        order="value",
    ),
    ExportedTable(
        "prompts",
        table="interview_prompts",
        about="Questions that the family was asked.",
        columns={
            "id": "responses refer to it as prompt_id",
            "question": "",
            "topic": "",
            "week": "its Monday",
            "source": "",
            "model": "that wrote it",
            "created_at": "",
        },
        order="id",
    ),
    ExportedTable(
        "responses",
        about="What a member said or wrote: the originals.",
        columns={
            "record_id": "",
            "member_id": "",
            "prompt_id": "of the question that it answers",
            "text": "as it was written; null: it was spoken",
            "audio_key": "the recording",
            "audio_name": "as its sender called it",
        },
        files=("audio_key",),
    ),
    ExportedTable(
        "transcripts",
        about="What was said, word for word.",
        columns={
            "record_id": "",
            "text": "",
            "language": "ISO 639",
            "duration": "seconds",
            "segments": "sentences with their times",
            "words": "words with their times",
            "issues": "what is uncertain",
        },
    ),
    ExportedTable(
        "tags",
        about="Values that a story tells of.",
        columns={"record_id": "", "value": "", "source": "human or ai", "created_at": ""},
        order="record_id, value",
    ),
    ExportedTable(
        "wisdom",
        about="Advice that was given.",
        columns={
            "record_id": "",
            "position": "",
            "advice": "",
            "audience": "for whom",
            "life_area": "",
            "support": "the words it rests on",
            **_AT,
        },
        order="record_id, position",
    ),
    ExportedTable(
        "quotes",
        about="Sentences worth repeating.",
        columns={
            "record_id": "",
            "position": "",
            "text": "",
            **_AT,
            "clip_key": "the speaker's own voice",
        },
        order="record_id, position",
        files=("clip_key",),
    ),
    ExportedTable(
        "stories",
        about="What was told, as a story to read. Changes by hand are in edits.",
        columns={"record_id": "", "title": "", "summary": "", "text": ""},
    ),
    ExportedTable(
        "episodes",
        table="podcasts",
        about="The story as an episode to listen to.",
        columns={
            "record_id": "",
            "audio_key": "MP3",
            "vtt_key": "the transcript with times, WebVTT",
            "chapters_key": "JSON",
            "duration": "seconds",
            "loudness": "LUFS",
            "made_at": "",
        },
        files=("audio_key", "vtt_key", "chapters_key"),
    ),
    ExportedTable(
        "story_visibility",
        about="Which episodes the family's feed shows, where somebody decided.",
        columns={"record_id": "", "state": "", "set_at": ""},
    ),
)
