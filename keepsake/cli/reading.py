"""One record as text on a terminal: what `keepsake show` prints. Imported when it is asked for."""

from typing import TYPE_CHECKING

from keepsake.bookmarks.views import BookmarkView
from keepsake.family.views import ResponseView
from keepsake.running.remarks import remarks
from keepsake.running.views import ActivityView
from keepsake.text.moments import clock, day, when

if TYPE_CHECKING:
    from rich.console import Console

    from keepsake.show import Document


def show_document(out: "Console", document: "Document") -> None:
    """Print a record in full."""
    match document.made:
        case ResponseView() as made:
            _show_response(out, made, document)
        case BookmarkView() as made:
            _show_bookmark(out, made, document)
        case ActivityView() as made:
            _show_activity(out, made, document)
        case _:
            record = document.record
            out.print(document.title or f"Record {record.id} of {record.owner}", style="bold")
            out.print(f"{record.owner}, {when(record.recorded_at)}")
    if document.edits:
        _heading(out, "Changed by hand")
    for edit in document.edits:
        what = "taken back" if edit.value is None else "edited"
        was = f", was “{edit.previous}”" if edit.previous and edit.field == "title" else ""
        out.print(f"  {edit.field} {what}, {when(edit.edited_at)}{was}")
    if document.unmade:
        _heading(out, "Not there, or not up to date")
    for step in document.unmade:
        reason = f": {step.reason}" if step.reason else ""
        out.print(f"  {step.step}: {step.why}{reason}")


def _heading(out: "Console", text: str) -> None:
    out.print()
    out.print(text, style="bold")


def _prose(out: "Console", text: str) -> None:
    """Print a text: between words, as wide as the terminal; in a pipe each line as it is."""
    out.print(text, soft_wrap=not out.is_terminal)


def _show_response(out: "Console", made: "ResponseView", document: "Document") -> None:
    record, story = made.record, made.story
    out.print(story.title if story else f"Record {record.id}", style="bold")
    length = made.transcript.duration if made.transcript else None
    lasts = f", {clock(length)}" if length else ""
    how = "Told" if record.spoken else "Written"
    who = record.member or record.owner
    out.print(f"{how} by {who} of {record.owner}, {when(record.recorded_at)}{lasts}")
    if record.question:
        out.print(f"Asked: {record.question}")
    if made.tags:
        values = (f"{t.value} (by hand)" if t.source == "human" else t.value for t in made.tags)
        out.print(f"Values: {', '.join(values)}")
    if story:
        out.print()
        _prose(out, story.summary)
        _heading(out, "Story")
        _prose(out, story.text)
    _show_findings(out, made, document)
    _show_words(out, made, document)


def _show_findings(out: "Console", made: "ResponseView", document: "Document") -> None:
    """Quotes and wisdom."""
    if made.quotes:
        _heading(out, "Quotes")
    for quote in made.quotes:
        out.print(f"“{quote.text}”{_said_at(quote.starts_at)}")
        _place(out, document, quote.clip_key)
    if made.wisdom:
        _heading(out, "Wisdom")
    for advice in made.wisdom:
        about, at = f"for {advice.audience}; {advice.life_area}", _said_at(advice.starts_at)
        if advice.support == advice.advice:
            out.print(f"“{advice.advice}”{at} ({about})")
        else:
            out.print(f"{advice.advice} ({about})")
            out.print(f"  “{advice.support}”{at}")


def _show_words(out: "Console", made: "ResponseView", document: "Document") -> None:
    """The transcript, and where sound is."""
    from keepsake.family.remarks import remark

    record = made.record
    if made.transcript:
        _heading(out, "Transcript" if record.spoken else "As it was written")
        for issue in made.transcript.issues:
            out.print(f"[{remark(issue)}]", style="dim")
        _prose(out, made.transcript.text)
    if made.episode:
        _heading(out, f"Episode, {clock(made.episode.duration)}")
        _place(out, document, made.episode.audio_key)
        _place(out, document, made.episode.vtt_key)
        _place(out, document, made.episode.chapters_key)
    if record.audio_key:
        _heading(out, "Recording")
        _place(out, document, record.audio_key)


def _show_bookmark(out: "Console", made: "BookmarkView", document: "Document") -> None:
    out.print(made.title or made.url, style="bold")
    out.print(made.url)
    about = (made.site, made.author, day(made.published_on) if made.published_on else None)
    if said := ", ".join(filter(None, about)):
        out.print(said)
    folder = f", in {made.folder}" if made.folder else ""
    out.print(f"Saved by {made.owner}, {when(made.saved_at)}{folder}")
    if made.note:
        out.print(f"Note: {made.note}")
    if made.keywords:
        words = (f"{w.keyword} (by hand)" if w.source == "human" else w.keyword
                 for w in made.keywords)  # fmt: skip
        out.print(f"Keywords: {', '.join(words)}")
    if made.summary:
        out.print()
        _prose(out, made.summary)
    if made.media:
        _heading(out, "Media")
    for medium in made.media:
        length = f", {clock(medium.duration)}" if medium.duration else ""
        size = f"{medium.size_bytes / 1e6:.1f} MB"
        out.print(f"{medium.kind.capitalize()}, {size}{length}: {medium.name}")
        _place(out, document, medium.object_key)
    if made.text:
        count = f", {made.words:,} {'word' if made.words == 1 else 'words'}" if made.words else ""
        _heading(out, f"Text{count}")
        _prose(out, made.text)


def _show_activity(out: "Console", made: "ActivityView", document: "Document") -> None:
    out.print(made.title or made.file_name, style="bold")
    out.print(f"{made.owner}, {when(document.record.recorded_at)}")
    if made.facts:
        _heading(out, "Facts")
    for fact in made.facts:
        out.print(f"  {fact.name}: {fact.text}")
    if made.issues:
        out.print(f"  in the file: {'; '.join(remarks(made.issues))}")
    if made.letter:
        _heading(out, "Letter")
        _prose(out, made.letter)
    if made.insight:
        _heading(out, "Insight")
        out.print(f"Heart rate: {made.insight.heart_rate}")
        out.print(f"Pacing: {made.insight.pacing}")
        out.print(f"Recommendation: {made.insight.recommendation}")
    _heading(out, "File")
    _place(out, document, made.file_key)


def _place(out: "Console", document: "Document", key: str | None) -> None:
    if file := document.file(key):
        out.print(f"  {file.place}")


def _said_at(seconds: float | None) -> str:
    return "" if seconds is None else f", at {clock(seconds)}"
