"""How passages appear in Dagster, in every line that has them."""

from assets.checks import ContentCheck
from keepsake.steps.passages import vectors_of_the_declared_size

COLUMNS = (
    ("record_id", "bigint", "the record"),
    ("position", "integer", "order in the record, from 0"),
    ("owner_id", "bigint", "whose it is: every search asks for one owner"),
    ("text", "text", "the passage"),
    ("starts_at", "real", "seconds into the recording"),
    ("ends_at", "real", "seconds into the recording"),
    ("model", "text", "the embeddings model"),
    ("dimensions", "integer", "length of the vector"),
    ("embedding", "halfvec", "the vector"),
)

CHECK = ContentCheck(
    "vectors_of_the_declared_size",
    "Every vector has the length its row declares.",
    vectors_of_the_declared_size,
)
