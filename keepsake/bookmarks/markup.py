"""Markup that came with a bookmark, as plain text.

Programs export a saved page as HTML, with pictures inside it as base64. What stays is what is
there to read. Read with the standard library: an import runs in the command itself, and this parser
is bounded by the length of its input.
"""

import re
from html.parser import HTMLParser

_MARKUP = re.compile(
    r"<(?:p|div|br|h[1-6]|ul|ol|li|img|span|blockquote|table|article)\b[^<>]*>", re.I
)
_BLOCKS = frozenset(
    ["address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption",
     "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav",
     "ol", "p", "pre", "section", "table", "tr", "ul"]
)  # fmt: skip
_UNSEEN = frozenset(["script", "style", "template", "noscript", "head"])


def plain_text(text: str) -> str:
    """`text` without markup, one line for each paragraph; as it is if it has no markup."""
    if not _MARKUP.search(text):
        return text
    reader = _Reader()
    reader.feed(text)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.pieces).split("\n"))
    return "\n".join(filter(None, lines))


class _Reader(HTMLParser):
    """Collects what is there to read."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins on a line of its own."""
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """And so does what follows it."""
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        """Text, unless it is a script's. Where a line ends in the markup means nothing."""
        if not self._unseen:
            self.pieces.append(data.replace("\n", " "))
