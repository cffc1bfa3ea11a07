"""The transcription client: one shape of answer from every provider, and nothing made up."""

from typing import Any

import pytest

from keepsake.clients.transcription import Segment, Word
from keepsake.clients.transcription_result import Signs, language_code, read_transcription
from keepsake.errors import EndpointDown, PermanentError, RetryableError
from keepsake.owners.usage import metered
from tests.clients.conftest import Opens
from tests.doubles.cartesia import Cartesia
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import Seen, error

CARTESIA = {
    "transcription_provider": "cartesia",
    "transcription_model": "ink-whisper",
    "transcription_api_key": "sk_car_test",
}
SEGMENTS = (Segment("We baked bread.", 0.0, 1.2), Segment("Every Sunday!", 1.2, 2.4))


def _field(seen: Seen, name: str) -> list[str]:
    """The values of a form field, as the wire has them."""
    head = f'name="{name}"\r\n\r\n'.encode()
    return [part.partition(b"\r\n")[0].decode() for part in seen.body.split(head)[1:]]


async def test_words_and_segments_have_their_times(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double, transcription_model="whisper-1") as models:
        with metered() as used:
            heard = await models.transcription.transcribe(
                b"RIFF", filename="a.wav", language="English", hints=["Ana", "José"]
            )
    assert heard.text == "We baked bread. Every Sunday!"
    assert (heard.language, heard.duration) == ("en", 2.5)
    assert heard.segments == SEGMENTS
    assert heard.words[1] == Word("baked", 0.2, 0.7)
    assert (used.calls, used.audio_seconds) == (1, 2.5)
    seen = double.seen[0]
    assert _field(seen, "timestamp_granularities[]") == ["word", "segment"]
    assert _field(seen, "response_format") == ["verbose_json"]
    assert _field(seen, "language") == ["en"]
    assert _field(seen, "prompt") == []  # Whisper writes down names that it is told to expect
    assert b'filename="a.wav"' in seen.body


async def test_model_without_word_times_is_not_asked_for_them(models_on: Opens) -> None:
    double = OpenAI()
    double.hears = {"text": "We baked bread.", "usage": {"type": "duration", "seconds": 3}}
    async with models_on(double, transcription_model="gpt-4o-mini-transcribe") as models:
        assert not models.transcription.capabilities.words
        heard = await models.transcription.transcribe(
            b"RIFF", filename="a.wav", hints=["Ana", "José"]
        )
    assert heard.words == ()
    assert _field(double.seen[0], "prompt") == ["Ana, José"]
    assert heard.segments == (Segment("We baked bread.", 0.0, 3.0),)
    assert _field(double.seen[0], "response_format") == ["json"]
    assert _field(double.seen[0], "timestamp_granularities[]") == []


async def test_gpt_transcribe_takes_names_as_keywords(models_on: Opens) -> None:
    double = OpenAI()
    double.hears = {"text": "Ana.", "languages": ["pt"]}
    async with models_on(double, transcription_model="gpt-transcribe") as models:
        heard = await models.transcription.transcribe(
            b"RIFF", filename="a.wav", language="pt-BR", hints=["Ana", "José"]
        )
    assert (heard.language, heard.duration, heard.segments) == ("pt", 0.0, ())
    assert _field(double.seen[0], "keywords[]") == ["Ana", "José"]
    assert _field(double.seen[0], "languages[]") == ["pt"]
    assert _field(double.seen[0], "prompt") == []


async def test_cartesia_words_make_segments(models_on: Opens) -> None:
    double = Cartesia()
    async with models_on(double, **CARTESIA) as models:
        assert models.transcription.capabilities.words
        heard = await models.transcription.transcribe(b"RIFF", filename="a.wav", hints=["Ana"])
    assert heard.segments == SEGMENTS
    assert len(heard.words) == 5
    assert heard.duration == 2.5
    seen = double.seen[0]
    assert seen.path == "/stt"
    assert _field(seen, "timestamp_granularities[]") == ["word"]
    assert _field(seen, "language") == ["en"]
    assert seen.headers["cartesia-version"] == "2026-08-14"


async def test_cartesia_refusing_the_key_names_the_variable(models_on: Opens) -> None:
    settings = CARTESIA | {"transcription_api_key": "wrong"}
    async with models_on(Cartesia(), **settings) as models:
        with pytest.raises(EndpointDown, match="TRANSCRIPTION_API_KEY or CARTESIA_API_KEY"):
            await models.transcription.transcribe(b"RIFF", filename="a.wav")


async def test_cartesia_refusing_the_request_is_permanent(models_on: Opens) -> None:
    settings = CARTESIA | {"cartesia_version": "1999-01-01"}
    async with models_on(Cartesia(), **settings) as models:
        with pytest.raises(PermanentError, match="400 invalid_version"):
            await models.transcription.transcribe(b"RIFF", filename="a.wav")


