"""A run in a process of its own, for tests that kill it: `python -m engine.doomed URL`.

The record `poison` kills the process while it is heard; whatever else is heard in that run is
still being heard when it does. The record `endless` is told for ever.
"""

import asyncio
import os
import signal
import sys

from keepsake.database import connect, open_pool

from .toy import Source, World


async def main(url: str) -> None:
    """Carry every record through every step."""
    async with open_pool(url) as pool:
        with connect(url) as db:
            world = World(url, pool, db)

            @world.stage.act("hear")
            async def hear(source: Source) -> None:
                if source.text == "poison":
                    os.kill(os.getpid(), signal.SIGKILL)

            @world.stage.act("tell")
            async def tell(source: Source) -> None:
                if source.text == "endless":
                    await asyncio.Event().wait()

            await world.run(run_id=f"doomed-{os.getpid()}", mode="due")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
