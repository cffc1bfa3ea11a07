"""A recording written down piece by piece: no word lost or doubled, nothing that nobody said."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keepsake.audio.recording import Recording
from keepsake.clients.invented import sift
from keepsake.clients.model_connection import HttpClients, ModelConnection
from keepsake.clients.transcription import Transcription
from keepsake.clients.transcription_result import read_transcription
from keepsake.errors import PermanentError
from keepsake.family import listening
from keepsake.settings import Settings

RATE = 16_000
Hears = Callable[[float, float], dict[str, Any]]


class Ear:
    """A model that hears what a function says of a piece, by its start and length in seconds."""

    def __init__(self, hears: Hears) -> None:
        self._hears = hears
        self.asked: list[tuple[str | None, Sequence[str]]] = []

    async def listen(
        self, audio: bytes, filename: str, language: str | None, hints: Sequence[str]
    ) -> dict[str, Any]:
        self.asked.append((language, hints))
        start = float(filename.removesuffix("s.flac"))
        return self._hears(start, _seconds(audio))


def _seconds(audio: bytes) -> float:
    from io import BytesIO

    with av.open(BytesIO(audio), "r") as container:
        return sum(frame.samples for frame in container.decode(audio=0)) / RATE


def model(ear: Ear, name: str = "whisper-base") -> Transcription:
    settings = Settings.model_validate(
        {"transcription_base_url": "http://127.0.0.1:9/v1", "transcription_model": name}
    )
    endpoint = settings.endpoint("transcription")
    return Transcription(ModelConnection(endpoint, HttpClients([endpoint])), ear)


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """30 s of sound without a pause."""
    path = tmp_path / "tone.wav"
    sound = (6000 * np.sin(np.arange(30 * RATE) / 9)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[np.newaxis], "s16", "mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def timed(start: float, seconds: float, **fields: Any) -> dict[str, Any]:
    """A word each half second, numbered by its time; four words are a sentence."""
    first, last = round(start * 2), round((start + seconds) * 2)
    words = [
        {
            "word": f"w{at}." if at % 4 == 3 else f"w{at}",
            "start": at / 2 - start,
            "end": at / 2 + 0.4 - start,
        }
        for at in range(first, last)
        if at / 2 >= start
    ]
    answer = {"text": " ".join(str(word["word"]) for word in words), "words": words}
    return answer | {"language": "english", "duration": seconds} | fields


def pieces(path: Path) -> Recording:
    return Recording(path, chunk_seconds=10, overlap_seconds=2)


# -- the pieces joined ----------------------------------------------------------------------------


async def test_pieces_that_overlap_are_joined_without_losing_or_doubling_a_word(tone: Path) -> None:
    written = await listening.listen(pieces(tone), model(Ear(timed)), language="en")

    assert len(written.raw) >= 3
    said = [word.text.strip(".") for word in written.words]
    assert said == [f"w{at}" for at in range(60)]
    assert written.text.replace(".", "").split() == said
    assert [word.start for word in written.words] == pytest.approx([at / 2 for at in range(60)])


async def test_segments_hold_the_words_of_the_text(tone: Path) -> None:
    written = await listening.listen(pieces(tone), model(Ear(timed)), language="en")

    assert " ".join(segment.text for segment in written.segments) == written.text
    ends = [time for segment in written.segments for time in (segment.start, segment.end)]
    assert ends == sorted(ends)


async def test_a_word_that_only_one_piece_heard_at_the_cut_is_kept(tone: Path) -> None:
    """The end of a piece is misheard: nothing agrees, and the cut tells by the times."""

    def hears(start: float, seconds: float) -> dict[str, Any]:
        answer = timed(start, seconds)
        if start == 0:
            for number, word in enumerate(answer["words"][-8:]):
                word["word"] = f"noise{number}"
            answer["text"] = " ".join(word["word"] for word in answer["words"])
        return answer

    written = await listening.listen(pieces(tone), model(Ear(hears)), language="en")

    said = [word.text.strip(".") for word in written.words]
    misheard = [at for at, word in enumerate(said) if word.startswith("noise")]
    assert len(said) == 60
    assert 2 <= len(misheard) <= 5
    assert all(word == f"w{at}" for at, word in enumerate(said) if at not in misheard)


async def test_pieces_without_times_are_joined_by_their_words(tone: Path) -> None:
    def hears(start: float, seconds: float) -> dict[str, Any]:
        return {"text": timed(start, seconds)["text"]}

    written = await listening.listen(pieces(tone), model(Ear(hears)), language="en")

    assert written.text.replace(".", "").split() == [f"w{at}" for at in range(60)]


async def test_a_model_without_times_gets_pieces_that_do_not_overlap(tone: Path) -> None:
    without = model(Ear(timed), "gpt-4o-mini-transcribe")
    recording = listening.open_recording(tone, without)

    (only,) = recording.chunks()

    assert only.start == 0
    assert only.duration == pytest.approx(30)


async def test_what_only_the_second_of_two_pieces_heard_before_the_cut_is_kept(tone: Path) -> None:
    def hears(start: float, seconds: float) -> dict[str, Any]:
        return timed(start, seconds if start else 2)

    written = await listening.listen(pieces(tone), model(Ear(hears)), language="en")

    said = [int(word.text.strip("w.")) for word in written.words]
    assert said[:4] == [0, 1, 2, 3]
    assert said[4:] == list(range(said[4], 60))
    assert said[4] / 2 < written.raw[1]["starts_at"] + 0.5


# -- hints and languages --------------------------------------------------------------------------


async def test_whisper_is_given_no_names(tone: Path) -> None:
    ear = Ear(timed)
    used = model(ear)
    await listening.listen(Recording(tone), used, language="en", hints=("Rose", "The Marlows"))

    assert used.capabilities.hints is None
    assert ear.asked[0][0] is None  # it finds the language out


async def test_the_language_that_was_heard_is_kept_and_told(tone: Path) -> None:
    ear = Ear(lambda *at: timed(*at, language="german", language_probability=0.97))
    written = await listening.listen(Recording(tone), model(ear), language="en")

    assert written.language == "de"
    assert written.issues == (
        {"kind": "language", "declared": "en", "heard": "de", "start": 0.0, "end": 30.0},
    )


async def test_a_guess_at_the_language_gives_way_to_what_was_declared(tone: Path) -> None:
    ear = Ear(
        lambda *at: (
            timed(*at, language="welsh", language_probability=0.4)
            if len(ear.asked) == 1
            else timed(*at)
        )
    )
    written = await listening.listen(Recording(tone), model(ear), language="en")

    assert [language for language, _ in ear.asked] == [None, "en"]
    assert (written.language, written.issues) == ("en", ())


@pytest.mark.parametrize(
    ("as_found", "as_expected", "language"), [(-0.5, -1.0, "fr"), (-0.9, -0.3, "en")]
)
async def test_of_two_languages_that_counts_in_which_the_words_are_clearer(
    tone: Path, as_found: float, as_expected: float, language: str
) -> None:
    def hears(*_: float) -> dict[str, Any]:
        first = len(ear.asked) == 1
        segment: dict[str, Any] = {"text": "Bonjour", "start": 1, "end": 5}
        segment["avg_logprob"] = as_found if first else as_expected
        answer = {"text": "Bonjour", "segments": [segment], "duration": 30}
        if first:
            return answer | {"language": "french", "language_probability": 0.58}
        return answer | {"language": "english"}

    ear = Ear(hears)
    written = await listening.listen(Recording(tone), model(ear), language="en")

    assert written.language == language


async def test_a_language_that_the_model_does_not_know_is_refused_before_any_work(
    tone: Path,
) -> None:
    ear = Ear(timed)
    with pytest.raises(PermanentError, match="expected in de: set TRANSCRIPTION_MODEL"):
        await listening.listen(Recording(tone), model(ear, "whisper-tiny.en"), language="de")
    assert ear.asked == []


async def test_foreign_speech_is_no_invented_english(tone: Path) -> None:
    """As tiny.en answers German: broken English, of which it is not sure itself."""
    segments = [{"text": "But the hat in shedding", "start": 0, "end": 5, "avg_logprob": -1.08}]
    ear = Ear(lambda *_: {"text": "But the hat in shedding", "segments": segments, "duration": 30})

    with pytest.raises(PermanentError, match=r"understands only en.*whisper-base"):
        await listening.listen(Recording(tone), model(ear, "whisper-tiny.en"), language="en")


# -- what nobody said -----------------------------------------------------------------------------


def heard(*segments: tuple[str, float, float, dict[str, float]]) -> Any:
    entries = [
        {"text": text, "start": start, "end": end, **signs} for text, start, end, signs in segments
    ]
    text = " ".join(entry["text"] for entry in entries)  # type: ignore[misc]
    words = []
    for said, start, end, _ in segments:
        parts = said.split()
        step = (end - start) / len(parts)
        words += [
            {"word": part, "start": start + at * step, "end": start + (at + 1) * step}
            for at, part in enumerate(parts)
        ]
    return read_transcription({"text": text, "segments": entries, "words": words, "duration": 30.0})


SURE = {"avg_logprob": -0.2, "no_speech_prob": 0.05, "compression_ratio": 1.5, "voice_prob": 0.8}
BREAD = ("We baked bread every Sunday.", 1.0, 3.0, SURE)


@pytest.mark.parametrize(
    ("segment", "reason"),
    [
        (("Thank you very much.", 29.9, 29.9, SURE), "rate"),
        ((" ".join(["it's a good one,"] * 37), 2.0, 9.1, SURE | {"avg_logprob": -0.19}), "rate"),
        (("You", 5.0, 6.6, SURE | {"no_speech_prob": 0.96, "voice_prob": 0.06}), "no speech"),
        (("Thanks for it.", 5, 8, {"avg_logprob": -1.1, "no_speech_prob": 0.7}), "no speech"),
        (("And so, and so.", 5, 9, {"avg_logprob": -0.8, "compression_ratio": 2.5}), "repeated"),
        (("ma" + 60 * "ฟา", 5, 13, SURE), "repeated"),
        (("Thank you very much.", 5, 8, {"avg_logprob": -1.3}), "unsure"),
        (("Bye bye now.", 30.0, 31.0, SURE), "outside"),
        (("Rose, The Marlows,", 5, 8, SURE), "hint"),
        (("The Marlows, The Marlows, The Marlows.", 5, 8, SURE), "hint"),
    ],
)
def test_what_nobody_said_is_left_out_and_told(
    segment: tuple[str, float, float, dict[str, float]], reason: str
) -> None:
    left, issues = sift(heard(BREAD, segment), hints=("Rose", "The Marlows"))

    assert (left.text, len(left.words), len(left.segments)) == (BREAD[0], 5, 1)
    [issue] = issues
    assert (issue["kind"], issue["reason"]) == ("dropped", reason)
    assert issue["start"] == pytest.approx(segment[1], abs=0.01)


@pytest.mark.parametrize(
    "segment",
    [
        # Over music 5 dB louder than the voice, the detector hears next to none.
        ("In spring you will find it.", 5.0, 8.0, SURE | {"voice_prob": 0.08}),
        ("Is there someone you owe a letter?", 5.0, 6.2, SURE),
        ("yourself.", 5.0, 5.0, SURE | {"voice_prob": 0.0}),
        ("Rose.", 5.0, 5.5, SURE),
        ("The Marlows.", 5.0, 5.9, SURE),
        ("He was not an old-sposed young man.", 5.0, 7.7, SURE | {"avg_logprob": -0.5}),
    ],
)
def test_what_somebody_said_stays(segment: tuple[str, float, float, dict[str, float]]) -> None:
    left, issues = sift(heard(BREAD, segment), hints=("Rose", "The Marlows"))

    assert left.text == f"{BREAD[0]} {segment[0]}"
    assert issues == []
