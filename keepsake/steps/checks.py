"""What a check of stored results finds: how many rows it checked, and which records are bad."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What a content check found in a window of records.

    Attributes:
        checked: rows that were checked.
        bad: ids of the records with bad rows.
        fault: what is wrong with them, and what to check; how to make them again is added.
    """

    checked: int
    bad: Sequence[int]
    fault: str
