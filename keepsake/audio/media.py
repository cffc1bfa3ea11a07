"""Open and decode audio files: any format, as a stream, on the recording's own clock.

The one place where files from outside meet FFmpeg. What to do with the sound belongs elsewhere.
"""

from collections.abc import Iterator, Sequence
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

# What FFmpeg raises for a packet it cannot make sound of: damaged, or in a variant it does not
# know, as AMR's pauses (DTX) are to its decoder.
UNDECODABLE = (
    av.error.InvalidDataError,
    av.error.PatchWelcomeError,
    av.error.NotImplementedError,
    av.error.UnknownError,
    av.error.InputChangedError,
)

PREROLL = 1.0  # seconds decoded before a seek target: mp3 and Opus need a run-up to sound right
GAP = 0.1  # seconds the timestamps may run ahead before it counts as a pause in the recording
LONGEST_GAP = 600.0  # seconds; a longer jump, or one back, is a broken clock and no pause
WAV_UNKNOWN = (
    0x7FFF_0000  # bytes; programs that write as they record put the highest number they know
)

# Formats that state no length: FFmpeg guesses one from their size and the first bit rates.
GUESSED = frozenset({"aac", "ac3", "amr", "dts", "eac3"})
MP3_LENGTHS = (b"Xing", b"Info", b"VBRI")  # headers in which an mp3 counts its frames
MP3_HEADER_WITHIN = 200  # bytes behind the start of the first frame

OPPOSITE = -0.5  # correlation of two channels; recordings made right have hardly one below 0
HEARD_AMPLITUDE = 10 ** (-50 / 20)  # full scale at 1; a track that stays below it is empty
TRACK_SECONDS = 600.0  # of each track that are decoded at most to find the one with the sound


@dataclass(frozen=True)
class AudioInfo:
    """What the file says of itself. `duration` is in seconds, None where it does not say.

    `track` counts the audio tracks from 1; the others of `tracks` are not decoded.
    """

    duration: float | None
    sample_rate: int
    channels: int
    codec: str
    container: str
    track: int = 1
    tracks: int = 1


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
        self._lost = 0.0  # seconds of the packets lost since the last frame

    def blocks(self, *, rate: int, channels: int, near: float = 0.0) -> Iterator[Samples]:
        """Decode to blocks of at most one second, resampled to `rate` and mixed to `channels`.

        Where the timestamps pause (a muted call, lost packets), silence of that length is put in,
        so that the count of samples gives the time. Packets that do not decode are counted. Two
        channels in opposite phase would cancel each other: the second is turned over.

        Args:
            rate: samples per second of the blocks.
            channels: 1 or 2.
            near: seconds; decoding may skip to somewhere near this time, see `start`.
        """
        if near > 2 * PREROLL:
            self._seek(near - PREROLL)
        phase = _Phase(channels)
        resampler, shape = _resampler(rate, channels), None
        for frame in self._frames():
            gap = self._pass(frame)
            frame_shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if gap or frame_shape != shape:  # the shape may change on the way: HE-AAC, joined files
                yield from map(phase.mix, _samples(resampler, None))
                yield from silence(gap, rate, channels)
                sounding = max(channels, min(frame.layout.nb_channels, 2))
                resampler, shape = _resampler(rate, sounding), frame_shape
            yield from map(phase.mix, _samples(resampler, frame))
        yield from map(phase.mix, _samples(resampler, None))
        yield from silence(self._pass_lost(), rate, channels)

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
            except (StopIteration, *UNDECODABLE):
                return  # the rest of the file is missing or no audio
            try:
                yield from packet.decode()
            except UNDECODABLE:
                self.lost_packets += 1
                self._lost += float((packet.duration or 0) * _time_base(self._stream))

    def _pass(self, frame: AudioFrame) -> float:
        """Move the clock over `frame`; return the seconds of silence due before it."""
        if self.start is None:
            self._start_clock(frame)
        ahead = self._lost if frame.time is None else frame.time - self._offset - self._now
        # A frame that is lost leaves a pause however short it is.
        gap = ahead if (0.0 if self._lost else GAP) < ahead <= LONGEST_GAP else 0.0
        if ahead < -GAP or ahead > LONGEST_GAP:
            self._offset += ahead
        self._lost = 0.0
        self.gap_seconds += gap
        self._now += gap + frame.samples / frame.sample_rate
        return gap

    def _pass_lost(self) -> float:
        """Move the clock over what was lost behind the last frame; return its seconds."""
        gap, self._lost = min(self._lost, LONGEST_GAP) if self.start is not None else 0.0, 0.0
        self.gap_seconds += gap
        self._now += gap
        return gap

    def _start_clock(self, frame: AudioFrame) -> None:
        if self._sought and frame.time is not None:
            self._now = frame.time - self._offset
        else:  # the first sound of a recording is its zero, whatever its timestamp
            self._offset = (frame.time or 0.0) - self._lost
        self.start = self._now


