"""The steps of the family line, one file a step: prompt, shape of the answer, make, save, load.

How a step appears in Dagster is in `assets/family/`.
"""
