"""What is made: one folder a line, one file a step.

A step's file holds its asset's description and columns, its prompt, the shape of the model's
answer and the function that makes its result. `line_assets.py` turns a line into one Dagster
multi-asset; how records flow through it is `keepsake/pipeline/run.py`.
"""