class _Phase:
    """Two channels that can be added up, mixed to `channels`."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._products = np.zeros(
            3
        )  # of the channels so far: first by first, both, second by second

    def mix(self, block: Samples) -> Samples:
        """`block` in the wanted number of channels."""
        if block.shape[0] == 1:
            return block
        first, second = block
        self._products += (first @ first, first @ second, second @ second)
        power = float(np.sqrt(self._products[0] * self._products[2]))
        if self._products[1] < OPPOSITE * power:
            block = np.stack([first, -second])
        return block if self._channels > 1 else block.mean(axis=0, keepdims=True)


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
    """Open a file's audio track for decoding: of several, the first in which there is sound.

    Raises:
        PermanentError: there is no file, it is empty, it is no audio, or has no audio track.
    """
    track = _sounding_track(path)
    with open_file(path) as container:
        stream = container.streams.audio[track]
        yield Source(container, stream, _info(path, container, stream, track))


def _sounding_track(path: Path) -> int:
    """Which audio track to take, counted from 0.

    A telephone or a recorder may keep an empty track before the one it recorded on. Where no track
    holds sound within the first ten minutes, the first is taken.
    """
    with open_file(path) as container:
        streams = container.streams.audio
        if not streams:
            raise PermanentError("the file has no audio track")
        if not all(stream.rate and stream.channels for stream in streams):
            raise PermanentError(
                "the file is no audio: its track has no sample rate or no channels"
            )
        return _first_with_sound(container, streams) if len(streams) > 1 else 0


def _first_with_sound(container: InputContainer, streams: Sequence[AudioStream]) -> int:
    numbers = {stream.index: number for number, stream in enumerate(streams)}
    sounding: set[int] = set()
    packets = container.demux(*streams)
    while 0 not in sounding:
        try:
            packet = next(packets)
            frames = cast(list[AudioFrame], packet.decode())
        except StopIteration:
            break
        except UNDECODABLE:
            continue
        for frame in frames:
            if (frame.time or 0.0) > TRACK_SECONDS:
                return min(sounding, default=0)
            if _amplitude(frame) > HEARD_AMPLITUDE:
                sounding.add(numbers[packet.stream.index])
    return min(sounding, default=0)


def _amplitude(frame: AudioFrame) -> float:
    """The highest sample of a frame, full scale at 1."""
    same = AudioResampler("fltp", frame.layout.name, frame.sample_rate)
    blocks = _samples(same, frame)
    return max((float(np.abs(block).max(initial=0.0)) for block in blocks), default=0.0)


def probe(path: Path) -> AudioInfo:
    """Read what a file says of itself, without decoding it.

    Raises:
        PermanentError: see `open_source`.
    """
    with open_source(path) as source:
        return source.info


def sound_seconds(path: Path) -> float:
    """How long a recording is by the packets in it; nothing is decoded.

    Raises:
        PermanentError: see `open_source`.
    """
    track = _sounding_track(path)
    with open_file(path) as container:
        stream = container.streams.audio[track]
        packets, first, last = container.demux(stream), None, 0.0
        while True:
            try:
                packet = next(packets)
            except (StopIteration, *UNDECODABLE):
                return last - (first or 0.0)
            if packet.pts is not None:
                start = float(packet.pts * _time_base(stream))
                first = start if first is None else first
                last = max(last, start + float((packet.duration or 0) * _time_base(stream)))


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


def _info(path: Path, container: InputContainer, stream: AudioStream, track: int) -> AudioInfo:
    return AudioInfo(
        duration=_declared_seconds(path, container, stream),
        sample_rate=stream.rate,
        channels=stream.channels,
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
        track=track + 1,
        tracks=len(container.streams.audio),
    )


def _declared_seconds(path: Path, container: InputContainer, stream: AudioStream) -> float | None:
    seconds = 0.0
    if stream.duration:
        seconds = float(stream.duration * _time_base(stream))
    elif container.duration:
        seconds = container.duration / av.time_base
    if container.format.name == "wav":
        seconds *= _missing_factor(path)
    return None if _guessed(path, container) else seconds or None


def _guessed(path: Path, container: InputContainer) -> bool:
    name = container.format.name
    return name in GUESSED or (name == "mp3" and not _mp3_counts_its_frames(path))


def _missing_factor(path: Path) -> float:
    """How many times longer a wav file should be by its header: FFmpeg counts what is there."""
    with path.open("rb") as file:
        declared = int.from_bytes(file.read(8)[4:], "little")
    if declared >= WAV_UNKNOWN:
        return 1.0
    return max(1.0, declared / path.stat().st_size)


def _mp3_counts_its_frames(path: Path) -> bool:
    """Whether the first frame of an mp3 states how long it is.

    It lies behind the ID3v2 tag, whose length is four bytes of seven bits (id3.org, ID3v2.4 3.1).
    """
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            length = sum((byte & 127) << 7 * at for at, byte in enumerate(reversed(head[6:10])))
            file.seek(10 + length)
        else:
            file.seek(0)
        frame = file.read(MP3_HEADER_WITHIN)
    return any(name in frame for name in MP3_LENGTHS)


def _time_base(stream: AudioStream) -> Fraction:
    return stream.time_base or Fraction(1, av.time_base)


def _resampler(rate: int, channels: int) -> AudioResampler:
    return AudioResampler("fltp", LAYOUTS[channels], rate, frame_size=rate)


def _samples(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Samples]:
    return map(to_block, resampler.resample(frame))
