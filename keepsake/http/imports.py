"""Files of many records: accepted with a batch, taken in behind the request that brought them.

Such a file may take minutes. It lies in the data folder until all of it was taken in: what a
process had accepted when it ended is taken up by the next one, which recognises what is there.
How a line reads its files is in its room; it says so in `LineModule.load_import`.
"""

import asyncio
import fcntl
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fastapi.responses import Response
from psycopg import OperationalError
from psycopg.rows import class_row
from psycopg_pool import PoolTimeout

from keepsake.database import AsyncConnection, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.http.added import answer_batch
from keepsake.http.callers import OwnerCaller
from keepsake.http.idempotency import AskedOnce
from keepsake.http.state import State
from keepsake.owners.owners import Owner, find_owner
from keepsake.records.batches import start_batch
from keepsake.records.received import ReceivedFile

Import = Callable[[State, Owner, Path, int], Awaitable[None]]
"""Takes in a file as a batch that was started, which it finishes; safe to repeat."""

MOST_ATTEMPTS = 5
RETRY_SECONDS = 60
LEFT_SECONDS = 86_400  # after which a file that nothing refers to is deleted

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Accepted:
    """An import that is due."""

    batch_id: int
    owner_id: int
    line: str
    file: str
    attempts: int


async def accept_import(
    caller: OwnerCaller, asked: AskedOnce, line: str, file: ReceivedFile
) -> Response:
    """Keep a file to be taken in, and answer with its batch (202)."""

    async def answer(connection: AsyncConnection, batch_id: int) -> None:
        await asked.keep(connection, answer_batch(batch_id))

    await keep_import(caller, line, file, also=answer)
    return asked.response()


async def _nothing_more(_connection: AsyncConnection, _batch_id: int) -> None:
    """What is written beside a batch, if nothing is."""


async def keep_import(
    caller: OwnerCaller,
    line: str,
    file: ReceivedFile,
    *,
    also: Callable[[AsyncConnection, int], Awaitable[None]] = _nothing_more,
) -> int:
    """Keep a file to be taken in; the id of its batch.

    `also` writes more in the transaction that starts the batch.
    """
    state = caller.state
    folder = state.settings.imports_folder
    kept = folder / f"{uuid.uuid4().hex}{Path(file.name).suffix.lower()[:10]}"
    await asyncio.to_thread(_move, file.path, kept)
    try:
        async with caller.transaction() as connection:
            batch_id = await start_batch(connection, caller.owner_id, line, file.name)
            await connection.execute(
                "INSERT INTO accepted_imports (batch_id, owner_id, file) VALUES (%s, %s, %s)",
                (batch_id, caller.owner_id, kept.name),
            )
            await also(connection, batch_id)
    except BaseException:
        kept.unlink()
        raise
    state.import_due.set()
    return batch_id


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


@asynccontextmanager
async def imports_in_background(
    state: State, importers: Mapping[str, Import]
) -> AsyncIterator[None]:
    """Take in what is due for the length of the block. `importers` are by line."""
    await _delete_what_was_left(state)
    task = asyncio.create_task(_work(state, importers))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _delete_what_was_left(state: State) -> None:
    """Delete what was not finished when a process ended, and what nobody's import is any more."""
    async with state.pool.connection() as connection:  # over all owners
        cursor = await connection.execute("SELECT file FROM accepted_imports")
        accepted = {row[0] for row in await cursor.fetchall()}
    await asyncio.to_thread(_delete_old, state.settings.incoming_folder, set())
    await asyncio.to_thread(_delete_old, state.settings.imports_folder, accepted)


def _delete_old(folder: Path, wanted: Collection[str]) -> None:
    for path in folder.glob("*"):
        if path.name not in wanted and path.stat().st_mtime < time.time() - LEFT_SECONDS:
            path.unlink(missing_ok=True)


