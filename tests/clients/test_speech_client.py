"""The speech client: a WAV with a true header, of any length, from either provider."""

import io
import wave

import pytest
from starlette.responses import Response

from keepsake.clients.speech import join_wavs, split_text
from keepsake.errors import RetryableError
from keepsake.owners.usage import metered
from tests.clients.conftest import Opens
from tests.doubles.cartesia import Cartesia
from tests.doubles.openai_api import OpenAI, wav

CARTESIA = {
    "speech_provider": "cartesia",
    "speech_model": "sonic-3.5",
    "speech_api_key": "sk_car_test",
}


def _seconds(recording: bytes) -> float:
    with wave.open(io.BytesIO(recording)) as file:
        return float(file.getnframes() / file.getframerate())


async def test_header_of_a_streamed_answer_is_made_true(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double, speech_voice="nova") as models:
        with metered() as used:
            spoken = await models.speech.say("We baked bread.")
        assert models.speech.voice == "nova"
    assert _seconds(spoken) == 1.0
    assert len(spoken) == 44 + 16000
    assert (used.calls, used.characters) == (1, 15)
    asked = double.seen[0].json
    assert (asked["voice"], asked["response_format"]) == ("nova", "wav")


async def test_long_text_is_spoken_in_pieces_and_joined(models_on: Opens) -> None:
    double = OpenAI()
    text = "We baked bread every Sunday morning. " * 300
    async with models_on(double) as models:
        with metered() as used:
            spoken = await models.speech.say(text)
    pieces = [seen.json["input"] for seen in double.seen]
    assert len(pieces) == 3
    assert all(piece.endswith("morning.") for piece in pieces)
    assert _seconds(spoken) == 3.0
    assert used.calls == 3
    assert double.peak <= 3


@pytest.mark.parametrize("version", ["2025-04-16", "2026-08-14"])
async def test_cartesia_gets_the_voice_in_the_shape_of_its_version(
    models_on: Opens, version: str
) -> None:
    double = Cartesia()
    async with models_on(double, **CARTESIA, cartesia_version=version) as models:
        assert _seconds(await models.speech.say("We baked bread.")) == 0.1
    assert double.seen[0].headers["cartesia-version"] == version


async def test_cartesia_takes_shorter_pieces(models_on: Opens) -> None:
    double = Cartesia()
    async with models_on(double, **CARTESIA) as models:
        await models.speech.say("We baked bread every Sunday morning. " * 100)
    assert len(double.seen) == 2


@pytest.mark.parametrize(
    "sound", [b"", b"ID3mp3", wav(frames=0), wav()[:30]], ids=["empty", "mp3", "silent", "header"]
)
async def test_answer_without_sound_is_worth_another_try(models_on: Opens, sound: bytes) -> None:
    double = OpenAI()
    double.next(Response(sound, media_type="audio/wav"))
    async with models_on(double) as models:
        with pytest.raises(RetryableError):
            await models.speech.say("We baked bread.")


async def test_one_failed_piece_fails_the_whole(models_on: Opens) -> None:
    double = OpenAI()
    double.next(Response(b""))
    async with models_on(double) as models:
        with pytest.raises(RetryableError, match="not WAV"):
            await models.speech.say("We baked bread every Sunday morning. " * 300)


async def test_blank_text_is_refused_before_any_call(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double) as models:
        with pytest.raises(ValueError, match="blank"):
            await models.speech.say(" \n")
    assert double.seen == []


def test_header_that_says_nothing_follows_is_not_believed() -> None:
    tone = wav()
    unsure = tone[:40] + b"\x00" * 4 + tone[44:]
    assert join_wavs([unsure]) == tone


def test_pieces_of_different_rates_do_not_go_together() -> None:
    with pytest.raises(RetryableError, match="sample rates"):
        join_wavs([wav(rate=8000), wav(rate=16000)])


def test_text_is_cut_between_sentences_else_words_else_anywhere() -> None:
    assert split_text("One two. Three! Four", 10) == ["One two.", "Three!", "Four"]
    assert split_text("One two. Three! Four", 16) == ["One two. Three!", "Four"]
    assert split_text("one two three four", 9) == ["one two", "three", "four"]
    assert split_text("abcdefgh", 3) == ["abc", "def", "gh"]
    assert split_text("我们烤面包。每个星期天。", 6) == ["我们烤面包。", "每个星期天。"]
