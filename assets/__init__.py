"""How Dagster shows what is made: one folder a line, one file an asset.

An asset's file has its description, columns, kinds and checks. What makes the asset is in the
library: a step in `keepsake/<line>/steps/`, anything else in `keepsake/<line>/`. `line_assets.py`
turns a line into one Dagster multi-asset; how records flow through it is
`keepsake/pipeline/run.py`. Logic and SQL do not belong here.
"""

import warnings

import dagster as dg

# Each process that loads the assets, and so each run, would say of a dozen of them that Dagster may
# still change how they are defined.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
