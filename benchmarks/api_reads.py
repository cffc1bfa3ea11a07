"""How long it takes over HTTP to read one of 1,000,000 records, and a page of a list of them.

Half of the records are those of one owner. One in a hundred has failed, one in a hundred is still
to be made. The client and the API share the machine.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence

import httpx
import numpy as np

from benchmarks.api import own_database, serving
from benchmarks.results import Figure
from keepsake.accounts.tokens import create_token
from keepsake.database import Connection, connect
from keepsake.owners.owners import add_owner

RECORDS = 1_000_000
OTHERS = 50  # owners who share the other half
READS = 1_000
PAGES = 100
TARGET, FILTERED = 20, 100  # ms


def run() -> list[Figure]:
    """Fill a database of its own, and read."""
    with own_database() as database_url:
        with connect(database_url) as db:
            owner_id = fill(db)
            token, _ = create_token(db, "benchmark", owner_id=owner_id, scopes=["read"])
        with serving(database_url) as api:
            client = httpx.Client(
                base_url=api.url, headers={"Authorization": f"Bearer {token}"}, timeout=60
            )
            with client:
                return [
                    Figure("the API process: start", api.started_in, "s", at_most=2),
                    *_measured(client),
                ]


def _measured(client: httpx.Client) -> list[Figure]:
    chance = random.Random(0)
    ids = [2 * chance.randrange(RECORDS // 2) + 1 for _ in range(READS)]  # of the large owner
    tags = {id: client.get(f"/api/records/{id}").headers["ETag"] for id in ids[:PAGES]}
    filters = {
        "of a line and a day": "line=bookmarks&from=2026-03-01&to=2026-03-01",
        "that have failed": "status=FAILED",
        "in part failed": "status=PARTIAL_SUCCESS",
        "to be made": "status=PENDING",
        "completed": "status=COMPLETED",
        "with a tag": "tag=tag7",
        "with a word": "text=word77",
        "urgent": "priority=urgent",
    }
    return [
        _figure("a record", times(client, (f"/api/records/{id}" for id in ids))),
        _figure(
            "a record that has not changed",
            times(
                client,
                (f"/api/records/{id}" for id in tags),
                lambda address: {"If-None-Match": tags[int(address.rpartition("/")[2])]},
            ),
        ),
        _figure("50 records", _paged(client, "")),
        *(
            _figure(f"50 records {name}", _paged(client, query), at_most=FILTERED)
            for name, query in filters.items()
        ),
    ]


def _figure(name: str, times: Sequence[float], at_most: float = TARGET) -> Figure:
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    note = f"p50 {p50:.1f}, p99 {p99:.1f}, {len(times)} requests"
    return Figure(f"{name}: p95", float(p95), "ms", at_most=at_most, note=note)


def times(
    client: httpx.Client,
    addresses: Iterator[str],
    headers: Callable[[str], dict[str, str]] = lambda _: {},
) -> list[float]:
    """Milliseconds of each request."""
    times = []
    for address in addresses:
        began = time.perf_counter()
        answer = client.get(address, headers=headers(address))
        times.append(1000 * (time.perf_counter() - began))
        assert answer.status_code in (200, 304), answer.text
    return times


def _paged(client: httpx.Client, query: str) -> list[float]:
    """Milliseconds of each page, from the first on; the list again where it ends before."""
    times: list[float] = []
    address = first = f"/api/records?{query}"
    while len(times) < PAGES:
        began = time.perf_counter()
        answer = client.get(address)
        times.append(1000 * (time.perf_counter() - began))
        assert answer.status_code == 200, answer.text
        address = answer.links.get("next", {}).get("url", first)
    return times


def fill(db: Connection) -> int:
    """Add all records, and return the owner that has every other one of them."""
    owners = [add_owner(db, f"Owner {number}").id for number in range(OTHERS + 1)]
    db.execute("SET session_replication_role = replica")  # neither foreign keys nor triggers
    db.execute("SET synchronous_commit = off")
    for statement in _ROWS:
        db.execute(statement.encode(), {"records": RECORDS, "owners": owners})
    db.execute("VACUUM ANALYZE")
    return owners[0]


_ROWS = (
    "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash, priority)"
    " SELECT 'bookmarks', CASE WHEN n %% 2 = 1 THEN (%(owners)s::bigint[])[1]"
    " ELSE (%(owners)s::bigint[])[2 + n / 2 %% 50] END, n::text,"
    " timestamptz '2026-01-01' + n * interval '20 seconds', '',"
    " CASE WHEN n %% 1000 < 2 THEN 10 ELSE 0 END"
    " FROM generate_series(1, %(records)s) AS n",
    "INSERT INTO ledger (record_id, owner_id, step, line, status, due_at, output_fingerprint,"
    " error_type, error_message, models, calls, started_at, finished_at, seconds, attempts)"
    " SELECT r.id, r.owner_id, s.name, r.line, state,"
    " CASE state WHEN 'pending' THEN now() END, CASE state WHEN 'succeeded' THEN 'made' END,"
    " CASE state WHEN 'failed' THEN 'PermanentError' END,"
    " CASE state WHEN 'failed' THEN 'the site answers 404' END,"
    " '{smollm2-135m-instruct}', 1, r.recorded_at, r.recorded_at, 1.5, 1"
    " FROM records r JOIN steps s ON s.line = r.line CROSS JOIN LATERAL (SELECT"
    " CASE r.id %% 200 WHEN 1 THEN 'failed' WHEN 2 THEN 'failed' WHEN 3 THEN 'pending'"
    " WHEN 4 THEN 'pending' WHEN 5 THEN CASE s.name WHEN 'summaries' THEN 'failed'"
    " ELSE 'succeeded' END ELSE 'succeeded' END AS state) AS of",
    "INSERT INTO step_attempts (record_id, owner_id, step, attempt, run_id, started_at, seconds,"
    " outcome, models, calls) SELECT record_id, owner_id, step, 1, 'run', started_at, seconds,"
    " 'succeeded', models, 1 FROM ledger",
    "INSERT INTO bookmarks (record_id, owner_id, url, title)"
    " SELECT id, owner_id, 'https://example.org/' || id, 'Page ' || id FROM records",
    "INSERT INTO pages (record_id, owner_id, url, title, site, text, words)"
    " SELECT id, owner_id, 'https://example.org/' || id, 'Page ' || id, 'example.org',"
    " repeat('The sea rises and falls. ', 40), 200 FROM records",
    "INSERT INTO summaries (record_id, owner_id, summary)"
    " SELECT id, owner_id, 'About the sea, word' || id %% 1000 FROM records",
    "INSERT INTO keywords (record_id, owner_id, keyword, source)"
    " SELECT id, owner_id, 'tag' || k * (id %% 500), 'ai' FROM records, generate_series(1, 3) AS k"
    " ON CONFLICT DO NOTHING",
)
