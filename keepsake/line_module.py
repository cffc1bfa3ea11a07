"""What a line tells the rest of the library about itself: one `LineModule` a line.

Data, and functions that import when they are called: a module is read by every command. What the
steps of a line are is in `pipeline/line.py`; which lines there are is in `lines.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keepsake.pipeline.line import Line


@dataclass(frozen=True)
class LineModule:
    """A line as search, lists, messages and commands know it.

    SQL names the record as `r.id`.

    Attributes:
        name: of the line, as in `records.line`.
        records: what people call its records, in the plural.
        load_line: imports the line with its steps.
        about: a SELECT of one row with four texts, each of which may be NULL: the title; what the
            record came as, for when it has no title; who said it or which site it is from; its
            address.
        words: tables with a `record_id`, each with an expression of its text, that `keepsake
            records --search` looks in. An index on `to_tsvector('simple', EXPRESSION)` is needed.
        text: a SELECT of the text of a record, for search by words while it has no passages;
            None: it has no text.
        embeddings: the step that makes its passages; None: none does, and its records are searched
            by the words of `text` alone.
    """

    name: str
    records: str
    load_line: Callable[[], "Line"]
    about: str
    words: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    embeddings: str | None = None
