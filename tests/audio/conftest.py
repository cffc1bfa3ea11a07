"""Real speech from the embedded voice, in every format people send."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recordings import Sound, record, spoken

Encode = Callable[..., Path]

SENTENCES = (
    "My grandmother baked bread every Saturday, and the whole street knew it.",
    "She said that dough needs patience, and people need a little more of it.",
    "When the war ended, she walked home for eleven days with my mother on her back.",
    "I still have her wooden spoon, and I use it for everything but soup.",
)


@pytest.fixture(scope="session")
def speech() -> Sound:
    """About 20 s of one voice at 24 kHz, with half a second of pause after each sentence."""
    return spoken(" ".join(SENTENCES))


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Write mono sound to a file: `encode(sound, "a.m4a", codec="aac", rate=48000, channels=2)`."""

    def write(sound: Sound, name: str, **how: Any) -> Path:
        return record(sound, tmp_path / name, **how)

    return write
