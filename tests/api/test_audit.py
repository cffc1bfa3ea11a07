"""What the audit log says of records that came in over HTTP."""

import httpx
import pytest

from keepsake.accounts.audit import writes
from tests.api.conftest import Door


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/responses", {"member": "Rose", "text": "We moved to the lighthouse."}),
        ("/api/bookmarks", {"url": "https://example.org/tides", "content": "The sea rises."}),
    ],
)
def test_it_says_who_added_a_record_once(
    door: Door, rose: httpx.Client, path: str, body: dict[str, str]
) -> None:
    headers = {"Idempotency-Key": "mine"}
    first, _ = (rose.post(path, json=body, headers=headers) for _ in range(2))
    (write,) = writes(door.db)
    assert (write.action, write.owner, write.token) == ("record.add", "the-marlows", "test")
    assert write.record_id == first.json()["id"]


def test_it_says_nothing_of_what_was_refused(door: Door, rose: httpx.Client) -> None:
    assert rose.post("/api/bookmarks", json={}).status_code == 422
    assert writes(door.db) == []
