"""Shelves for the tests, a site, and a chat model that says what a test has it say."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.doubles.server import Double, serving
from tests.family.house import Storyteller

from .shelf import Pages, Shelf, open_shelf

OpensShelf = Callable[..., Shelf]


@pytest.fixture
def shelf_with(database_url: str, tmp_path: Path, models_url: str) -> Iterator[OpensShelf]:
    """Opens an empty shelf with these settings in force until the end of the test."""
    with ExitStack() as stack:

        def opens(**settings: str) -> Shelf:
            return stack.enter_context(
                open_shelf(database_url, tmp_path / "home", models_url, settings)
            )

        yield opens


@pytest.fixture
def serve() -> Iterator[Callable[[Double], str]]:
    """Serves a double until the end of the test; gives its address."""
    with ExitStack() as stack:
        yield lambda double: stack.enter_context(serving(double))


@pytest.fixture
def site(serve: Callable[[Double], str]) -> Pages:
    """A site on loopback."""
    pages = Pages()
    pages.address = serve(pages)
    return pages


@pytest.fixture
def teller() -> Storyteller:
    """The chat model of `shelf`: it has a summary and keywords for any page."""
    teller = Storyteller()
    teller.will("Summary", {"summary": "It tells how bread is baked. Time matters most."})
    teller.will("Keywords", {"keywords": ["bread", "baking"]})
    return teller


@pytest.fixture
def shelf(shelf_with: OpensShelf, teller: Storyteller, serve: Callable[[Double], str]) -> Shelf:
    """A shelf whose chat model says what the test has it say; embeddings are real."""
    return shelf_with(
        CHAT_BASE_URL=f"{serve(teller)}/v1", CHAT_MODEL="some-model", CHAT_API_KEY="k-test"
    )
