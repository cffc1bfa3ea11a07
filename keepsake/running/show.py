"""How an activity is shown in full: on a terminal here, as a page in `view.html.j2`."""

from pathlib import Path

from keepsake.line_module import View
from keepsake.records.progress import RecordHead
from keepsake.running.views import ActivityView, read_activity
from keepsake.terminal.paper import Paper
from keepsake.text.moments import when


def _write(out: Paper, head: RecordHead, made: ActivityView) -> None:
    out.title(made.title or made.file_name)
    out.line(f"{made.owner}, {when(head.recorded_at)}")
    if made.facts:
        out.heading("Facts")
    for fact in made.facts:
        out.line(f"  {fact.name}: {fact.text}")
    if made.issues:
        out.line(f"  in the file: {'; '.join(made.remarks)}")
    if made.letter:
        out.heading("Letter")
        out.prose(made.letter)
    if made.insight:
        out.heading("Insight")
        out.line(f"Heart rate: {made.insight.heart_rate}")
        out.line(f"Pacing: {made.insight.pacing}")
        out.line(f"Recommendation: {made.insight.recommendation}")
    out.heading("File")
    out.file(made.file_key)


VIEW = View(read=read_activity, write=_write, template=Path(__file__).parent / "view.html.j2")
