"""Houses for the tests: one whose stories are told already, and empty ones."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from keepsake.pipeline.reports import Report
from tests import session
from tests.conftest import new_database
from tests.doubles.server import Double, serving
from tests.recordings import record, spoken

from .house import House, Storyteller, open_house

SPOKEN = (
    "Um, my grandmother baked bread every Saturday, and the whole street knew it. She said that "
    "dough needs patience, and people need a little more of it. When you are angry, knead the "
    "dough and count to one hundred. I still have her wooden spoon, and I use it for soup."
)
WRITTEN = (
    "Last April Grandma Rose gave me twelve tomato seeds. I asked her about them the next day, "
    "and on the third day I dug one up. She laughed and moved the pots to the window. You can "
    "water a thing, but you cannot hurry it. Do your part every day, and then leave it alone."
)


@dataclass(frozen=True)
class Told:
    """A house after a run of all steps, and the records of its two responses. Only to be read."""

    house: House
    spoken: int
    written: int
    report: Report


@pytest.fixture(scope="session")
def told(postgres_url: str, models_url: str) -> Told:
    """A spoken and a written response, carried through all steps by the real models, once."""
    return session.once("told", lambda: _told(postgres_url, models_url))


def _told(postgres_url: str, models_url: str) -> Told:
    url = new_database(postgres_url, "told")
    folder = session.own_folder() / "told"
    folder.mkdir()
    audio = record(spoken(SPOKEN), folder / "rose.ogg", codec="libopus", rate=48_000)

    async def tell(house: House) -> Told:
        spoken_id = await house.add(audio=audio)
        written_id = await house.add(member="Sam", text=WRITTEN)
        return Told(house, spoken_id, written_id, await house.run())

    with open_house(url, folder / "home", models_url) as house:
        return asyncio.run(tell(house))


OpensHouse = Callable[..., House]


@pytest.fixture
def house_with(database_url: str, tmp_path: Path, models_url: str) -> Iterator[OpensHouse]:
    """Opens an empty house with these settings in force until the end of the test."""
    with ExitStack() as stack:

        def opens(**settings: str) -> House:
            return stack.enter_context(
                open_house(database_url, tmp_path / "home", models_url, settings)
            )

        yield opens


@pytest.fixture
def house(house_with: OpensHouse) -> House:
    """An empty house with the embedded models."""
    return house_with()


@pytest.fixture
def serve() -> Iterator[Callable[[Double], str]]:
    """Serves a double until the end of the test; gives its base URL."""
    with ExitStack() as stack:

        def start(double: Double) -> str:
            served: AbstractContextManager[str] = serving(double)
            return f"{stack.enter_context(served)}/v1"

        yield start


@pytest.fixture
def teller() -> Storyteller:
    """The chat model of `told_by_teller`."""
    return Storyteller()


@pytest.fixture
def weak_house(
    house_with: OpensHouse, teller: Storyteller, serve: Callable[[Double], str]
) -> House:
    """An empty house whose chat model says what the test has it say; the others are real."""
    return house_with(CHAT_BASE_URL=serve(teller), CHAT_MODEL="some-model", CHAT_API_KEY="k-test")
