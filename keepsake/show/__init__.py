"""One record as people read it: everything that was made of it, as data and as a page."""

from keepsake.show.document import Document, File, Unmade, read_document, why_unmade
from keepsake.show.page import render_page

__all__ = ["Document", "File", "Unmade", "read_document", "render_page", "why_unmade"]
