"""An endpoint limiter bounds the calls of a model role and notices when its endpoint is down."""

import asyncio

import pytest

from keepsake.errors import EndpointDown, PermanentError, RateLimited, RetryableError
from keepsake.pipeline.limits import (
    FAILURES_IN_A_ROW,
    EndpointLimiter,
    FairSemaphore,
    current_owner,
)


async def call(limiter: EndpointLimiter, error: Exception | None = None) -> None:
    async with limiter:
        if error is not None:
            raise error


async def fail(limiter: EndpointLimiter, times: int = FAILURES_IN_A_ROW - 1) -> None:
    for _ in range(times):
        with pytest.raises(RetryableError):
            await call(limiter, RetryableError("502"))


async def test_no_more_calls_at_once_than_its_limit() -> None:
    limiter = EndpointLimiter("chat", 3)
    full = asyncio.Barrier(3)
    inside = most = 0

    async def enter() -> None:
        nonlocal inside, most
        async with limiter:
            inside += 1
            most = max(most, inside)
            await full.wait()
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(enter())
    assert most == 3


async def test_five_failures_in_a_row_close_it() -> None:
    limiter = EndpointLimiter("chat", 2)
    await fail(limiter)
    with pytest.raises(EndpointDown, match="chat: 5 calls in a row failed, the last with: 502"):
        await call(limiter, RetryableError("502", retry_after=30.0))
    with pytest.raises(EndpointDown) as refused:
        await call(limiter)
    assert (refused.value.role, refused.value.retry_after) == ("chat", 30.0)


@pytest.mark.parametrize("answer", [None, PermanentError("no audio"), RateLimited("429")])
async def test_an_endpoint_that_answers_between_failures_is_not_down(
    answer: Exception | None,
) -> None:
    limiter = EndpointLimiter("chat", 2)
    await fail(limiter)
    if answer is None:
        await call(limiter)
    else:
        with pytest.raises(type(answer)):
            await call(limiter, answer)
    await fail(limiter)
    await call(limiter)


async def test_too_many_requests_never_close_it() -> None:
    limiter = EndpointLimiter("chat", 2)
    for _ in range(3 * FAILURES_IN_A_ROW):
        with pytest.raises(RateLimited):
            await call(limiter, RateLimited("429"))
    await call(limiter)


async def test_one_refused_key_closes_it() -> None:
    limiter = EndpointLimiter("chat", 2)
    with pytest.raises(EndpointDown):
        await call(limiter, EndpointDown("401: the key is refused", role="chat"))
    with pytest.raises(EndpointDown, match="401: the key is refused"):
        await call(limiter)


async def test_those_who_stood_before_it_when_it_closed_are_refused_too() -> None:
    limiter = EndpointLimiter("chat", 1)
    made = 0

    async def enter() -> None:
        nonlocal made
        async with limiter:
            made += 1
            await asyncio.sleep(0)  # the others come and wait
            raise EndpointDown("unreachable", role="chat")

    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*(enter() for _ in range(9)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {EndpointDown}
    assert made == 1


async def test_a_call_that_fails_after_it_closed_is_not_its_records_fault() -> None:
    limiter = EndpointLimiter("chat", 2)
    closed = asyncio.Event()

    async def late() -> None:
        async with limiter:
            await closed.wait()
            raise RetryableError("connection reset")

    task = asyncio.create_task(late())
    await asyncio.sleep(0)
    with pytest.raises(EndpointDown):
        await call(limiter, EndpointDown("unreachable", role="chat"))
    closed.set()
    with pytest.raises(EndpointDown):
        await task


async def test_an_error_of_ours_says_nothing_of_the_endpoint_and_frees_its_place() -> None:
    limiter = EndpointLimiter("chat", 1)
    for _ in range(2 * FAILURES_IN_A_ROW):
        with pytest.raises(KeyError):
            await call(limiter, KeyError("x"))
    await call(limiter)


async def test_a_cancelled_call_frees_its_place() -> None:
    limiter = EndpointLimiter("chat", 1)
    inside = asyncio.Event()

    async def stay() -> None:
        async with limiter:
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stay())
    await inside.wait()
    task.cancel()
    async with asyncio.timeout(1):
        await call(limiter)


async def test_owners_wait_in_turn_and_not_for_all_of_one() -> None:
    semaphore = FairSemaphore(1)
    served: list[int] = []

    async def ask(owner: int) -> None:
        current_owner.set(owner)
        async with semaphore:
            served.append(owner)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for owner in (1, 1, 1, 1, 1, 2, 2, 3):
            group.create_task(ask(owner))
    assert served == [1, 1, 2, 3, 1, 2, 1, 1]


@pytest.mark.parametrize("given", [False, True], ids=["while it waits", "as it is given a place"])
async def test_who_is_cancelled_leaves_the_place_to_others(given: bool) -> None:
    semaphore = FairSemaphore(1)
    await semaphore.acquire()
    gone, next_one = (asyncio.create_task(semaphore.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    if given:
        semaphore.release()
    gone.cancel()
    if not given:
        await asyncio.sleep(0)
        semaphore.release()
    async with asyncio.timeout(1):
        await next_one
    assert gone.cancelled()
    semaphore.release()
    async with asyncio.timeout(1), semaphore:
        pass
