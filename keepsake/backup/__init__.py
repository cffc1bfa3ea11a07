"""Backups: the database and the objects it names, as they were at one moment.

    BACKUP_DIR/
        20261128T031500Z/
            manifest.json      what it holds, with hashes
            database.dump      by pg_dump, of one snapshot
            objects.jsonl.gz   key, size and hash of each object that the snapshot names
            verified.json      how its last verification went
        objects/ab/ab12...     contents of objects by SHA-256: what backups share is there once
        .20261128T031500Z/     one that is being made, or was broken off
        lock

They are made (`creation.py`), verified (`verification.py`), restored (`restoring.py`) and pruned
(`pruning.py`). What is where, and how it is read, is in `folder.py` and `contents.py`; the programs
of PostgreSQL are in `programs.py`. When a backup is due is not here (`schedules/`), nor is what
people type (`keepsake/cli/`).
"""
