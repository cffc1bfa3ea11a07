"""What a page says: its metadata and its readable text."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Page:
    """What a page says of itself, and its text. What it does not say is None."""

    title: str | None
    description: str | None
    author: str | None
    site: str | None
    language: str | None
    published_on: date | None
    image_url: str | None
    canonical_url: str | None
    text: str
    words: int
    note: str | None


def read_page(body: bytes, *, url: str, content_type: str) -> Page:
    """What a response says."""
    return Page(None, None, None, None, None, None, None, None, "", 0, None)
