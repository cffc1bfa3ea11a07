"""What came in to a line: the asset that its steps are made from.

Records are added through the command line, never made by Dagster; observing this asset reads from
the table which partitions have changed.
"""

from collections.abc import Iterable

import dagster as dg

from assets.line_assets import table_schema
from assets.partitions import unit_of
from resources.database import DatabaseResource


def came_in_asset(
    name: str,
    *,
    line: str,
    description: str,
    columns: Iterable[tuple[str, str, str]],
    partitions: dg.TimeWindowPartitionsDefinition,
) -> dg.SourceAsset:
    """The observable source of a line."""

    @dg.observable_source_asset(
        name=name,
        group_name=line,
        description=description,
        partitions_def=partitions,
        metadata={
            "dagster/table_name": f"keepsake.{name}",
            "dagster/column_schema": table_schema(columns),
        },
        tags={"dagster/kind/postgres": ""},
    )
    def came_in(database: DatabaseResource) -> dg.DataVersionsByPartition:
        with database.connect() as connection:
            versions = connection.execute(
                """
                SELECT to_char(date_trunc(%s, recorded_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD'),
                       count(*) || '-' || md5(string_agg(content_hash, '' ORDER BY id))
                FROM records WHERE line = %s GROUP BY 1
                """,
                (unit_of(partitions), line),
            ).fetchall()
        return dg.DataVersionsByPartition(dict(versions))

    return came_in
