"""The logs of Dagster's processes: every line once."""

import re
import subprocess
import sys
from collections import Counter

# What is before a message: of Dagster's own lines, and of the others.
SAID = re.compile(r".* - |\S+ \S+ [A-Z]+ \S+ ")


def test_every_line_is_logged_once_also_after_the_database_has_not_answered() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "keepsake.local.logged", "text", "tests.local.talkative"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=60,
    )
    said = Counter(SAID.sub("", line) for line in done.stdout.splitlines())
    assert said == {
        "before": 1,
        "Retrying failed database connection": 1,
        "after": 1,
        "of a library": 1,
    }
