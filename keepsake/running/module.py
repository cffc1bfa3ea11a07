"""The running line as the rest of the library knows it."""

from typing import TYPE_CHECKING

from keepsake.line_module import LineModule

if TYPE_CHECKING:
    from keepsake.pipeline.line import Line


def _line() -> "Line":
    from keepsake.running.line import RUNNING

    return RUNNING


MODULE = LineModule(
    name="running",
    records="activities",
    load_line=_line,
    about="SELECT title, file_name, NULL, NULL FROM activity_files WHERE record_id = r.id",
    words=(("activity_files", "coalesce(title, '') || ' ' || translate(file_name, '.-_', '   ')"),),
)
