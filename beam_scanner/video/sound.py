"""Exact samples: an index of the audio of a file, and a decoder that obeys it.

An audio decoder carries state from packet to packet, so what it gives depends on where
it was started. Here it is started at *blocks* of about 30 seconds, which the index
fixes, half a second before them; so a sample has one value, wherever the work is cut.
For codecs without loss that is the value of a decode from the start.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import StorageError, VideoError
from beam_scanner.video.claimed_counts import check_tables
from beam_scanner.video.container import OpenMedia
from beam_scanner.video.source import (
    check_readable,
    fingerprint,
    open_source,
    reading,
)
from beam_scanner.video.truncation import cut_short

Samples = NDArray[np.float32]

_BLOCK_SECONDS = 30
_LEAD_SECONDS = Fraction(1, 2)
# Times of packets are rounded, in Matroska to a millisecond; a packet that is missing
# is 20 ms and more.
_GAP_SECONDS = Fraction(1, 100)
_KEPT_BLOCKS = 2
_LONGEST_SECONDS = 10_000 * 3600
_STEPS_BACK = (0, 1, 5, 30)
_UNKNOWN_SIZE = b"\xff\xff\xff\xff"


@dataclass(frozen=True, eq=False)
class AudioIndex:
    """Where the samples of a file's best audio track are.

    Attributes:
        sample_rate: Samples a second.
        samples: How many there are; gaps between packets count, they are silent.
        start_seconds: Time of the first one, by the container's clock.
        time_base: Seconds of a tick of ``begin_pts`` and ``lead_pts``.
        blocks: int64[n], the first sample of each block.
        begin_pts: int64[n], time of the decoded frame that begins the block.
        lead_pts: int64[n], time of the packet to decode first.
        lead_sums: int64[n], CRC-32 of that packet.
        seekable: Whether decoding may begin at any block; else it begins at the first.
        fingerprint: :func:`beam_scanner.video.source.fingerprint` of the file.
    """

    sample_rate: int
    samples: int
    start_seconds: float
    time_base: Fraction
    blocks: NDArray[np.int64]
    begin_pts: NDArray[np.int64]
    lead_pts: NDArray[np.int64]
    lead_sums: NDArray[np.int64]
    seekable: bool
    fingerprint: str


class _OpenAudio(OpenMedia):
    """The best audio track of a file; all others are skipped."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "audio")
        self.stream = self.container.streams.best("audio")
        context: Any = self.stream and self.stream.codec_context
        if context is None or not context.sample_rate:
            self.close()
            missing = "no audio track" if self.stream is None else "an unknown codec"
            raise VideoError(f"file {path!r} has {missing}")
        self._read_only(self.stream)


class _Clock:
    """Gives decoded frames their places, counted in samples from the first one.

    Frames follow each other; only where the time of one says that something is
    missing before it is a gap left, which is silent.
    """

    def __init__(self, rate: int, tick: Fraction, first_pts: int | None = None) -> None:
        self.first_pts = first_pts
        self.next = 0
        self._per_tick = tick * rate
        self._gap = max(_GAP_SECONDS * rate, self._per_tick)

    def place(self, pts: int | None, samples: int) -> int:
        """The place of a frame; that of the next one follows."""
        place = self.next
        if pts is not None:
            if self.first_pts is None:
                self.first_pts = pts
            claimed = round((pts - self.first_pts) * self._per_tick)
            if claimed - place >= self._gap:
                place = claimed
        self.next = place + samples
        return place


def index_audio(path: str) -> AudioIndex:
    """Finds out where the samples of a file are, by decoding all of it once.

    Args:
        path: The file: audio, or a video with an audio track.

    Raises:
        VideoError: It is missing, damaged, or has no audio track.
    """
    digest = fingerprint(path, "audio")
    _refuse_cut(path)
    with _OpenAudio(path) as audio:
        return _Scan(path, audio).index(digest)


def _refuse_cut(path: str) -> None:
    with open_source(path, "audio") as file, reading(path):
        check_tables(file, f"audio {path!r}")
        file.seek(0)
        streamed = file.read(8) == b"RIFF" + _UNKNOWN_SIZE
        reason = None if streamed else cut_short(file)
    if reason:
        raise VideoError(f"audio {path!r} is cut short: {reason}")


