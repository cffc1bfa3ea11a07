"""Open and decode audio files: any format, as a stream, on the recording's own clock.

The one place where files from outside meet FFmpeg. What to do with the sound belongs elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from keepsake.errors import PermanentError

Samples = NDArray[np.float32]
"""A block of sound: shape (channels, samples), full scale at ±1.0."""

LAYOUTS = {1: "mono", 2: "stereo"}

# Containers of sound and film only. Left to itself FFmpeg also opens plain text (tty) as film, and
# playlists (hls, dash, concat), with which a file could make us read other files or call addresses.
# Formats without a header (amrnb, gsm, loas) are left out too: a web page passes for them.
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,matroska,mov,mp3,mpc,mpc8,mpeg,"
    "mpegts,ogg,oma,rm,tak,tta,voc,w64,wav,wv"
)
READ_ONLY_FILES = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}

PREROLL = 1.0  # seconds decoded before a seek target: mp3 and Opus need a run-up to sound right
GAP = 0.1  # seconds the timestamps may run ahead before it counts as a pause in the recording
LONGEST_GAP = 600.0  # seconds; a longer jump, or one back, is a broken clock and no pause
WAV_UNKNOWN = (
    0x7FFF_0000  # bytes; programs that write as they record put the highest number they know
)


@dataclass(frozen=True)
class AudioInfo:
    """What the file says of itself. `duration` is in seconds, None where it does not say."""

    duration: float | None
    sample_rate: int
    channels: int
    codec: str
    container: str


class Source:
    """An opened recording, to be decoded once. `open_source()` makes it.

    Attributes:
        info: what the file says of itself.
        start: time of the first decoded sample in seconds, once one is decoded.
        lost_packets: packets that did not decode, so far.
        gap_seconds: pauses filled with silence, so far.
    """

    def __init__(self, container: InputContainer, stream: AudioStream, info: AudioInfo) -> None:
        self.info = info
        self.start: float | None = None
        self.lost_packets = 0
        self.gap_seconds = 0.0
        self._container = container
        self._stream = stream
        self._sought = False
        self._now = 0.0  # how far the recording's clock has come
        self._offset = 0.0  # the file's timestamps minus that clock

    def blocks(self, *, rate: int, channels: int, near: float = 0.0) -> Iterator[Samples]:
        """Decode to blocks of at most one second, resampled to `rate` and mixed to `channels`.

        Where the timestamps pause (a muted call, lost packets), silence of that length is put in,
        so that counting samples tells the time. Packets that do not decode are counted.

        Args:
            rate: samples per second of the blocks.
            channels: 1 or 2.
            near: seconds; decoding may skip to somewhere near this time, see `start`.
        """
        if near > 2 * PREROLL:
            self._seek(near - PREROLL)
        resampler, shape = _resampler(rate, channels), None
        for frame in self._frames():
            gap = self._pass(frame)
            frame_shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if gap or frame_shape != shape:  # the shape may change on the way: HE-AAC, joined files
                yield from _samples(resampler, None)
                yield from silence(gap, rate, channels)
                resampler, shape = _resampler(rate, channels), frame_shape
            yield from _samples(resampler, frame)
        yield from _samples(resampler, None)

    def _seek(self, seconds: float) -> None:
        unit = _time_base(self._stream)
        # A negative first timestamp is priming that the decoder drops, not sound.
        self._offset = float(max(0, self._stream.start_time or 0) * unit)
        self._sought = True
        self._container.seek(int((seconds + self._offset) / unit), stream=self._stream)

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.InvalidDataError):
                return  # the rest of the file is missing or no audio
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                self.lost_packets += 1

    def _pass(self, frame: AudioFrame) -> float:
        """Move the clock over `frame`; return the seconds of silence due before it."""
        if self.start is None:
            self._start_clock(frame)
        ahead = 0.0 if frame.time is None else frame.time - self._offset - self._now
        gap = ahead if GAP < ahead <= LONGEST_GAP else 0.0
        if ahead < -GAP or ahead > LONGEST_GAP:
            self._offset += ahead
        self.gap_seconds += gap
        self._now += gap + frame.samples / frame.sample_rate
        return gap

    def _start_clock(self, frame: AudioFrame) -> None:
        if self._sought and frame.time is not None:
            self._now = frame.time - self._offset
        else:  # the first sound of a recording is its zero, whatever its timestamp
            self._offset = frame.time or 0.0
        self.start = self._now


@contextmanager
def open_file(path: Path) -> Iterator[InputContainer]:
    """Open a file of sound or film.

    Raises:
        PermanentError: there is no file, it is empty, or it is no audio.
    """
    if not path.is_file():
        raise PermanentError("the audio file is missing")
    if path.stat().st_size == 0:
        raise PermanentError("the audio file is empty (0 bytes)")
    try:
        container = av.open(str(path), options=READ_ONLY_FILES, metadata_errors="replace")
    except av.error.FFmpegError:
        raise PermanentError(
            "the file is no audio that FFmpeg reads, or it was cut off before its index"
        ) from None
    with container:
        yield container


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a file's first audio stream for decoding.

    Raises:
        PermanentError: there is no file, it is empty, it is no audio, or has no audio track.
    """
    with open_file(path) as container:
        if not container.streams.audio:
            raise PermanentError("the file has no audio track")
        stream = container.streams.audio[0]
        if not stream.rate or not stream.channels:
            raise PermanentError(
                "the file is no audio: its track has no sample rate or no channels"
            )
        yield Source(container, stream, _info(path, container, stream))


