"""Where the settings file and the data are, whatever the current folder.

A checkout (an editable install) has both in the repository. Any other install has them in the
user's folders, as the platform names those: on Linux `~/.config/keepsake/.env` and
`~/.local/share/keepsake`.
"""

import os
from pathlib import Path

ENV_FILE = "KEEPSAKE_ENV_FILE"


def checkout() -> Path | None:
    """The repository that this package is imported from; None if it was installed from a wheel."""
    root = Path(__file__).resolve().parents[2]
    ours = all((root / name).is_file() for name in ("pyproject.toml", "definitions.py"))
    return root if ours else None


def env_file() -> Path:
    """The file that settings are read from, absolute. It need not exist unless a user named it."""
    if named := os.environ.get(ENV_FILE):
        return Path(named).expanduser().absolute()
    if root := checkout():
        return root / ".env"
    # Not at the top: a checkout never needs it.
    from platformdirs import user_config_path

    return user_config_path("keepsake", appauthor=False) / ".env"


def default_home() -> Path:
    """The data folder when KEEPSAKE_HOME is not set, absolute. It need not exist."""
    if root := checkout():
        return root / ".keepsake"
    from platformdirs import user_data_path

    return user_data_path("keepsake", appauthor=False)