class _Scan:
    """One pass over a file."""

    def __init__(self, path: str, audio: _OpenAudio) -> None:
        self._audio = audio
        self._path = path
        self._rate = int(audio.stream.codec_context.sample_rate)
        self._tick = Fraction(audio.stream.time_base)
        self._clock = _Clock(self._rate, self._tick)
        self._rows: list[tuple[int, int, int, int]] = []
        self._end = 0
        self._seekable = True

    def index(self, digest: str) -> AudioIndex:
        """Decodes all, and says what was found."""
        lead = int(_LEAD_SECONDS / self._tick)
        recent: deque[tuple[int, int]] = deque()
        claimed_end = None
        # Its own container numbers the samples, and packets without are garbage.
        flac = self._audio.container.format.name == "flac"
        # Its last packet is just shorter where the length was not known beforehand.
        pcm = self._audio.stream.codec_context.name.startswith("pcm_")
        for packet, frames in _decoded(self._audio, self._path):
            broken = packet.is_corrupt and not pcm
            if broken or (flac and packet.size and packet.pts is None):
                place = f"after {self._end / self._rate:.3f} s"
                raise VideoError(f"audio {self._path!r} is damaged {place}")
            if packet.size and packet.pts is not None:
                if recent and packet.pts <= recent[-1][0]:
                    self._seekable = False
                recent.append((packet.pts, zlib.crc32(packet)))
                while len(recent) > 1 and recent[1][0] <= packet.pts - lead:
                    recent.popleft()
                claimed_end = packet.pts + packet.duration if packet.duration else None
            elif packet.size:
                self._seekable = False
            for frame in frames:
                self._add(frame, recent[0] if recent else (0, 0))
        if self._end == 0:
            raise VideoError(f"audio {self._path!r} has no samples")
        return self._assemble(claimed_end, digest)

    def _add(self, frame: Any, lead: tuple[int, int]) -> None:
        if frame.sample_rate != self._rate:
            raise VideoError(
                f"audio {self._path!r} changes its sample rate from {self._rate} to "
                f"{frame.sample_rate} at sample {self._end}"
            )
        if frame.pts is None:
            self._seekable = False
        place = self._clock.place(frame.pts, frame.samples)
        if not self._rows or place - self._rows[-1][0] >= _BLOCK_SECONDS * self._rate:
            self._rows.append((place, frame.pts or 0, *lead))
        self._end = place + frame.samples
        if self._end > _LONGEST_SECONDS * self._rate:
            raise VideoError(
                f"audio {self._path!r} goes on after {_LONGEST_SECONDS // 3600} hours "
                "by its clock: it is damaged"
            )

    def _assemble(self, claimed_end: int | None, digest: str) -> AudioIndex:
        samples, per_tick = self._end, self._tick * self._rate
        first = self._clock.first_pts or 0
        if claimed_end is not None and per_tick.numerator == 1:
            # Encoders fill the last packet up; the container knows where it ends.
            samples = min(samples, int((claimed_end - first) * per_tick))
        rows = np.array([row for row in self._rows if row[0] < samples], dtype=np.int64)
        blocks, begin, lead, sums = rows.T
        return AudioIndex(
            sample_rate=self._rate,
            samples=samples,
            start_seconds=float(first * self._tick),
            time_base=self._tick,
            blocks=blocks,
            begin_pts=begin,
            lead_pts=lead,
            lead_sums=sums,
            seekable=self._seekable,
            fingerprint=digest,
        )


def _decoded(audio: _OpenAudio, path: str) -> Iterator[tuple[Any, list[Any]]]:
    """Packets and the frames that each gives; the last one is empty."""
    last: Any = None
    try:
        for packet in audio.container.demux(audio.stream):
            last = packet
            yield packet, packet.decode()
    except av.error.FFmpegError as error:
        check_readable(path, error)
        raise damaged(path, last, error) from error


def damaged(path: str, packet: Any, error: Exception) -> VideoError:
    """What to raise where a packet cannot be decoded."""
    known = packet is not None and packet.pts is not None
    at = f" at {float(packet.pts * packet.time_base):.3f} s" if known else ""
    return VideoError(f"audio {path!r} is damaged{at}: {error}")


def first_channel(frame: Any) -> Samples:
    """The samples of a decoded frame's first channel, as float32 from -1 to 1."""
    array: NDArray[Any] = frame.to_ndarray()
    channels = 1 if frame.format.is_planar else len(frame.layout.channels)
    samples: NDArray[Any] = array[0][::channels]
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        samples = samples / -float(np.iinfo(samples.dtype).min)
    return samples.astype(np.float32)


