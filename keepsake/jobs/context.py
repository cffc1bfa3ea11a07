"""What a running job is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from keepsake.database import AsyncConnection, Pool
from keepsake.errors import InvalidInput
from keepsake.jobs.rows import Fence, check, hold
from keepsake.jobs.submission import NewJob, Submission, submit
from keepsake.settings import Settings


@dataclass(frozen=True)
class JobContext:
    """A running job, as its function sees it.

    Attributes:
        fence: its id and the number of this attempt.
        owner_id: whose job it is; None: the system's own.
        user_id: who asked for it.
        nominal_time: of the schedule that asked for it.
        pool: connections that see the rows of all owners.
        settings: in force.
    """

    fence: Fence
    owner_id: int | None
    user_id: int | None
    nominal_time: datetime | None
    pool: Pool
    settings: Settings

    async def check_cancelled(self) -> None:
        """To be called between items, and before each call that is paid for.

        Raises:
            JobLost: the job was cancelled, or this attempt given up. Let it through.
        """
        async with self.pool.connection() as connection:
            await check(connection, self.fence)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed only while this attempt is the one that counts.

        A cancel waits until it has ended, and nothing is written after a cancel.

        Raises:
            JobLost: the job was cancelled, or this attempt given up. Let it through.
        """
        async with self.pool.connection() as connection, connection.transaction():
            await hold(connection, self.fence)
            yield connection

    async def submit(self, new: NewJob) -> Submission:
        """Submit a job that is cancelled when this one is.

        A job of an owner submits none of another's; the system's own may.

        Raises:
            InvalidInput: it is another owner's, or something of it is not accepted.
            JobLost: this job has been cancelled, or this attempt given up. Let it through.
        """
        if self.owner_id is not None and new.owner_id != self.owner_id:
            raise InvalidInput(
                f"job {self.fence.job_id} is of owner {self.owner_id}, and so are the jobs that it "
                "submits: give NewJob the owner_id of the context"
            )
        async with self.pool.connection() as connection:
            return await submit(connection, replace(new, parent=self.fence))
