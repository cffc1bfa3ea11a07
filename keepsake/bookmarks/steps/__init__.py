"""The steps of the bookmarks line, one file a step: prompt, shape of the answer, make, save, load.

How a step appears in Dagster is in `assets/bookmarks/`.
"""
