"""The text of a PDF, by PDFium, the reader in Chrome: it bears with files that break the rules."""

import re
from dataclasses import dataclass
from typing import Any

MOST_PAGES = 1_000
# What programs write as a title when none is set: the name of the file it was made from.
_NO_TITLE = re.compile(
    r"^(?:untitled|microsoft \w+ - .*|.*\.(?:docx?|odt|tex|dvi|indd|qxd))$", re.I
)
_HYPHEN = "\ufffe"  # PDFium's mark for a hyphen at the end of a line


@dataclass(frozen=True)
class Document:
    """What a PDF says. `note` says why there is no text."""

    title: str | None = None
    author: str | None = None
    text: str = ""
    note: str | None = None


def read_pdf(body: bytes, most: int) -> Document:
    """The title and the text of a PDF.

    Args:
        body: the file.
        most: characters of text that are read; what follows is left.
    """
    from pypdfium2 import PdfDocument, PdfiumError  # type: ignore[import-untyped]

    try:
        document = PdfDocument(body)
        text = _text(document, most)
        said = document.get_metadata_dict()
    except PdfiumError as error:
        locked = "password" in str(error).lower()
        return Document(note=f"a PDF that {'is locked' if locked else 'cannot be read'}")
    title = " ".join(said.get("Title", "").split())
    return Document(
        title=None if _NO_TITLE.match(title) else title or None,
        author=said.get("Author"),
        text=text,
        note=None if text else "a PDF without text: its pages are pictures",
    )


def _text(document: Any, most: int) -> str:
    from pypdfium2 import PdfiumError

    pages: list[str] = []
    size = 0
    for number in range(min(len(document), MOST_PAGES)):
        try:
            page = document[number]
            words = page.get_textpage().get_text_range()
            page.close()
        except PdfiumError:
            continue  # one broken page does not cost the others
        pages.append("\n".join(" ".join(line.split()) for line in words.splitlines()))
        size += len(words)
        if size > most:
            break
    return "\n".join(filter(None, pages)).replace(_HYPHEN, "")[:most].strip()