async def _work(state: State, importers: Mapping[str, Import]) -> None:
    begun = False
    while True:
        state.import_due.clear()
        try:
            for due in await _due(state, at_once=not begun):
                await _take_in(state, importers, due)
            begun = True
        except (OperationalError, PoolTimeout):
            _log.warning("imports wait: the database does not answer")
        with suppress(TimeoutError):
            await asyncio.wait_for(state.import_due.wait(), RETRY_SECONDS)


async def _due(state: State, *, at_once: bool) -> list[_Accepted]:
    """What is due; `at_once` is for a process that begins: what it finds, another one has left."""
    async with state.pool.connection() as connection:  # over all owners
        cursor = connection.cursor(row_factory=class_row(_Accepted))
        await cursor.execute(
            "SELECT i.batch_id, i.owner_id, b.line, i.file, i.attempts FROM accepted_imports i"
            " JOIN batches b ON b.id = i.batch_id WHERE i.due_at <= now() OR %s ORDER BY batch_id",
            (at_once,),
        )
        return await cursor.fetchall()


async def _take_in(state: State, importers: Mapping[str, Import], due: _Accepted) -> None:
    path = state.settings.imports_folder / due.file
    with _alone(path) as is_ours:
        if not is_ours:
            return
        try:
            await _start(state, due)
            owner = await state.call_as(due.owner_id, find_owner, str(due.owner_id))
            await importers[due.line](state, owner, path, due.batch_id)
        except (InvalidInput, FileNotFoundError) as error:
            _log.warning("batch %s cannot be taken in (%s)", due.batch_id, type(error).__name__)
            await _finish(state, due, why_not=str(error))
        except (OperationalError, PoolTimeout):
            raise
        except Exception as error:
            _log.warning(
                "batch %s broke off (%s), attempt %s",
                due.batch_id,
                type(error).__name__,
                due.attempts + 1,
            )
            if due.attempts + 1 >= MOST_ATTEMPTS:
                await _finish(state, due, why_not="it broke off again and again")
        else:
            await _finish(state, due)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other process is taking in this file, for the length of the block."""
    try:
        file = path.open("rb")
    except OSError:
        yield True  # that it is gone, whoever opens it says
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


async def _start(state: State, due: _Accepted) -> None:
    async with owner_transaction(state.pool, due.owner_id) as connection:
        await connection.execute(
            "UPDATE accepted_imports SET attempts = attempts + 1,"
            " due_at = now() + %s * interval '1 second' WHERE batch_id = %s AND owner_id = %s",
            (RETRY_SECONDS, due.batch_id, due.owner_id),
        )
        await connection.execute(
            "UPDATE batches SET taken_in_at = NULL WHERE id = %s AND owner_id = %s",
            (due.batch_id, due.owner_id),
        )


async def _finish(state: State, due: _Accepted, *, why_not: str | None = None) -> None:
    """Close an import. What an earlier attempt added counts as new, not as there already.

    `why_not` is why the file, or the rest of it, could not be taken in.
    """
    async with owner_transaction(state.pool, due.owner_id) as connection:
        await connection.execute(
            """
            UPDATE batches SET created = found.new, rejected = rejected + %(rejected)s,
                rejections = rejections || CASE %(rejected)s WHEN 0 THEN '[]'
                    ELSE jsonb_build_array(jsonb_build_array(name, %(why_not)s::text)) END,
                duplicates = greatest(0, duplicates - (found.new - created)),
                taken_in_at = coalesce(taken_in_at, now())
            FROM (SELECT count(*) AS new FROM records
                  WHERE batch_id = %(batch)s AND owner_id = %(owner)s) AS found
            WHERE id = %(batch)s AND owner_id = %(owner)s
            """,
            {
                "batch": due.batch_id,
                "owner": due.owner_id,
                "rejected": int(why_not is not None),
                "why_not": why_not,
            },
        )
        await connection.execute(
            "DELETE FROM accepted_imports WHERE batch_id = %s AND owner_id = %s",
            (due.batch_id, due.owner_id),
        )
    (state.settings.imports_folder / due.file).unlink(missing_ok=True)