class AudioDecoder:
    """Reads samples of a file's best audio track, of its first channel.

    Args:
        path: The file.
        index: Its index.

    Raises:
        VideoError: The file has changed since it was indexed.

    Examples:
        >>> import tempfile, wave
        >>> path = tempfile.mkdtemp() + '/a.wav'
        >>> with wave.open(path, 'wb') as file:
        ...     file.setparams((1, 2, 8000, 0, 'NONE', ''))
        ...     file.writeframes(np.array([0, 16384, -32768], '<i2').tobytes())
        >>> index = index_audio(path)
        >>> AudioDecoder(path, index).read(1, 4)
        array([ 0.5, -1. ,  0. ], dtype=float32)
    """

    def __init__(self, path: str, index: AudioIndex) -> None:
        self._path = path
        self._index = index
        self._kept: OrderedDict[int, Samples] = OrderedDict()
        # Where there is no seeking: a decode from the start that goes on.
        self._running: Iterator[Samples] | None = None
        self._next = 0
        if fingerprint(path, "audio") != index.fingerprint:
            raise VideoError(f"audio {path!r} has changed since it was indexed")

    def read(self, start: int, stop: int) -> Samples:
        """Samples ``[start, stop)``; those past the end are zero."""
        out = np.zeros(stop - start, dtype=np.float32)
        blocks = self._index.blocks
        number = max(0, int(np.searchsorted(blocks, start, side="right")) - 1)
        stop = min(stop, self._index.samples)
        while number < len(blocks) and blocks[number] < stop:
            first = int(blocks[number])
            block = self._block(number)
            a, b = max(start, first), min(stop, first + len(block))
            if a < b:
                out[a - start : b - start] = block[a - first : b - first]
            number += 1
        return out

    def _block(self, number: int) -> Samples:
        if number not in self._kept:
            while len(self._kept) >= _KEPT_BLOCKS:
                self._kept.popitem(last=False)
            seekable = self._index.seekable
            decoded = self._decode(number) if seekable else self._go_on(number)
            self._kept[number] = decoded
        self._kept.move_to_end(number)
        return self._kept[number]

    def _go_on(self, number: int) -> Samples:
        if self._running is None or number < self._next:
            self.close()
            self._running, self._next = self._from_start(), 0
        for block in self._running:
            self._next += 1
            if self._next > number:
                return block
        raise VideoError(f"audio {self._path!r} has changed since it was indexed")

    def _from_start(self) -> Iterator[Samples]:
        """All blocks, by one decode."""
        with _OpenAudio(self._path) as audio:
            frames = (f for _, some in _decoded(audio, self._path) for f in some)
            yield from self._cut(frames, 0)

    def _decode(self, number: int) -> Samples:
        """One block, by a decoder that has seen nothing but what leads to it.

        Decoders keep some of their state (of random numbers) when they are flushed,
        so each block gets a decoder of its own.
        """
        for seconds in (*_STEPS_BACK, None):
            with _OpenAudio(self._path) as audio:
                frames = self._frames(audio, number, seconds)
                block = next(self._cut(frames, number), None)
                if block is not None:
                    return block
        raise VideoError(
            f"audio {self._path!r} cannot be decoded at "
            f"{self._index.blocks[number] / self._index.sample_rate:.3f} s, although it "
            "could when it was indexed"
        )

    def _frames(
        self, audio: _OpenAudio, number: int, seconds: int | None
    ) -> Iterator[Any]:
        """Frames from a block's first one on; none if the seek went wrong.

        Args:
            audio: Newly opened.
            number: Of the block.
            seconds: How much earlier to seek to; None not to seek.
        """
        index = self._index
        lead, begin = int(index.lead_pts[number]), int(index.begin_pts[number])
        if seconds is not None:
            back = int(seconds / index.time_base)
            try:
                audio.container.seek(lead - back, stream=audio.stream)
            except StorageError:
                raise
            except (av.error.FFmpegError, OSError) as error:
                check_readable(self._path, error)
                return
        fed = began = False
        for packet in audio.container.demux(audio.stream):
            fed = fed or (
                packet.size > 0
                and packet.pts == lead
                and zlib.crc32(packet) == index.lead_sums[number]
            )
            if not fed and packet.pts is not None and packet.pts > lead:
                return
            if fed:
                for frame in self._decoded(packet, began):
                    began = began or frame.pts == begin
                    if began:
                        yield frame

    def _decoded(self, packet: Any, strict: bool) -> list[Any]:
        try:
            return list(packet.decode())
        except av.error.FFmpegError as error:
            # Packets before a block may refer to others that were not decoded.
            if strict:
                raise damaged(self._path, packet, error) from error
            return []

    def _cut(self, frames: Iterator[Any], number: int) -> Iterator[Samples]:
        """Blocks from ``number`` on, of frames that begin with its first one."""
        index = self._index
        clock = _Clock(index.sample_rate, index.time_base, int(index.begin_pts[0]))
        clock.next = start = int(index.blocks[number])
        ends = [*index.blocks[number + 1 :].tolist(), index.samples]
        block = np.zeros(ends[0] - start, dtype=np.float32)
        at = 0
        begun = False
        for frame in frames:
            place = clock.place(frame.pts, frame.samples)
            if place >= ends[at]:
                yield block
                start, at = ends[at], at + 1
                if at == len(ends):
                    return
                block = np.zeros(ends[at] - start, dtype=np.float32)
            channel = first_channel(frame)[: ends[at] - place]
            block[place - start : place - start + len(channel)] = channel
            begun = True
        if begun:
            yield block

    def close(self) -> None:
        """Closes the file, and drops the decoded blocks."""
        self._kept.clear()
        self._running = None
