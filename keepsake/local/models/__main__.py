"""Run the local model server until it is stopped."""

import argparse
import logging

import uvicorn

from keepsake.local.models.server import build_app
from keepsake.logs import set_up


def main() -> None:
    """Read the port from the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m keepsake.local.models", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    given = parser.parse_args()
    set_up(given.log_format, logging.WARNING)  # libraries of models say much
    uvicorn.run(
        build_app(),
        host="127.0.0.1",
        port=given.port,
        access_log=False,
        log_config=None,
        log_level="warning",
    )


main()
