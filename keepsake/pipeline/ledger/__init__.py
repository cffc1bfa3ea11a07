"""The ledger: what was done to each record, what is due, what failed and why.

One row for each record and step. A result and its row are written in one transaction. The SQL on
rows of the ledger is here, by what it is for. What a step stores is in the step, budgets are in
`keepsake/owners/`.

| Module | What is in it |
|---|---|
| `rows.py` | a row as a run reads it and writes it; the values of its columns |
| `claims.py` | records taken by a run: locks, rows marked as running, rows put back |
| `due.py` | what is to be done: records of a window, windows of a line |
| `writes.py` | what became of a step: its row, what it cost, what becomes due by it |
| `attempts.py` | the history: a row for each attempt at a step |
| `repair.py` | what people ask for: retry, redo, steps switched off and on |
| `states.py` | how far a record, or a step of a window, is |
"""
