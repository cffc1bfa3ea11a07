"""What jobs add to the totals: counted in the transaction that ends them."""

from collections.abc import Iterable
from typing import NamedTuple

from keepsake.metrics.counts import Counts


class Ended(NamedTuple):
    """A job, or an attempt at one after which there is another (status `pending`).

    Attributes:
        type: of the job.
        status: which it has now.
        seconds: that the attempt took; None: none had begun.
        delay: seconds from when the job was due until the attempt began; None: it does not count.
    """

    type: str
    status: str
    seconds: float | None = None
    delay: float | None = None


def counted(ended: Iterable[Ended]) -> Counts:
    """The counts of some jobs."""
    counts = Counts()
    for job in ended:
        if job.delay is not None:
            counts.observe("keepsake_job_start_delay_seconds", max(0.0, job.delay), type=job.type)
        if job.status == "pending":
            continue
        labels = {"type": job.type, "status": job.status}
        counts.count("keepsake_jobs_ended_total", **labels)
        if job.seconds is not None:
            counts.observe("keepsake_job_duration_seconds", max(0.0, job.seconds), **labels)
    return counts
