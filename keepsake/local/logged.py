"""Run a module as `python -m` does, in a process whose log has every line once.

    python -m keepsake.local.logged text dagster._daemon run --workspace workspace.yaml

Dagster's loggers have a handler of their own and still pass on what they log. While the root logger
has none, that does no harm. But Dagster's storage says that it tries a connection again by
`logging.warning`, which gives the root logger a handler: from the first hiccup of the database on,
every line came twice. Here the root logger has a handler from the start, for what is not Dagster's.
"""

import logging
import runpy
import sys

from keepsake.logs import formatter

_HAVE_THEIR_OWN = {"dagster", "dagster-webserver", "dagit"}


def is_for_root(record: logging.LogRecord) -> bool:
    """Whether no other handler writes this record."""
    return record.name.split(".")[0] not in _HAVE_THEIR_OWN


def main() -> None:
    """Log in the format of the first argument; run the module of the second with the others."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter("json" if sys.argv[1] == "json" else "text"))
    handler.addFilter(is_for_root)
    logging.getLogger().addHandler(handler)
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
