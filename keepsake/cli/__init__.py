"""The `keepsake` command: reads arguments, calls the library, prints. Nothing is decided here.

Every module imports what its commands need inside them: `keepsake --help` loads no database driver.
"""

from keepsake.cli.main import app

__all__ = ["app"]
