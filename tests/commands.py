"""Commands as they are typed, and what they print.

A file of tests of one group names it once: `answer = partial(commands.answer, "jobs")`.
"""

import json
from typing import Any

from typer.testing import CliRunner, Result

from keepsake.cli import app


def keepsake(*arguments: object) -> Result:
    """What became of the command."""
    return CliRunner().invoke(app, [str(each) for each in arguments])


def answer(*arguments: object) -> Any:
    """What the command prints as JSON, when it ends well and prints nothing else."""
    result = keepsake(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: object) -> str:
    """What the command says when it refuses what it was given, in one line."""
    result = keepsake(*arguments)
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())
