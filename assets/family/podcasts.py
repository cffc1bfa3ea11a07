"""A podcast episode of a story: a spoken introduction, the original recording, a closing."""

from assets.checks import ContentCheck
from assets.line_assets import StepAsset
from keepsake.family.steps import podcasts

PODCASTS = StepAsset(
    podcasts.PODCASTS,
    description=podcasts.__doc__ or "",
    objects=True,
    columns=[
        ("record_id", "bigint", "the response"),
        ("audio_key", "text", "object: the mp3"),
        ("vtt_key", "text", "object: the transcript as WebVTT"),
        ("chapters_key", "text", "object: the chapters as JSON"),
        ("duration", "real", "seconds"),
        ("loudness", "real", "integrated, LUFS"),
        ("size_bytes", "bigint", "of the mp3"),
        ("introduced_in", "text", "language of introduction and closing; empty: it has none"),
    ],
    checks=[
        ContentCheck(
            "episodes_audible",
            "Every episode has sound, at the loudness that podcast platforms ask for.",
            podcasts.episodes_audible,
        ),
    ],
)
