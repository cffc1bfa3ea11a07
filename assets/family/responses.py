"""What came in: the responses of a day, spoken and written.

They are added through the command line or the API, never made by Dagster; observing this asset
reads from the table which days have changed.
"""

import dagster as dg

from assets.line_assets import table_schema
from keepsake.family import LINE
from resources.database import DatabaseResource

COLUMNS = (
    ("record_id", "bigint", "the response"),
    ("family_id", "bigint", "whose it is"),
    ("member_id", "bigint", "who says it"),
    ("prompt_id", "bigint", "the question it answers, if it was asked one"),
    ("text", "text", "what was written, or"),
    ("audio_key", "text", "the object of what was recorded"),
    ("audio_name", "text", "the name that the file came with"),
)


def responses_asset(partitions: dg.DailyPartitionsDefinition) -> dg.SourceAsset:
    """The observable source of the family line."""

    @dg.observable_source_asset(
        name="responses",
        group_name=LINE,
        description=__doc__,
        partitions_def=partitions,
        metadata={
            "dagster/table_name": "keepsake.responses",
            "dagster/column_schema": table_schema(COLUMNS),
        },
        tags={"dagster/kind/postgres": ""},
    )
    def responses(database: DatabaseResource) -> dg.DataVersionsByPartition:
        with database.connect() as connection:
            days = connection.execute(
                """
                SELECT to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
                       count(*) || '-' || md5(string_agg(content_hash, '' ORDER BY id))
                FROM records WHERE line = %s GROUP BY day
                """,
                (LINE,),
            ).fetchall()
        return dg.DataVersionsByPartition(dict(days))

    return responses
