"""`keepsake webhooks`, on a real database."""

from collections.abc import Iterator
from functools import partial

import pytest

from keepsake.database import Connection, connect
from keepsake.owners.owners import add_owner
from tests import commands

URL = "https://example.com/hook"


keepsake = partial(commands.keepsake, "webhooks")
answer = partial(commands.answer, "webhooks")


@pytest.fixture(autouse=True)
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """The command's database, with an owner."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with connect(database_url) as connection:
        add_owner(connection, "Ada")
        yield connection


def test_an_endpoint_is_added_listed_changed_and_removed() -> None:
    said = keepsake("add", "ada", URL, "--event", "record.added")
    assert said.stdout.startswith("whsec_")
    assert "cannot be shown again" in said.stderr
    [endpoint] = answer("list", "Ada")
    assert (endpoint["url"], endpoint["events"]) == (URL, ["record.added"])
    id = endpoint["id"]
    changed = answer("change", id, "--all-events", "--disable")
    assert (changed["events"], changed["disabled_reason"]) == ([], "by_hand")
    assert f"Endpoint {id} is enabled." in keepsake("change", id, "--enable").output
    assert URL in keepsake("list", "ada").output
    assert f"Endpoint {id} is removed." in keepsake("remove", id).output
    assert "No endpoints yet" in keepsake("list", "ada").output


def test_messages_are_tried_out_shown_and_replayed(db: Connection) -> None:
    id = answer("add", "ada", URL)["endpoint"]["id"]
    job = answer("ping", id)["job_id"]
    [delivery] = answer("deliveries", id)
    assert (delivery["job_id"], delivery["event"], delivery["status"]) == (
        job, "webhook.ping", "pending",
    )  # fmt: skip
    assert "webhook.ping" in keepsake("deliveries", id).output
    assert answer("deliveries", id, "--job", job) == []
    assert "there is no status 'lost'" in keepsake("deliveries", id, "--status", "lost").output
    assert answer("replay", id) == {"replayed": 0}
    db.execute("UPDATE jobs SET status = 'failed', finished_at = now(), attempt = 1")
    again = ("--message", delivery["message_id"])
    assert "1 messages are sent again." in keepsake("replay", id, *again).output


def test_a_new_secret_is_shown_once() -> None:
    added = answer("add", "ada", URL)
    rotated = answer("rotate", added["endpoint"]["id"], "--hours", 1)
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != added["secret"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "ada", "ftp://example.com"), "http: or https:"),
        (("add", "ada", URL, "--event", "story.told"), "there is no event"),
        (("add", "ada", URL, "--mode", "loud"), "choose standard or trigger"),
        (("ping", 7), "there is no webhook endpoint 7"),
        (("change", 7, "--disable"), "there is no webhook endpoint 7"),
        (("replay", 7, "--since", "yesterday"), "is no time with a zone"),
    ],
    ids=["url", "event", "mode", "ping", "change", "since"],
)
def test_what_does_not_fit_is_refused_with_a_word(arguments: tuple[object, ...], said: str) -> None:
    result = keepsake(*arguments)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
