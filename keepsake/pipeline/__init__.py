"""How records flow through the steps of a line: the line, the run, the ledger, the writer, limits.

What the steps do belongs to the lines (`keepsake/family/`, `bookmarks/`, `running/`); what a record
is and how it comes in to `keepsake/records/`. Nothing here knows Dagster.
"""
