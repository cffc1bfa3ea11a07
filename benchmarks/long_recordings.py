"""How many words a long recording loses: our pieces, joined again, against the model left alone.

Twenty minutes are built from the demo's recordings and from its texts in three voices, with pauses
between them, noise and music under them. The texts are known, so the share of wrong words is, too.
Only the words count: what this takes says nothing about speed.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Figure
from benchmarks.site import serving
from keepsake.audio.encode import flac
from keepsake.audio.media import open_source
from keepsake.clients.models import open_models
from keepsake.demo.make_recordings import VOICES, bent, speak
from keepsake.demo.memories import DATA, MEMORIES
from keepsake.family.listening import listen, open_recording
from keepsake.local.models.whisper import load
from keepsake.local.ports import free_port
from keepsake.settings import LOCAL_MODELS, Settings
from keepsake.text.spans import loops, word_keys
from keepsake.web.page import read_page

Sound = NDArray[np.float32]

RATE = 16_000
MINUTES = 20
WORST_LOSS = 0.5  # points of word error rate that our way may cost over the model alone
TYPED = {"mister": "mr", "grey": "gray"}  # one word, written in two ways
BEDS = {"nothing": None, "noise": -6.0, "music": -3.0, "loud music": 5.0}  # dB over the speech
PAUSES = (0.8, 2.5, 11.0)  # seconds
CHORDS = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))  # MIDI: A minor, F, C, G
BEAT = 0.3  # seconds


@dataclass(frozen=True)
class Part:
    """A stretch of the recording: what is said in it, and how it sounds."""

    text: str
    sound: Sound


def run() -> list[Figure]:
    """Transcribe the recording in both ways."""
    parts = list(_parts())
    said = _words(" ".join(part.text for part in parts))
    sound = mixed(parts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        path.write_bytes(flac(_pcm(sound), rate=RATE))
        ours = word_errors(said, _words(_ours(path)))
        alone = word_errors(said, _words(_alone(path)))
    about = (
        f"{len(said)} words in {len(sound) / RATE / 60:.1f} min, {LOCAL_MODELS['transcription']}"
    )
    return [
        Figure("long recording, the model alone", 100 * alone, "% WER", note=about),
        Figure(
            "long recording, Keepsake", 100 * ours, "% WER", at_most=100 * alone + WORST_LOSS,
            note=f"at most {WORST_LOSS} points more than the model alone",
        ),
    ]  # fmt: skip


def word_errors(said: list[str], heard: list[str]) -> float:
    """Words to change, add or drop, as a share of the words said (word error rate)."""
    numbers = {word: at for at, word in enumerate({*said, *heard})}
    found = np.array([numbers[word] for word in heard], np.int64)
    steps = np.arange(len(found) + 1)
    row = steps.copy()
    for at, word in enumerate(said, start=1):
        changed = np.concatenate(
            ([at], np.minimum(row[1:] + 1, row[:-1] + (found != numbers[word])))
        )
        # What is added: the best of all cells to the left, one for each step from there.
        row = np.minimum.accumulate(changed - steps) + steps
    return float(row[-1]) / len(said)


def mixed(parts: list[Part]) -> Sound:
    """The parts with pauses between them, each with its bed, which goes on through its pause."""
    chance = np.random.default_rng(7)
    pieces = []
    for part, bed, pause in zip(parts, itertools.cycle(BEDS), itertools.cycle(PAUSES)):
        piece = np.concatenate([part.sound, np.zeros(round(pause * RATE), np.float32)])
        level = BEDS[bed]
        if level is not None:
            under = _noise(len(piece), chance) if bed == "noise" else _music(len(piece))
            piece += under * (_rms(part.sound) * 10 ** (level / 20) / _rms(under))
        pieces.append(piece / max(1.0, float(np.abs(piece).max())))
    return np.concatenate(pieces)


def _rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def _parts() -> Iterator[Part]:
    """The demo's recordings, then its texts by one voice after the other until it is enough."""
    from hibari import Hibari

    seconds = 0.0
    model, voices = Hibari(), itertools.cycle(VOICES.values())
    spoken = (Part(m.text, _decoded(m.audio)) for m in MEMORIES if m.audio is not None)
    read = (
        Part(text, _bent(speak(model, text, voice), model.sample_rate, voice))
        for text, voice in zip(itertools.cycle(_texts()), voices, strict=False)
    )
    for part in itertools.chain(spoken, read):
        yield part
        seconds += len(part.sound) / RATE
        if seconds > 60 * MINUTES * 0.85:  # the rest is pauses
            return


def _texts() -> list[str]:
    pages = (
        read_page(path.read_bytes(), url=f"https://a.example/{path.name}", content_type="text/html")
        for path in sorted((DATA / "site").glob("*.html"))
    )
    return [memory.text for memory in MEMORIES if memory.audio is None] + [
        paragraph
        for page in pages
        for paragraph in page.text.splitlines()
        if len(paragraph.split()) > 20
    ]


def _decoded(path: Path) -> Sound:
    with open_source(path) as source:
        return np.concatenate([block[0] for block in source.blocks(rate=RATE, channels=1)])


def _bent(sound: Any, rate: int, voice: Any) -> Sound:
    frames = bent(sound, rate, replace(voice, rate=RATE))
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.float32)


def _noise(samples: int, chance: np.random.Generator) -> Sound:
    """Noise whose power falls with the frequency, as that of a street does."""
    spectrum = np.fft.rfft(chance.normal(size=samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 50))
    return np.fft.irfft(spectrum, samples).astype(np.float32)


def _music(samples: int) -> Sound:
    """Broken chords of plucked strings."""
    sound = np.zeros(samples + 4 * RATE, np.float32)
    time = np.arange(round(1.5 * RATE)) / RATE
    for beat in range(int(samples / RATE / BEAT)):
        chord = CHORDS[beat // 8 % len(CHORDS)]
        pitch = 440 * 2 ** ((chord[beat % 3] + 12 * (beat % 2) - 69) / 12)
        tones = sum(np.sin(2 * np.pi * pitch * k * time) / k**2 for k in range(1, 6))
        start = round(beat * BEAT * RATE)
        sound[start : start + len(time)] += tones * np.exp(-3 * time)
    return sound[:samples]


def _pcm(sound: Sound) -> NDArray[np.int16]:
    return (sound * 32767).astype(np.int16)


def _ours(path: Path) -> str:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings.model_validate(
        {
            "transcription_base_url": f"{url}/v1",
            "transcription_model": LOCAL_MODELS["transcription"],
            "transcription_timeout": 3600,
            "transcription_concurrency": 1,
        }
    )

    async def heard() -> str:
        async with open_models(settings) as models:
            recording = open_recording(path, models.transcription)
            return (await listen(recording, models.transcription, language="en")).text

    with serving("keepsake.local.models", port, f"{url}/health"):
        return asyncio.run(heard())


def _alone(path: Path) -> str:
    """The model over the whole file, in one go: no pieces, nothing dropped.

    Loops are said once: hundreds of words made up over music would hide what our way loses.
    """
    segments, _ = load(LOCAL_MODELS["transcription"]).transcribe(
        str(path), temperature=0.0, condition_on_previous_text=False
    )
    words = " ".join(segment.text for segment in segments).split()
    again = {at for loop in loops(words) for at in range(loop.start + loop.length, loop.end)}
    return " ".join(word for at, word in enumerate(words) if at not in again)


def _words(text: str) -> list[str]:
    return [TYPED.get(word, word) for word in word_keys(text)]
