"""Passages of a transcript, embedded for search by meaning, with the times they are said at."""

from assets.line_assets import StepAsset
from assets.passages import CHECK, COLUMNS
from keepsake.family.steps import embeddings

EMBEDDINGS = StepAsset(
    embeddings.EMBEDDINGS,
    description=embeddings.__doc__ or "",
    columns=COLUMNS,
    table="passages",
    checks=[CHECK],
)
