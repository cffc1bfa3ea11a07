"""Snapshots: all totals as they were once a minute, so that what came in between is a difference.

The older they are, the fewer are kept: each minute for two days, each hour for 60 days, each day
for ever.
"""

from datetime import timedelta

from keepsake.database import AsyncConnection

MINUTES_KEPT = timedelta(days=2)
HOURS_KEPT = timedelta(days=60)

# Of each minute one, however often and by however many processes this is asked for.
_TAKE = """
    INSERT INTO metric_snapshots (at, totals)
    SELECT now(), coalesce(
        (SELECT jsonb_object_agg(metric, of_labels)
         FROM (SELECT metric, jsonb_object_agg(labels, value) AS of_labels
               FROM (SELECT metric, labels, sum(value) AS value
                     FROM metric_totals GROUP BY 1, 2) AS series
               GROUP BY metric) AS metrics), '{}')
    WHERE NOT EXISTS (SELECT FROM metric_snapshots WHERE at >= date_trunc('minute', now()))
    ON CONFLICT DO NOTHING
"""
# The first of each hour or day stays.
_THIN = """
    DELETE FROM metric_snapshots s
    WHERE at < now() - %(kept)s
      AND EXISTS (SELECT FROM metric_snapshots f
                  WHERE f.at >= date_trunc(%(to)s, s.at) AND f.at < s.at)
"""


async def keep_snapshots(connection: AsyncConnection) -> None:
    """Store the totals if this minute has no snapshot yet, and delete what is kept no longer."""
    taken = await connection.execute(_TAKE)
    if taken.rowcount:
        await connection.execute(_THIN, {"kept": MINUTES_KEPT, "to": "hour"})
        await connection.execute(_THIN, {"kept": HOURS_KEPT, "to": "day"})
