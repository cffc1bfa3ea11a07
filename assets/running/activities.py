"""The facts of an activity: distance, moving time, pace, splits, heart-rate zones, best efforts."""

from assets.line_assets import StepAsset
from keepsake.running.steps import activities

ACTIVITIES = StepAsset(
    activities.ACTIVITIES,
    description=activities.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the activity"),
        ("owner_id", "bigint", "whose it is"),
        ("sport", "text", "`running`, `walking`, `hiking`, `cycling`, another word or `unknown`"),
        ("started_at", "timestamptz", "when, as the file says"),
        ("distance", "double precision", "metres"),
        ("elapsed", "double precision", "seconds from the first point to the last"),
        ("moving", "double precision", "seconds of movement"),
        ("ascent", "double precision", "metres climbed"),
        ("descent", "double precision", "metres descended"),
        ("heart_rate", "double precision", "mean beats a minute while moving"),
        ("max_heart_rate", "smallint", "the highest, in beats a minute"),
        ("cadence", "double precision", "steps a minute on foot, turns a minute on wheels"),
        (
            "drift",
            "double precision",
            "per cent that speed at a heart rate fell by the second half",
        ),
        ("splits", "jsonb", "one a kilometre: metres, seconds, climb, heart rate"),
        ("zones", "jsonb", "seconds in each of five heart-rate zones"),
        ("zone_maximum", "smallint", "the highest heart rate that the zones are parts of"),
        (
            "zone_activities",
            "integer",
            "where that is assumed: the number of activities that showed no higher one",
        ),
        ("best_efforts", "jsonb", "fastest seconds by distance in metres"),
        ("issues", "jsonb", "what was wrong in the file and was repaired or left out"),
    ],
)
