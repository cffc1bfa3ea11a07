"""Every kind of failure that Keepsake knows, and what happens after each.

    KeepsakeError
    ├── SettingsError      a setting is missing or wrong: nothing starts
    ├── InvalidInput       refused at the border: nothing was stored
    └── StepError          a step could not make its result for one record
        ├── RetryableError     worth another try: 5xx, timeouts, broken connections
        │   ├── DiskFull       the disk or the bucket of objects has no room
    │   ├── RateLimited    429: the endpoint is well, we are too fast
        │   └── Unreachable    the connection was refused: says nothing about the record
        ├── PermanentError     never will: audio that is no audio
        │   └── UnfitAnswer    a model's answer that stays wrong
        └── EndpointDown       not the record's fault: the endpoint itself is unreachable,
                               refuses our key or lacks the model; counts no attempt

A message says what was wrong, where, and what to do. It is stored and shown, so it never quotes
what a person said or a model wrote, and never holds a key.
"""


class KeepsakeError(Exception):
    """The base of every error that Keepsake raises on purpose."""


class SettingsError(KeepsakeError):
    """A setting is missing or wrong. The message names the environment variable."""


class InvalidInput(KeepsakeError):
    """Input refused at the border. The message says what to change; nothing was stored."""


class StepError(KeepsakeError):
    """A step could not make its result for one record."""


class RetryableError(StepError):
    """Worth another try. `retry_after` is what the provider asked for, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DiskFull(RetryableError):
    """There is no room for an object."""


class RateLimited(RetryableError):
    """The provider asks us to slow down. Never a record's fault, nor a sign of a dead endpoint."""


class Unreachable(RetryableError):
    """The connection was refused. If it stays so, the record is put off, not failed."""


class PermanentError(StepError):
    """Trying again with the same input would fail again."""


class UnfitAnswer(PermanentError):
    """A model's answer did not fit its form, or the facts, even after a repair."""


class EndpointDown(StepError):
    """The endpoint of a model role fails for every record: stop asking it for now."""

    def __init__(self, message: str, *, role: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.role = role
        self.retry_after = retry_after
