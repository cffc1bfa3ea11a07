"""Journals for the tests: runners whose activities can be taken in and carried through the line."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from keepsake.database import connect
from keepsake.owners.owners import add_owner
from keepsake.settings import load_settings
from tests.doubles.server import Double, serving
from tests.family.house import Storyteller

from .journal import Journal

OpensJournal = Callable[..., Journal]


@pytest.fixture
def opens_journal(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> OpensJournal:
    """Opens an empty journal with these settings in force until the end of the test."""

    def opens(**settings: str) -> Journal:
        home = tmp_path / "home"
        home.mkdir()
        if models_url := settings.pop("models_url", ""):
            (home / "up.json").write_text(json.dumps({"models_url": models_url}))
        in_force = {"DATABASE_URL": database_url, "KEEPSAKE_HOME": str(home), **settings}
        for name, value in in_force.items():
            monkeypatch.setenv(name, value)
        with connect(database_url) as db:
            runner = add_owner(db, "Ada Runner", time_zone="Europe/Berlin")
        return Journal(load_settings(), database_url, runner)

    return opens


@pytest.fixture
def journal(opens_journal: OpensJournal) -> Journal:
    """An empty journal whose models are not running."""
    return opens_journal()


@pytest.fixture
def serve() -> Iterator[Callable[[Double], str]]:
    """Serves a double until the end of the test; gives its base URL."""
    with ExitStack() as stack:

        def start(double: Double) -> str:
            served: AbstractContextManager[str] = serving(double)
            return f"{stack.enter_context(served)}/v1"

        yield start


@pytest.fixture
def poet() -> Storyteller:
    """The chat model of `told_journal`: says what a test has it say."""
    return Storyteller()


@pytest.fixture
def told_journal(
    opens_journal: OpensJournal, poet: Storyteller, serve: Callable[[Double], str]
) -> Journal:
    """An empty journal whose letters and insights the `poet` writes."""
    return opens_journal(CHAT_BASE_URL=serve(poet), CHAT_MODEL="some-model", CHAT_API_KEY="k-test")
