"""Speech: hibari, one American English voice, 24 kHz."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Self, cast

from keepsake.local.models.errors import RequestRefused

AT_ONCE = 1
_LONGEST = 4096  # characters, as OpenAI has it
_SLOWEST, _FASTEST = 0.5, 2.0  # what the model was trained for
# OpenAI's API knows no default voice, so callers without a wish send the first of its list.
_VOICES = ("heart", "alloy")


@dataclass(frozen=True)
class _Format:
    media_type: str
    container: str
    codec: str


_FORMATS = {
    "mp3": _Format("audio/mpeg", "mp3", "libmp3lame"),
    "opus": _Format("audio/ogg", "ogg", "libopus"),
    "flac": _Format("audio/flac", "flac", "flac"),
    "wav": _Format("audio/wav", "wav", "pcm_s16le"),
    "pcm": _Format("audio/pcm", "s16le", "pcm_s16le"),
}


@dataclass(frozen=True)
class SpeechRequest:
    """The body of a `/v1/audio/speech` request, checked."""

    text: str
    response_format: str
    speed: float

    @classmethod
    def read(cls, body: dict[str, Any]) -> Self:
        """Check the fields.

        Raises:
            RequestRefused: one is missing or has a value that this model cannot serve.
        """
        text, speed = body.get("input"), body.get("speed", 1.0)
        if not isinstance(text, str) or not text.strip():
            raise RequestRefused("input must be a text that is not empty", param="input")
        if len(text) > _LONGEST:
            raise RequestRefused(
                f"input has {len(text)} characters, the longest allowed is {_LONGEST}",
                param="input",
                code="string_above_max_length",
            )
        if body.get("voice") not in _VOICES:
            raise RequestRefused(f"voice must be one of {', '.join(_VOICES)}", param="voice")
        if not isinstance(speed, int | float) or not _SLOWEST <= speed <= _FASTEST:
            raise RequestRefused(f"speed must be {_SLOWEST} to {_FASTEST}", param="speed")
        form = body.get("response_format", "mp3")
        if form not in _FORMATS:
            raise RequestRefused(
                f"response_format must be one of {', '.join(_FORMATS)}", param="response_format"
            )
        return cls(text, form, float(speed))

    @property
    def media_type(self) -> str:
        """Content type of the answer."""
        return _FORMATS[self.response_format].media_type


class LocalSpeech:
    """The model in memory."""

    def __init__(self) -> None:
        from hibari import Hibari

        self._model = Hibari()

    def answer(self, request: SpeechRequest) -> bytes:
        """Speak; the same text always gives the same sound.

        Raises:
            RequestRefused: the text holds no word that the voice can say.
        """
        samples = self._model(request.text, speed=request.speed, seed=0)
        if not len(samples):
            raise RequestRefused("input holds no word that this voice can say", param="input")
        return _encode(samples, self._model.sample_rate, _FORMATS[request.response_format])


def _encode(samples: Any, rate: int, form: _Format) -> bytes:
    import av
    import numpy as np

    pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
    frame.sample_rate = rate
    file = BytesIO()
    with av.open(file, "w", format=form.container) as container:
        stream = cast(av.AudioStream, container.add_stream(form.codec, rate, layout="mono"))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
