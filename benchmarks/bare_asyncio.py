"""The same model calls with nothing around them: what a script of twenty lines would take.

`python -m benchmarks.bare_asyncio BASE_URL RECORDS` prints what it took as one line of JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable

from openai import AsyncOpenAI

from benchmarks.site import AT_ONCE, memory_text

CHAT_CALLS = 4  # of each record: its tags, its wisdom, its story, its quotes
TEXTS_A_CALL = 128


async def call_models(base_url: str, records: int) -> float:
    """Make the calls for so many records, and return how many seconds that took."""
    places = asyncio.Semaphore(AT_ONCE)
    texts = [memory_text(number) for number in range(records)]

    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:

        async def chat(text: str) -> None:
            async with places:
                await client.chat.completions.create(
                    model="simulated", messages=[{"role": "user", "content": text}]
                )

        calls: list[Awaitable[object]] = [chat(text) for text in texts for _ in range(CHAT_CALLS)]
        calls += [
            client.embeddings.create(model="simulated", input=texts[at : at + TEXTS_A_CALL])
            for at in range(0, records, TEXTS_A_CALL)
        ]
        started = time.monotonic()
        await asyncio.gather(*calls)
        return time.monotonic() - started


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call_models(sys.argv[1], int(sys.argv[2])))))
