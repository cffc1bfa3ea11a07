"""What one run is to do (`RunSpec`), and how the engine goes about it (`EngineConfig`)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from keepsake.pipeline.retry import RetryPolicy
from keepsake.pipeline.window import Window


@dataclass(frozen=True)
class RunSpec:
    """What one run is to do.

    Attributes:
        window: the records it may work on.
        steps: the steps it may make.
        run_id: its name in the ledger.
        mode: `due`, as sensors ask: records with due work, at most `max_records` of them; `all`, as
            people ask: every record of the window, the failed and the stale ones too.
        max_records: how many records at most; None: all.
        redo: make what is up to date again as well.
        mark_due: steps outside this run that become due when a step they need succeeds.
        partitions: the first moments of the window's partitions, ascending; none: it is one.
    """

    window: Window
    steps: tuple[str, ...]
    run_id: str
    mode: Literal["due", "all"] = "all"
    max_records: int | None = None
    redo: bool = False
    mark_due: tuple[str, ...] = ()
    partitions: tuple[datetime, ...] = ()

    @property
    def starts(self) -> tuple[datetime, ...]:
        """The first moments of the partitions, at least one."""
        return self.partitions or (self.window.start,)


@dataclass(frozen=True)
class EngineConfig:
    """How the engine works, whatever it works on. Times are seconds.

    Attributes:
        records_in_memory: records that are worked on at once, at most.
        records_a_page: records read together.
        progress_seconds: between two checks of whether there is progress to report.
        failures_logged: of a step in a run, one by one; the others are counted.
        flush_seconds: how long an outcome waits for others to be written with.
        flush_outcomes: how many outcomes do not wait any longer.
        write_pauses: between attempts at a write that the database did not take.
        retry: when a step is tried again.
    """

    records_in_memory: int = 192
    records_a_page: int = 64
    progress_seconds: float = 5.0
    failures_logged: int = 50
    flush_seconds: float = 0.25
    flush_outcomes: int = 200
    write_pauses: tuple[float, ...] = (1.0, 4.0, 15.0)
    retry: RetryPolicy = field(default_factory=RetryPolicy)


DEFAULT_CONFIG = EngineConfig()
