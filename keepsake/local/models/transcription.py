"""Transcription: Whisper under CTranslate2, with word times; which models, says `whisper.py`."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from keepsake.clients.transcription_result import language_code, language_name
from keepsake.local.models.errors import RequestRefused
from keepsake.local.models.whisper import WHISPERS, WrongWeights, load
from keepsake.text.spans import word_keys

if TYPE_CHECKING:
    from faster_whisper.transcribe import Segment

AT_ONCE = 1
_FORMATS = ("json", "text", "verbose_json")
_GRANULARITIES = {"word", "segment"}
_RATE = 16_000  # samples per second, as Whisper and the voice detector take them
_VOICE_WINDOW = 512  # samples for each probability of the voice detector
# The highest probability of a voice in 20 s of hiss, street noise, hum or silence was 0.17; in
# speech of ten languages never under 0.99.
_NO_VOICE = 0.25
# The language is that of the first 30 s in which the model is this sure of it; of three without
# such, that of most.
_SURE, _LANGUAGE_WINDOWS = 0.5, 3
_NO_TIME = 0.03  # seconds: the model gives times in steps of 0.02


@dataclass(frozen=True)
class TranscriptionRequest:
    """The form fields of a `/v1/audio/transcriptions` request, checked.

    `language` is an ISO 639 code; None asks the model to find out.
    """

    model: str
    file: BinaryIO
    response_format: str
    granularities: frozenset[str]
    language: str | None
    prompt: str | None

    @classmethod
    def read(cls, file: BinaryIO, fields: Mapping[str, str], granularities: Iterable[str]) -> Self:
        """Check the fields.

        Raises:
            RequestRefused: one has a value that this model cannot serve.
        """
        wanted = frozenset(granularities)
        form = fields.get("response_format", "json")
        if form not in _FORMATS:
            raise RequestRefused(
                f"response_format must be one of {', '.join(_FORMATS)}", param="response_format"
            )
        if wanted and (form != "verbose_json" or not wanted <= _GRANULARITIES):
            raise RequestRefused(
                "timestamp_granularities must be word or segment, with verbose_json",
                param="timestamp_granularities",
            )
        model = fields["model"]
        return cls(
            model,
            file,
            form,
            wanted or frozenset({"segment"}),
            _language(fields.get("language"), model),
            fields.get("prompt") or None,
        )


def _language(asked: str | None, model: str) -> str | None:
    """The code of a language that the model knows."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    if not asked:
        return None
    code = language_code(asked)
    if code not in (_LANGUAGE_CODES if WHISPERS[model].multilingual else ("en",)):
        raise RequestRefused(
            "this model does not know the language",
            param="language",
            code="unsupported_language",
        )
    return code


class LocalTranscription:
    """The models in memory: each is loaded when it is first asked for."""

    def __init__(self) -> None:
        self._models: dict[str, Any] = {}

    def answer(self, request: TranscriptionRequest) -> dict[str, Any] | str:
        """Transcribe; the shape follows `response_format`. Silence and noise give an empty text.

        Beside OpenAI's fields, `verbose_json` has `language_probability` where the model found the
        language out, and for each segment `voice_prob`, the mean probability of a voice in it.

        Raises:
            RequestRefused: the file is not audio, or the model's files are missing or wrong.
        """
        sound = _decode(request.file)
        voice = _voice(sound)
        if voice.max(initial=0.0) < _NO_VOICE:
            return _answer(request, [], voice, request.language, None, len(sound) / _RATE)
        segments, info = self._loaded(request.model).transcribe(
            sound,
            language=request.language,
            language_detection_threshold=_SURE,
            language_detection_segments=_LANGUAGE_WINDOWS,
            initial_prompt=request.prompt,
            word_timestamps="word" in request.granularities,
            # The voice detector only reports on segments (voice_prob). As a filter before the model
            # it cost words of people who speak over music.
            vad_filter=False,
            # One pass, without the dice of higher temperatures: the same audio, the same words.
            temperature=0.0,
            # What was misheard must not lead to more of the same.
            condition_on_previous_text=False,
        )
        found = info.language_probability if request.language is None else None
        heard = said_once(segments)
        return _answer(request, heard, voice, info.language, found, info.duration)

    def _loaded(self, name: str) -> Any:
        if name not in self._models:
            try:
                self._models[name] = load(name)
            except WrongWeights as error:
                raise RequestRefused(str(error), code="wrong_weights", status=500) from None
            except ModuleNotFoundError as error:
                raise RequestRefused(str(error), code="weights_missing", status=500) from None
        return self._models[name]


