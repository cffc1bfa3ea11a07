"""How a response is shown in full: on a terminal here, as a page in `view.html.j2`."""

from pathlib import Path

from keepsake.family.views import ResponseView, read_response
from keepsake.line_module import View
from keepsake.records.progress import RecordHead
from keepsake.terminal.paper import Paper
from keepsake.text.moments import clock, when


def _write(out: Paper, head: RecordHead, made: ResponseView) -> None:
    record, story = made.record, made.story
    out.title(made.title)
    length = made.transcript.duration if made.transcript else None
    lasts = f", {clock(length)}" if length else ""
    how = "Told" if record.spoken else "Written"
    who = record.member or record.owner
    out.line(f"{how} by {who} of {record.owner}, {when(record.recorded_at)}{lasts}")
    if record.question:
        out.line(f"Asked: {record.question}")
    if made.tags:
        values = (f"{t.value} (by hand)" if t.source == "human" else t.value for t in made.tags)
        out.line(f"Values: {', '.join(values)}")
    if story:
        out.line("")
        out.prose(story.summary)
        out.heading("Story")
        out.prose(story.text)
    _show_findings(out, made)
    _show_words(out, made)


def _show_findings(out: Paper, made: ResponseView) -> None:
    """Quotes and wisdom."""
    if made.quotes:
        out.heading("Quotes")
    for quote in made.quotes:
        out.line(f"“{quote.text}”{_said_at(quote.starts_at)}")
        out.file(quote.clip_key)
    if made.wisdom:
        out.heading("Wisdom")
    for advice in made.wisdom:
        about, at = f"for {advice.audience}; {advice.life_area}", _said_at(advice.starts_at)
        if advice.support == advice.advice:
            out.line(f"“{advice.advice}”{at} ({about})")
        else:
            out.line(f"{advice.advice} ({about})")
            out.line(f"  “{advice.support}”{at}")


def _show_words(out: Paper, made: ResponseView) -> None:
    """The transcript, and where sound is."""
    record = made.record
    if made.transcript:
        out.heading("Transcript" if record.spoken else "As it was written")
        for remark in made.transcript.remarks:
            out.line(f"[{remark}]", style="dim")
        out.prose(made.transcript.text)
    if made.episode:
        out.heading(f"Episode, {clock(made.episode.duration)}")
        out.file(made.episode.audio_key)
        out.file(made.episode.vtt_key)
        out.file(made.episode.chapters_key)
    if record.audio_key:
        out.heading("Recording")
        out.file(record.audio_key)


def _said_at(seconds: float | None) -> str:
    return "" if seconds is None else f", at {clock(seconds)}"


VIEW = View(read=read_response, write=_write, template=Path(__file__).parent / "view.html.j2")