def probe(path: Path) -> AudioInfo:
    """Read what a file says of itself, without decoding it.

    Raises:
        PermanentError: see `open_source`.
    """
    with open_source(path) as source:
        return source.info


def silence(seconds: float, rate: int, channels: int) -> Iterator[Samples]:
    """Yield `seconds` of digital silence in blocks of at most one second."""
    missing = round(seconds * rate)
    while missing > 0:
        yield np.zeros((channels, min(missing, rate)), np.float32)
        missing -= rate


def to_block(frame: AudioFrame) -> Samples:
    """The samples of an FFmpeg frame in the format `fltp`."""
    return cast(Samples, frame.to_ndarray())


def to_frame(block: Samples, *, rate: int) -> AudioFrame:
    """An FFmpeg frame in the format `fltp` with these samples."""
    layout = LAYOUTS[block.shape[0]]
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", layout)
    frame.sample_rate = rate
    return frame


def _info(path: Path, container: InputContainer, stream: AudioStream) -> AudioInfo:
    return AudioInfo(
        duration=_declared_seconds(path, container, stream),
        sample_rate=stream.rate,
        channels=stream.channels,
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
    )


def _declared_seconds(path: Path, container: InputContainer, stream: AudioStream) -> float | None:
    seconds = 0.0
    if stream.duration:
        seconds = float(stream.duration * _time_base(stream))
    elif container.duration:
        seconds = container.duration / av.time_base
    if container.format.name == "aac":
        seconds = 0.0  # a bare stream declares nothing: FFmpeg guesses from the first packets
    elif container.format.name == "wav":
        seconds *= _missing_factor(path)
    return seconds or None


def _missing_factor(path: Path) -> float:
    """How many times longer a wav file should be by its header: FFmpeg counts what is there."""
    with path.open("rb") as file:
        declared = int.from_bytes(file.read(8)[4:], "little")
    if declared >= WAV_UNKNOWN:
        return 1.0
    return max(1.0, declared / path.stat().st_size)


def _time_base(stream: AudioStream) -> Fraction:
    return stream.time_base or Fraction(1, av.time_base)


def _resampler(rate: int, channels: int) -> AudioResampler:
    return AudioResampler("fltp", LAYOUTS[channels], rate, frame_size=rate)


def _samples(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Samples]:
    return map(to_block, resampler.resample(frame))