def said_once(segments: Iterable["Segment"]) -> list["Segment"]:
    """The segments without words that are there twice where the model's windows meet.

    A window of 30 s that ends within a sentence may end with the word that the next one begins
    with ("He said he" / "He could hear me"). The second then has no time of its own. A word that
    somebody says twice takes time, and stays.
    """
    heard: list[Segment] = []
    for segment in segments:
        before = heard[-1] if heard else None
        if before and segment.seek != before.seek and _again(before, segment):
            again = segment.words[0].word
            segment = replace(
                segment, text=segment.text.removeprefix(again), words=segment.words[1:]
            )
        heard.append(segment)
    return heard


def _again(before: "Segment", segment: "Segment") -> bool:
    """Whether `segment` begins with the last word of `before`, in no time."""
    if not before.words or not segment.words:
        return False
    last, first = before.words[-1], segment.words[0]
    same = word_keys(last.word) == word_keys(first.word) != []
    return same and first.end - max(first.start, last.end) < _NO_TIME


def _answer(
    request: TranscriptionRequest,
    segments: list[Any],
    voice: Any,
    language: str | None,
    probability: float | None,
    duration: float,
) -> dict[str, Any] | str:
    text = "".join(segment.text for segment in segments).strip()
    if request.response_format == "text":
        return text + "\n"
    usage = {"type": "duration", "seconds": math.ceil(duration)}
    if request.response_format == "json":
        return {"text": text, "usage": usage}
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": language_name(language) if language else None,
        "duration": round(duration, 3),
        "text": text,
        "usage": usage,
    }
    if probability is not None:
        answer["language_probability"] = round(float(probability), 3)
    if "segment" in request.granularities:
        answer["segments"] = [_segment(segment, voice) for segment in segments]
    if "word" in request.granularities:
        answer["words"] = _words(segments, duration)
    return answer


def _voice(sound: Any) -> Any:
    """The probability of a voice in each 32 ms, by Silero's detector."""
    import numpy as np
    from faster_whisper.vad import get_vad_model

    whole = np.pad(sound, (0, -len(sound) % _VOICE_WINDOW))
    return get_vad_model()(whole).reshape(-1) if len(whole) else np.zeros(0)


def _decode(file: BinaryIO) -> Any:
    import av
    from faster_whisper.audio import decode_audio

    try:
        return decode_audio(file)
    # IndexError: a container without a sound track.
    except (av.error.FFmpegError, IndexError):
        raise RequestRefused(
            "Invalid file format: this is no audio that FFmpeg can read", param="file"
        ) from None


def _segment(segment: Any, voice: Any) -> dict[str, Any]:
    first, last = (int(time * _RATE / _VOICE_WINDOW) for time in (segment.start, segment.end))
    within = voice[first : last + 1]
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": round(float(segment.start), 3),
        "end": round(float(segment.end), 3),
        "text": segment.text,
        "tokens": segment.tokens,
        "temperature": segment.temperature,
        "avg_logprob": float(segment.avg_logprob),
        "compression_ratio": float(segment.compression_ratio),
        "no_speech_prob": float(segment.no_speech_prob),
        "voice_prob": round(float(within.mean()), 3) if len(within) else 0.0,
    }


def _words(segments: Iterable[Any], duration: float) -> list[dict[str, Any]]:
    """All words in order; no word starts before the last ended, none ends after the audio."""
    words: list[dict[str, Any]] = []
    clock = 0.0
    for word in (word for segment in segments for word in segment.words):
        start = min(max(float(word.start), clock), duration)
        clock = min(max(float(word.end), start), duration)
        text = word.word.strip()
        words.append({"word": text, "start": round(start, 3), "end": round(clock, 3)})
    return words
