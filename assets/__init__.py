"""How Dagster shows what is made: one folder a line, one file an asset.

An asset's file has its description, columns, kinds and checks. What makes the asset is in the
library: a step in `keepsake/<line>/steps/`, anything else in `keepsake/<line>/`. `line_assets.py`
turns a line into one Dagster multi-asset; how records flow through it is
`keepsake/pipeline/run.py`. Logic and SQL do not belong here.
"""
