"""Types of jobs: what may be submitted, with what data, and how it is run.

class Greeting(JobData):
    name: str

@job("greet", Greeting, description="Greets somebody.", retry=Retry(attempts=5))
async def greet(context: JobContext, data: Greeting) -> str:
    return f"Hello, {data.name}"
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keepsake.accounts.permissions import Permission
from keepsake.errors import InvalidInput

if TYPE_CHECKING:
    from keepsake.jobs.context import JobContext

Executor = Literal["internal", "dagster"]
Whose = Literal["anyone", "owner", "system"]
LONGEST_PAUSE = 7 * 86_400.0  # seconds between two attempts


class JobData(BaseModel):
    """What a job is given: frozen when it is submitted. The base of every type's own model."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Retry(JobData):
    """How often and when a job that failed is tried again.

    Attributes:
        attempts: in all.
        min_seconds: before the second attempt.
        max_seconds: between two attempts, unless a provider asks for more; a week at most.
        factor: by which the pause grows.
        jitter: whether pauses are lengthened by chance, so that jobs do not return in step.
        pauses: seconds before the second attempt, the third and so on, where they follow no rule;
            the last one holds for all that come after. Each is a week at most, and chance
            lengthens it by a tenth at most.
    """

    attempts: int = Field(default=3, ge=1, le=100)
    min_seconds: float = Field(default=1.0, ge=0)
    max_seconds: float = Field(default=10.0, ge=0, le=LONGEST_PAUSE)
    factor: float = Field(default=2.0, ge=1, le=100)
    jitter: bool = True
    pauses: tuple[Annotated[float, Field(ge=0, le=LONGEST_PAUSE)], ...] = ()

    def pause(self, attempt: int) -> timedelta:
        """Between that attempt, counted from 1, and the next."""
        if self.pauses:
            chance = random.uniform(1.0, 1.1) if self.jitter else 1.0  # noqa: S311
            return timedelta(seconds=self.pauses[min(attempt, len(self.pauses)) - 1] * chance)
        chance = random.uniform(1.0, 2.0) if self.jitter else 1.0  # noqa: S311
        growth = self.factor ** min(attempt - 1, 50)
        return timedelta(seconds=min(self.max_seconds, self.min_seconds * growth * chance))


Data = TypeVar("Data", bound=JobData)
Run = Callable[["JobContext", Data], Awaitable[Any]]


@dataclass(frozen=True)
class JobType(Generic[Data]):
    """A type of jobs.

    Attributes:
        name: as it is stored.
        data: the model of its data.
        description: what it does, for people.
        run: does it; what it returns has a JSON form, and holds no content.
        executor: who runs it: a worker, or Dagster.
        retry: how often it is tried.
        timeout: of an attempt.
        concurrency_key: of the owner and the data; of the jobs with one key, of whatever type, one
            runs at a time. None: any number.
        ttl: how long after its submission it is worth starting. None: always.
        removal_delay: how long after its end its row stays.
        whose: of an owner always, of none (the system's own, which reach all owners), or either.
        permission: what a member or a token may do for the owner that submits such jobs, cancels
            and retries them. Those without an owner are for operators.
        offered: whether people may submit it; if not, other code does, with what the job needs.
        irreversible: whether what it does cannot be undone: people are asked before.
        waits: whether it does little but wait: for servers of other people, or for other jobs. Such
            jobs have places of their own in a worker: however long they hang, they keep no other
            job waiting.
    """

    name: str
    data: type[Data]
    description: str
    run: Run[Data]
    executor: Executor = "internal"
    retry: Retry = Retry()  # noqa: RUF009  # it is frozen
    timeout: timedelta = timedelta(hours=1)
    concurrency_key: Callable[[int | None, Data], str] | None = None
    ttl: timedelta | None = None
    removal_delay: timedelta = timedelta(days=30)
    whose: Whose = "anyone"
    permission: Permission = "manage"
    offered: bool = True
    irreversible: bool = False
    waits: bool = False

    def check(self, data: Data | Mapping[str, Any]) -> Data:
        """The data as its model.

        Raises:
            InvalidInput: it does not fit. The message names each field, and quotes no value.
        """
        try:
            return self.data.model_validate(data)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'data'}:"
                f" {problem['msg'].removeprefix('Value error, ')}"
                for problem in error.errors(include_url=False, include_input=False)
            )
            raise InvalidInput(
                f"the data does not fit a job of type {self.name}: {problems}"
                f" (it takes: {', '.join(self.data.model_fields) or 'nothing'})"
            ) from None

    def check_owner(self, owner_id: int | None) -> None:
        """Check that a job may be that owner's; None: the system's own.

        Raises:
            InvalidInput: it may not.
        """
        if owner_id is None and self.whose == "owner":
            raise InvalidInput(f"a job of type {self.name} is of an owner: say of which")
        if owner_id is not None and self.whose == "system":
            raise InvalidInput(
                f"a job of type {self.name} is the system's own: submit it without an owner"
            )


def job(
    name: str, data: type[Data], *, description: str, **settings: Any
) -> Callable[[Run[Data]], JobType[Data]]:
    """Make a function a type of jobs; `settings` are further attributes of `JobType`."""
    return lambda run: JobType(name, data, description, run, **settings)


class Registry:
    """The types that there are, by name."""

    def __init__(self, types: Iterable[JobType[Any]]) -> None:
        self._types: dict[str, JobType[Any]] = {}
        for each in types:
            if each.name in self._types:
                raise ValueError(f"two types of jobs are called {each.name}")
            self._types[each.name] = each

    def find(self, name: str) -> JobType[Any]:
        """The type of that name.

        Raises:
            InvalidInput: there is none; the message lists those there are.
        """
        if name not in self._types:
            known = ", ".join(sorted(self._types))
            raise InvalidInput(f"there is no type of jobs {name[:100]!r} (known: {known})")
        return self._types[name]

    def permission_of(self, name: str) -> Permission:
        """What changes an owner's jobs of a type, also of one that there is no more."""
        found = self._types.get(name)
        return "manage" if found is None else found.permission

    def all(self) -> list[JobType[Any]]:
        """All of them, by name."""
        return [self._types[name] for name in sorted(self._types)]

    def names(self, executor: Executor, *, waits: bool = False) -> list[str]:
        """The names of those that an executor runs: of those that wait for others, or the rest."""
        return [e.name for e in self.all() if e.executor == executor and e.waits == waits]
