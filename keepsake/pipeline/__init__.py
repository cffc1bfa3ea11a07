"""How records flow through the steps of a line.

| Module | What is in it |
|---|---|
| `line.py` | what a line and its steps are |
| `spec.py` | what one run is to do, and the bounds and times of the engine |
| `run.py` | `run_line`: each record through its steps |
| `loading.py` | records into memory: pages, locks, slots, what their steps need |
| `staleness.py` | which steps of a record are made, which wait |
| `attempts.py`, `retry.py` | making a result; when it is tried again |
| `writer.py` | writing outcomes, many in one transaction |
| `ledger/` | the rows of what was done and what is due |
| `limits.py` | how many calls an endpoint gets at once, and whether it answers |
| `reports.py` | what became of a run |
| `window.py`, `fingerprint.py` | records of a span of time; hashes of plain data |

What the steps do belongs to the lines (`keepsake/family/`, `bookmarks/`, `running/`); what a record
is and how it is added to `keepsake/records/`. Nothing here knows Dagster.
"""
