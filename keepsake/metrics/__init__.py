"""Metrics: what is counted, under which names, and how a count gets into the database.

`catalogue.py` lists every metric. Code that does the work counts with `counts.py`, and who writes
what the work came to adds the counts in the same transaction (`totals.py`). What is read from the
figures, alerts and pages are not here: that is `keepsake/monitoring/`.
"""
