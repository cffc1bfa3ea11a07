"""The page behind a bookmark: what it says of itself, and its readable text."""

from assets.line_assets import StepAsset
from keepsake.bookmarks.steps import pages

PAGES = StepAsset(
    pages.PAGES,
    description=pages.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the bookmark"),
        ("url", "text", "the address after redirects"),
        ("http_status", "integer", "empty: not fetched, made from the content that came with it"),
        ("content_type", "text", "as the site says"),
        ("body_key", "text", "the object of the response as it came, gzip"),
        ("size_bytes", "bigint", "of the response, unpacked"),
        ("etag", "text", "the response's, to ask whether it has changed"),
        ("last_modified", "text", "the same"),
        ("fetched_at", "timestamptz", "when the site last answered"),
        ("title", "text", "the page's own"),
        ("description", "text", "what the page says of itself"),
        ("author", "text", "who wrote it"),
        ("site", "text", "the name of the site"),
        ("language", "text", "ISO 639 code"),
        ("published_on", "date", "when it was published"),
        ("image_url", "text", "the image it shows itself with"),
        ("canonical_url", "text", "the address it asks to be known by"),
        ("text", "text", "readable text; empty if there is none"),
        ("words", "integer", "words of the text"),
        ("note", "text", "why there is no more of the page"),
        ("extractor", "text", "which extractor's text it is; empty: not from HTML"),
    ],
    objects=True,
)
