"""One record as text on a terminal: what `keepsake show` prints. Imported when it is asked for.

What a line's own results look like is in its folder (`show.py` of the lines).
"""

from typing import TYPE_CHECKING

from keepsake.lines import module_of
from keepsake.terminal.paper import Paper
from keepsake.text.moments import when

if TYPE_CHECKING:
    from rich.console import Console

    from keepsake.show import Document


def show_document(console: "Console", document: "Document") -> None:
    """Print a record in full."""
    record = document.record
    out = Paper(console, {file.key: file.place for file in document.files})
    load_view = module_of(record.line).load_view
    if load_view and document.made:
        load_view().write(out, record, document.made)
    else:
        out.title(document.title or f"Record {record.id} of {record.owner}")
        out.line(f"{record.owner}, {when(record.recorded_at)}")
    if document.edits:
        out.heading("Changed by hand")
    for edit in document.edits:
        what = "taken back" if edit.value is None else "edited"
        was = f", was “{edit.previous}”" if edit.previous and edit.field == "title" else ""
        out.line(f"  {edit.field} {what}, {when(edit.edited_at)}{was}")
    if document.unmade:
        out.heading("Not there, or not up to date")
    for step in document.unmade:
        reason = f": {step.reason}" if step.reason else ""
        out.line(f"  {step.step}: {step.why}{reason}")
