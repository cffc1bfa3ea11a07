"""Passages of the page, embedded, so that a search finds bookmarks beside everything else."""

from assets.line_assets import StepAsset
from assets.passages import CHECK, COLUMNS
from keepsake.bookmarks.steps import bookmark_embeddings

BOOKMARK_EMBEDDINGS = StepAsset(
    bookmark_embeddings.BOOKMARK_EMBEDDINGS,
    description=bookmark_embeddings.__doc__ or "",
    columns=COLUMNS,
    table="passages",
    checks=[CHECK],
)
