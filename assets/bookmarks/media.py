"""The film, sound and pictures that a bookmark shows, stored as files."""

from assets.checks import ContentCheck
from assets.line_assets import StepAsset
from keepsake.bookmarks.steps import media

MEDIA = StepAsset(
    media.MEDIA,
    description=media.__doc__ or "",
    objects=True,
    columns=[
        ("record_id", "bigint", "the bookmark"),
        ("position", "integer", "from 0, in the order in which the bookmark shows them"),
        ("kind", "text", "video, audio or image"),
        ("object_key", "text", "object: the file, named by its checksum"),
        ("name", "text", "as its source calls it"),
        ("content_type", "text", "by what is in it"),
        ("size_bytes", "bigint", "more than 0"),
        ("sha256", "text", "of the file"),
        ("duration", "real", "seconds; empty for a picture"),
    ],
    checks=[
        ContentCheck("media_whole", "Every file has a size and a checksum.", media.media_whole),
    ],
)
