"""The source of a line: the asset that its steps are made from.

Records are added through the command line, never made by Dagster. The asset has no partitions: in
Dagster a day without records would be one that is missing, and whatever is made from it would count
as unable to be made. Which days have records the database knows; sensors observe what is due.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from assets.line_assets import table_schema
from keepsake.records.progress import totals
from resources.database import DatabaseResource


def source_asset(
    name: str,
    *,
    line: str,
    description: str,
    columns: Iterable[tuple[str, str, str]],
) -> dg.AssetsDefinition:
    """The observable source of a line."""

    @dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
        name=f"observe_{name}",
        specs=[
            dg.AssetSpec(
                name,
                group_name=line,
                description=description,
                metadata={
                    "dagster/table_name": f"keepsake.{name}",
                    "dagster/column_schema": table_schema(columns),
                },
                kinds={"postgres"},
            )
        ],
    )
    def source(database: DatabaseResource) -> dg.ObserveResult:
        with database.connect() as connection:
            found = totals(connection, line)
        metadata: dict[str, Any] = {
            "dagster/row_count": found.records,
            "days with records": found.days,
        }
        if found.oldest and found.newest:
            metadata |= {"oldest": str(found.oldest), "newest": str(found.newest)}
        return dg.ObserveResult(metadata=metadata)

    observed: dg.AssetsDefinition = source
    return observed