async def test_bad_audio_is_permanent(models_on: Opens) -> None:
    double = OpenAI()
    double.next(error(400, "invalid_file_format"))
    async with models_on(double) as models:
        with pytest.raises(PermanentError, match="400 invalid_file_format"):
            await models.transcription.transcribe(b"text", filename="a.mp3")


async def test_a_refusal_names_the_parameter_and_quotes_nothing(models_on: Opens) -> None:
    double = OpenAI()
    double.next(error(400, "invalid_value", param="prompt", message="No: 'Ana said that'"))
    async with models_on(double) as models:
        with pytest.raises(PermanentError, match="400 invalid_value, parameter prompt") as refused:
            await models.transcription.transcribe(b"RIFF", filename="a.mp3")
    assert "Ana" not in str(refused.value)


async def test_a_refused_language_says_what_to_set(models_on: Opens) -> None:
    double = OpenAI()
    double.next(error(400, "unsupported_language", param="language"))
    async with models_on(double) as models:
        with pytest.raises(PermanentError, match="TRANSCRIPTION_MODEL"):
            await models.transcription.transcribe(b"RIFF", filename="a.mp3", language="de")


async def test_file_that_cannot_be_taken_is_not_sent(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double, transcription_model="whisper-1") as models:
        with pytest.raises(PermanentError, match="empty"):
            await models.transcription.transcribe(b"", filename="a.wav")
        with pytest.raises(PermanentError, match="at most 25000000"):
            await models.transcription.transcribe(bytes(25_000_001), filename="a.wav")
    assert double.seen == []


async def test_answer_without_text_is_worth_another_try(models_on: Opens) -> None:
    double = OpenAI()
    double.hears = {"error": "Unexpected endpoint"}
    async with models_on(double) as models:
        with pytest.raises(RetryableError, match="TRANSCRIPTION_BASE_URL"):
            await models.transcription.transcribe(b"RIFF", filename="a.wav")


@pytest.mark.parametrize(
    ("model", "hints", "languages", "detects"),
    [
        ("whisper-base", None, None, True),
        ("whisper-tiny.en", None, ("en",), False),
        ("whisper-1", None, None, True),
        ("Systran/faster-whisper-small.en", None, ("en",), False),
        ("gpt-4o-transcribe", "prompt", None, False),
        ("gpt-4o-transcribe-diarize", None, None, False),
        ("gpt-transcribe", "keywords", None, False),
    ],
)
async def test_what_each_model_takes(
    models_on: Opens, model: str, hints: str | None, languages: Any, detects: bool
) -> None:
    async with models_on(OpenAI(), transcription_model=model) as models:
        can = models.transcription.capabilities
    assert (can.hints, can.languages, can.detects) == (hints, languages, detects)


def test_what_a_model_says_of_its_doubts_is_read() -> None:
    segment = {"text": "We", "start": 0, "end": 1, "avg_logprob": -1.3, "no_speech_prob": "nan"}
    heard = read_transcription({"text": "We", "segments": [segment], "language_probability": 0.4})
    assert heard.signs == (Signs(avg_logprob=-1.3),)
    assert heard.language_probability == 0.4


def test_words_taken_out_leave_the_rest_of_their_segment() -> None:
    words = [
        {"word": word, "start": at, "end": at + 1}
        for at, word in enumerate(["We", "baked", "bread", "Every", "Sunday"])
    ]
    segments = [
        {"text": "We baked bread.", "start": 0, "end": 3},
        {"text": "Every Sunday!", "start": 3, "end": 5},
    ]
    heard = read_transcription(
        {"text": "We baked bread. Every Sunday!", "words": words, "segments": segments}
    )
    left = heard.without([(heard.word_places[2][0], heard.word_places[4][0])])
    assert left.text == "We baked Sunday!"
    assert [word.text for word in left.words] == ["We", "baked", "Sunday"]
    assert left.segments == (Segment("We baked", 0.0, 2.0), Segment("Sunday!", 4.0, 5.0))


def test_times_that_make_no_sense_are_passed_over() -> None:
    words = [
        {"word": " We", "start": 0.5, "end": 0.1},
        {"word": "baked", "start": None, "end": 1},
        {"word": "bread", "start": -1, "end": 1},
        {"word": "", "start": 1, "end": 2},
        "rye",
    ]
    heard = read_transcription({"text": "We baked\x00 bread", "words": words, "duration": "nan"})
    assert heard.words == (Word("We", 0.5, 0.5),)
    assert heard.text == "We baked bread"
    assert heard.duration == 0.5


def test_speech_without_sentence_ends_still_makes_segments() -> None:
    words = [{"word": "and", "start": i, "end": i + 1} for i in range(130)]
    segments = read_transcription({"text": "and", "words": words}).segments
    assert [len(segment.text.split()) for segment in segments] == [60, 60, 10]


@pytest.mark.parametrize(
    ("name", "code"),
    [("English", "en"), ("pt_BR", "pt"), ("haw", "haw"), ("Klingon", None), ("", None)],
)
def test_language_becomes_a_code(name: str, code: str | None) -> None:
    assert language_code(name) == code
