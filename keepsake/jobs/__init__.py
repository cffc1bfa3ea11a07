"""Tracked jobs: every piece of work that was asked for is a row, from submission to its end.

    pending ── claimed ──> running ──> succeeded
      │ ^                     ├──────> failed      no attempt is left, or another would fail too
      │ └── another attempt ──┼──────> timed_out   the same, where the last one took too long
      │                       ├──────> orphaned    the same, where its worker died
      │                       └──────> cancelled
      ├── not begun in time ─────────> expired
      └──────────────────────────────> cancelled

A job is of a type (`registry.py`), gets into the table by `submission.py`, is claimed by a worker
and ends (`attempts.py`), unless it is cancelled (`control.py`). Attempts are numbered, and all that
an attempt writes names its number: one that was given up writes nothing any more. Jobs that come
round by the clock are made by `schedules.py`. `worker.py` is the process that runs them.

What the types do is not here (`keepsake/job_types/`), nor is anything of Dagster.
"""
