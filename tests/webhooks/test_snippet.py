"""The code that the documentation gives to receivers, on a message that was really sent."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from keepsake.webhooks.events import EVENTS
from tests.webhooks.conftest import Hooks

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()


@pytest.mark.usefixtures("worker")
async def test_the_code_of_the_page_knows_a_genuine_message(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]
    secret, endpoint = await hooks.add()
    other, _ = await hooks.add()
    await hooks.attempted(await hooks.ping(endpoint))
    [seen] = hooks.receiver.seen
    headers = dict(seen.headers)
    assert is_genuine(secret, headers, seen.body)
    assert not is_genuine(other, headers, seen.body)
    assert not is_genuine(secret, headers, seen.body + b" ")
    later = time.time() + 301
    monkeypatch.setattr(time, "time", lambda: later)
    assert not is_genuine(secret, headers, seen.body)


def test_the_page_tells_of_every_event() -> None:
    table = PAGE.split("## Events")[1].split("```")[0]
    assert set(re.findall(r"`([a-z]+\.[a-z]+)`", table)) == set(EVENTS)
