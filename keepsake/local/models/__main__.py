"""Run the local model server until it is stopped."""

import argparse

import uvicorn

from keepsake.local.models.server import build_app


def main() -> None:
    """Read the port from the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m keepsake.local.models", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    port = parser.parse_args().port
    uvicorn.run(build_app(), host="127.0.0.1", port=port, access_log=False, log_level="warning")


main()
