"""All that an owner has, as one archive: for a person to open, and for programs to read.

What the jobs and commands that ask for it do with the archive is not here, nor what a line's tables
hold (`LineModule.load_exported`). What is not in the archive, and why, is in `tables.py`.
"""

from keepsake.export.archive import Exported, export_owner

__all__ = ["Exported", "export_owner"]
