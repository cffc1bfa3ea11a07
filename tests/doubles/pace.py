"""The engine with its waits cut short, for tests."""

from keepsake.pipeline.retry import RetryPolicy
from keepsake.pipeline.spec import EngineConfig

FAST = EngineConfig(
    flush_seconds=0.02,
    write_pauses=(0.02, 0.02, 0.02),
    retry=RetryPolicy(first_delay=0.001),
)
