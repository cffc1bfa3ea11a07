"""No route gives away what is another owner's: each is asked by strangers.

Routes are taken from the application: one that is added is asked as well. Where its path has a
parameter of a new name, `Theirs.values` says what that is of the Marlows.
"""

import asyncio
import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from keepsake.accounts.listeners import add_listener
from keepsake.accounts.sessions import sessions, start_session
from keepsake.accounts.tokens import create_token, revoke_token, tokens
from keepsake.accounts.users import add_user, set_role
from keepsake.api.app import create_app
from keepsake.clients.objects import open_objects
from keepsake.settings import Settings
from tests.api.conftest import Door, open_door
from tests.api.requests import Route, routes
from tests.databases import Copies
from tests.given import given_record

# What answers everybody, and why.
PUBLIC = {
    "/health/live": "supervisors ask it",
    "/health/ready": "supervisors ask it",
    "/openapi.json": "it describes the API, and nobody's records",
    "/docs": "it describes the API",
    "/sign-in": "a form",
    "/sign-in/code": "a form",
    "/api/uploads": "OPTIONS says which version of tus is spoken",
}

SAFE = {"GET", "HEAD", "OPTIONS"}
# Parameters of which Otto has values of his own: the address of a listener is a token itself, and
# types of jobs are there for everybody.
OWN = {"token", "version", "week", "type_name", "action"}

SECRET = "Zanzibar"  # in every text of the Marlows, and their name
FIRST_ID = 770077000  # of their records
# What a stranger who knows the API sends.
EXPECTED = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Sec-Fetch-Site": "same-origin"}
FILE = f"media/{SECRET}.mp3"
MADE: dict[str, dict[str, dict[str, Any]]] = {  # by line and table
    "family": {
        "transcripts": {
            "text": SECRET, "segments": "[]", "words": "[]", "issues": "[]", "raw": "[]",
        },
        "stories": {"title": SECRET, "summary": SECRET, "text": SECRET},
        "quotes": {"position": 0, "text": SECRET, "clip_key": FILE},
        "wisdom": {
            "position": 0, "advice": SECRET, "audience": "all", "life_area": "work",
            "support": SECRET,
        },
    },
    "bookmarks": {
        "bookmarks": {"url": f"https://{SECRET}.example", "title": SECRET},
        "pages": {"url": f"https://{SECRET}.example", "text": SECRET, "words": 1},
        "summaries": {"summary": SECRET},
        "keywords": {"keyword": SECRET, "source": "ai"},
        "media": {
            "position": 0, "kind": "audio", "object_key": FILE, "name": SECRET,
            "content_type": "audio/mpeg", "size_bytes": len(SECRET), "sha256": "0" * 64,
        },
    },
    "running": {
        "activity_files": {
            "file_key": FILE, "file_name": SECRET, "format": "fit", "sha256": "0" * 64,
            "title": SECRET,
        },
    },
}  # fmt: skip

ROUTES = routes(create_app(Settings.model_validate({"database_url": "postgresql://none/none"})))
every_route = pytest.mark.parametrize("route", ROUTES, ids=str)


@dataclass(frozen=True)
class Theirs:
    """The Marlows behind a server, and strangers with what these know of them: names and ids.

    Attributes:
        door: the server.
        values: what parameters of paths are of the Marlows.
        otto_listens: what a listener of the Others has, as `token`.
    """

    door: Door
    values: dict[str, Any]
    otto_listens: str

    def ask(self, client: httpx.Client, route: Route, **values: Any) -> httpx.Response:
        """The answer to a request for what is the Marlows'; its text is empty if it has no end."""
        line = next((line for line in MADE if f"/{line}" in route.path), "family")
        known = {**self.values, "record_id": self.values[line], **values}
        missing = [name for name in route.parameters if name not in known]
        assert not missing, f"say in `values` what {missing} of {route} is of the Marlows"
        owner = {"owner": "the-marlows"} if route.takes_owner else {}
        request = route.request(client, known, **owner)
        request.headers.update(EXPECTED)
        answer = client.send(request, stream=True)
        try:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer.read()
        finally:
            answer.close()
        return answer


