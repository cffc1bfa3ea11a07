"""How many threads a model computes with."""

import os


def compute_threads() -> int:
    """Half of the processors, at most four.

    The threads of one model wait for each other by spinning, so on a busy machine two threads on
    two processors were measured to be six times slower than one. The models work side by side, and
    with PostgreSQL and Dagster: the other half is not idle.
    """
    return max(1, min(4, (os.cpu_count() or 2) // 2))
