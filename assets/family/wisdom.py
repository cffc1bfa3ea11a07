"""Advice found in a response: what it is, who may use it, in which part of life."""

from assets.line_assets import StepAsset
from keepsake.family.steps import wisdom

WISDOM = StepAsset(
    wisdom.WISDOM,
    description=wisdom.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the response"),
        ("position", "integer", "order in the response, from 0"),
        ("advice", "text", "the advice in one sentence"),
        ("audience", "text", "who may use it"),
        ("life_area", "text", "the part of life it belongs to"),
        ("support", "text", "the speaker's own words that it rests on"),
        ("starts_at", "real", "when they are said, in seconds"),
        ("ends_at", "real", "in seconds"),
    ],
)