@pytest.fixture(scope="module")
def theirs(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    with (
        _copies.one() as url,
        open_door(
            url, tmp_path_factory.mktemp("home"), public_url="https://keepsake.example"
        ) as door,
    ):
        door.db.execute(f"ALTER SEQUENCE records_id_seq RESTART {FIRST_ID}")
        yield Theirs(
            door,
            {
                "owner": "the-marlows",
                "id": keep_an_upload(door),
                **keep_records(door),
                "name": "clip",
                "field": "title",
                "step": "stories",
                "what": "ping",
                "position": 0,
                "of": "2026-11-02",
                "tag": "courage",
                "path": "graphql",
                "link": "unknown",
                "token": "unknown",
                "version": "1",
                "week": "2026-W45",
                "type_name": "make_digest",
                "action": "cancel",
                "schedule_id": keep_a_schedule(door),
                "rule_id": keep_a_rule(door),
                **keep_jobs(door),
                **keep_accounts(door),
                **keep_a_webhook(door),
            },
            add_listener(door.db, door.others.id, "Otto")[0],
        )


def keep_an_upload(door: Door) -> str:
    """An upload that has begun."""
    member, day = (base64.b64encode(text).decode() for text in (b"Rose", b"2026-11-09T12:00Z"))
    begun = door.client().post(
        "/api/uploads",
        headers={**EXPECTED, "Upload-Metadata": f"member {member},recorded_at {day}"},
    )
    return begun.raise_for_status().headers["Location"].rsplit("/", 1)[-1]


def keep_jobs(door: Door) -> dict[str, Any]:
    """A job, and its archive, which is FILE."""
    row = door.db.execute(
        "WITH job AS (INSERT INTO jobs (owner_id, type, executor, tag, data, error)"
        " VALUES (%(owner)s, 'export_owner', 'internal', %(secret)s,"
        " jsonb_build_object('name', %(secret)s::text), %(secret)s) RETURNING id)"
        " INSERT INTO job_files (job_id, owner_id, object_key, name, size_bytes)"
        " SELECT id, %(owner)s, %(file)s, %(secret)s, 1 FROM job RETURNING job_id",
        {"owner": door.marlows.id, "secret": SECRET, "file": FILE},
    ).fetchone()
    assert row is not None
    return {"job_id": row[0], "export_id": row[0]}


def keep_a_schedule(door: Door) -> int:
    row = door.db.execute(
        "INSERT INTO job_schedules (owner_id, tag, type, data, expression, time_zone, missed,"
        " overlap, next_at) VALUES (%(owner)s, %(secret)s, 'make_digest',"
        " jsonb_build_object('week', %(secret)s::text), '@daily', 'UTC', 'skip', 'skip', now())"
        " RETURNING id",
        {"owner": door.marlows.id, "secret": SECRET},
    ).fetchone()
    assert row is not None
    return int(row[0])


def keep_a_rule(door: Door) -> int:
    """A rule of alerts, and an alert of it."""
    rule = {"name": SECRET, "metric": "failure_rate", "threshold": 0.1}
    rule_id: int = door.client().post("/api/alert-rules", json=rule).raise_for_status().json()["id"]
    door.db.execute(
        "INSERT INTO alerts (owner_id, rule_id, subject, state, since)"
        " VALUES (%s, %s, %s, 'pending', now())",
        (door.marlows.id, rule_id, SECRET),
    )
    return rule_id


def keep_accounts(door: Door) -> dict[str, Any]:
    """Ids of what else is of the Marlows."""
    user = add_user(door.db, "ellen@example.com", SECRET).id
    set_role(door.db, owner_id=door.marlows.id, user_id=user, role="owner")
    start_session(door.db, user)
    batch = door.db.execute(
        "INSERT INTO batches (id, owner_id, line, name) OVERRIDING SYSTEM VALUE"
        " VALUES (%s, %s, 'family', %s) RETURNING id",
        (FIRST_ID, door.marlows.id, SECRET),
    ).fetchone()
    return {
        "batch_id": batch and batch[0],
        "listener_id": add_listener(door.db, door.marlows.id, SECRET)[1].id,
        "session_id": sessions(door.db, user)[0].id,
        "token_id": create_token(
            door.db, SECRET, owner_id=door.marlows.id, scopes=["read"], user_id=user
        )[1].id,
        "user_id": user,
    }


def keep_a_webhook(door: Door) -> dict[str, int]:
    """An endpoint, and a message that was sent to it."""
    address = {"url": f"https://{SECRET}.example", "description": SECRET}
    endpoint = door.client().post("/api/webhook-endpoints", json=address).json()["endpoint"]["id"]
    ping = door.client().post(f"/api/webhook-endpoints/{endpoint}/ping").raise_for_status().json()
    return {"endpoint_id": endpoint, "job_id": ping["job_id"]}


def keep_records(door: Door) -> dict[str, int]:
    """A record of each line, with texts and files that were made of it."""
    ids = {}
    for line, tables in MADE.items():
        record_id = given_record(
            door.db, line=line, owner_id=door.marlows.id, external_id=SECRET
        ).record_id
        for table, values in tables.items():
            names, places = ", ".join(values), ", ".join(["%s"] * len(values))
            door.db.execute(
                f"INSERT INTO {table} (record_id, owner_id, {names})"
                f" VALUES ({record_id}, {door.marlows.id}, {places})",
                list(values.values()),
            )
        ids[line] = record_id
    door.db.execute(
        "INSERT INTO responses (record_id, owner_id, member_id, text)"
        " SELECT %s, owner_id, id, %s FROM members WHERE owner_id = %s",
        (ids["family"], SECRET, door.marlows.id),
    )
    asyncio.run(open_objects(door.settings).put_bytes(FILE, SECRET.encode()))
    door.db.execute("UPDATE owners SET name = %s WHERE slug = 'the-marlows'", (SECRET,))
    door.db.execute("UPDATE members SET name = %s WHERE name = 'Rose'", (SECRET,))
    return {"record_id": ids["family"], **ids}


@pytest.fixture(scope="module")
def strangers(theirs: Theirs) -> dict[str, httpx.Client]:
    """Who asks: without a token, with one that was revoked, with one of another owner."""
    door = theirs.door
    revoked = door.client()
    for token in tokens(door.db, door.marlows.id):
        revoke_token(door.db, token.id)
    nobody = httpx.Client(base_url=door.url, timeout=20)
    door.clients.append(nobody)
    return {"nobody": nobody, "revoked": revoked, "otto": door.client(owner="the-others")}


@every_route
@pytest.mark.parametrize("who", ["nobody", "revoked"])
def test_without_a_valid_token_nothing_is_answered(
    theirs: Theirs, strangers: dict[str, httpx.Client], route: Route, who: str
) -> None:
    answer = theirs.ask(strangers[who], route)
    assert answer.status_code < 500
    assert answer.is_success == (route.path in PUBLIC and route.method in SAFE), answer.text
    gives_nothing_away(answer, route)


@every_route
def test_with_a_token_of_another_owner_nothing_is_answered(
    theirs: Theirs, strangers: dict[str, httpx.Client], route: Route
) -> None:
    answer = theirs.ask(strangers["otto"], route, token=theirs.otto_listens)
    assert answer.status_code < 500
    if set(route.parameters) - OWN or route.takes_owner:
        assert not answer.is_success, answer.text
    gives_nothing_away(answer, route)


READS = [
    route
    for route in ROUTES
    if route.method == "GET"
    and {"owner", "record_id"} & {*route.parameters}
    # A feed's test has an episode, and a runner's a week.
    and not {"token", "of"} & {*route.parameters}
]


@pytest.mark.parametrize("route", READS, ids=str)
def test_what_strangers_ask_for_is_there(theirs: Theirs, route: Route) -> None:
    answer = theirs.ask(theirs.door.client(), route)
    assert answer.status_code < 400, answer.text


@pytest.mark.parametrize("route", [r for r in ROUTES if "record_id" in r.parameters], ids=str)
def test_what_is_another_owners_is_answered_like_what_is_not_there(
    theirs: Theirs, strangers: dict[str, httpx.Client], route: Route
) -> None:
    absent = {"record_id": FIRST_ID + 1_000_000}
    foreign = theirs.ask(strangers["otto"], route)
    none = theirs.ask(strangers["otto"], route, **absent)
    assert foreign.status_code == none.status_code
    assert re.sub(r"7\d{8}", "ID", foreign.text) == re.sub(r"7\d{8}", "ID", none.text)


def gives_nothing_away(answer: httpx.Response, route: Route) -> None:
    """No text of the Marlows is in an answer, and no id but those that were asked for."""
    said = f"{answer.text} {answer.headers}"
    assert SECRET not in said
    if "record_id" not in route.parameters:
        assert str(FIRST_ID) not in said
