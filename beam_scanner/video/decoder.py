"""Decodes chosen rows of a video, exactly.

A decoder starts at the last entry at or before a row and decodes up to it; for rows
that follow it reads on, and seeks only where that skips frames (see
:mod:`beam_scanner.gops`). On the way it leaves out pictures to which no other refers,
which changes no pixel of the others. Every frame's time is compared with the index: a
file or a seek that gives other frames than expected leads to another attempt from
further back and then to an error, never to a wrong frame.

After any sign of damage the file is opened anew, since decoders carry what they
concealed over seeks. So whether a row is given, and its bytes, do not depend on what
was read before it.

Pixels are ``frame.to_ndarray(format='rgb24')`` of PyAV for every row and every way
of getting there: swscale, matrix and range as the file says. Of 8-bit pictures it uses
each colour sample for all of its pixels, which is right where the sample lies in their
middle; see :mod:`beam_scanner.video.chroma` for files in which it lies elsewhere.

Decoding uses one thread by default. Whoever reads many videos, or many pieces of
one, keeps all cores at work by reading them side by side, which scales better than
threads in one decoder and cannot hang on damaged files as frame threads can.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, RowError, VideoError
from beam_scanner.gops import DecodePosition, entry_of
from beam_scanner.video import pool
from beam_scanner.video.bitstream import unreferenced_test
from beam_scanner.video.chroma import EXACT
from beam_scanner.video.index import NO_PTS, FrameIndex
from beam_scanner.video.scan import READ_ERRORS
from beam_scanner.video.source import (
    OpenVideo,
    VideoSource,
    check_readable,
    fingerprint,
    raise_interrupt,
    source_name,
)

Frame = NDArray[np.uint8]

_ERRORS_AT_ONCE = frozenset({"hevc", "vp8", "vp9", "av1", "ffv1", "mjpeg", "prores"})
"""Decoders that raise an error for a damaged picture, not only mark it."""

_GIVES_WHAT_IT_HOLDS = frozenset({"h264", "hevc"})
"""Decoders that, at the end, give pictures with their own times. Others give the last
one the time of a packet that could not be decoded."""

# Containers that say where packets begin.
_WHOLE_PACKETS = ("mov", "matroska", "avi", "flv", "ivf", "ogg", "asf", "mxf", "nut")


def _why(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


class _UnexpectedFrameError(Exception):
    """What was decoded is not what the index says; the message says how.

    Attributes:
        lasting: Whether all later rows of the entry need what is damaged, but for
            those whose pictures were decoded before it.
        decoded: Times of pictures that were, and not shown.
    """

    def __init__(self, message: str, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.decoded: frozenset[int] = frozenset()


@dataclass(frozen=True)
class _Way:
    """A way to decode a row.

    Attributes:
        entry: Where it starts.
        leave_out: Whether to leave out pictures to which no other refers.
        ends: Whether to decode nothing that follows the row's own packet.
        passes_lost: Whether to decode on past damage, where the index knows which
            rows it spoils.
    """

    entry: int
    leave_out: bool = False
    ends: bool = False
    passes_lost: bool = False


class VideoDecoder:
    """Reads rows of one video.

    Pickling keeps what it reads and drops the open file, which is opened again, and
    checked again, at the next read.

    Args:
        source: A path, or a callable that opens the file.
        index: Its index.
        threads: Threads for decoding one frame after another; 0 for one a core.

    Attributes:
        frames_decoded: Rows passed so far, those on the way to a wanted one included.
        frames_skipped: How many of these were left out, since nothing needs them.
        seeks: How often decoding started anew at an entry.

    Example:
        >>> import os, tempfile
        >>> from beam_scanner.video.encoder import Encoding, VideoEncoder
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.mp4')
        >>> encoding = Encoding('raw', keyframe_distance=10)
        >>> with VideoEncoder(path, encoding) as encoder:
        ...     frame = np.zeros((4, 6, 3), np.uint8)
        ...     for frame[0, 0, 0] in range(30):
        ...         encoder.write(frame, frame[0, 0, 0] / 25)
        >>> with VideoDecoder(path, encoder.index) as decoder:
        ...     frames = list(decoder.read([3, 25]))
        ...     decoder.frames_decoded
        10
        >>> frames[1].shape, int(frames[1].max())
        ((4, 6, 3), 25)
    """

    def __init__(
        self, source: VideoSource, index: FrameIndex, *, threads: int = 1
    ) -> None:
        self.index = index
        self.frames_decoded = 0
        self.frames_skipped = 0
        self.seeks = 0
        self._source = source
        self._threads = threads
        self._conversion = EXACT if index.interpolated else None
        # By entry, the first row that damage spoils with all later ones.
        self._spoilt: dict[int, tuple[int, _UnexpectedFrameError]] = {}
        # By entry, the first row to which no way leads that leaves nothing out.
        self._blocked: dict[int, int] = {}
        self._forget()

    def _forget(self) -> None:
        self._video: OpenVideo | None = None
        self._reformatter = VideoReformatter()
        # Whether nothing has been read since the file was opened.
        self._fresh = False
        self._seek_way = 0
        self._unreferenced: Callable[[memoryview], bool] | None = None
        self._interrupt()

    def _interrupt(self) -> None:
        """Forgets the decoding position, so that the next row starts at an entry."""
        self._position = DecodePosition(self.index.entries)
        self._packets: Iterator[Any] = iter(())
        self._frames: deque[Any] = deque()
        self._skipped: set[int] = set()
        self._leading = False
        # Times of packets whose frames have not been shown, in decoding order.
        self._pending: dict[int, None] = {}
        self._leave_out = False
        self._drained = False
        # Whether to decode nothing behind the packet of the row, and that it is so.
        self._ends = False
        self._finished = False
        self._passes_lost = False

    def _give_up(self) -> None:
        # Decoders take more of what they concealed over a seek than they should.
        if self._video is not None:
            self._video.close()
            self._video = None
        self._interrupt()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "source": self._source,
            "index": self.index,
            "threads": self._threads,
            "counts": (self.frames_decoded, self.frames_skipped, self.seeks),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(  # type: ignore[misc]
            state["source"], state["index"], threads=state["threads"]
        )
        self.frames_decoded, self.frames_skipped, self.seeks = state["counts"]

    def __enter__(self) -> VideoDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; a later read opens it again."""
        if self._video is not None:
            self._video.close()
        self._forget()

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> Iterator[Frame]:
        """Decodes rows, lazily.

        Args:
            rows: Ascending, no duplicates.

        Yields:
            For each row uint8[height, width, 3], RGB, C-contiguous, the receiver's
            to keep and to change. The shape differs from the index only where the
            coded size changes within the video.

        Raises:
            ArgumentError: The rows do not ascend.
            RowError: A row lies outside the video.
            VideoError: The file is gone, has changed since it was indexed, or a row
                cannot be decoded.
            StorageError: The file cannot be read now; a later read tries again.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        self._check_rows(wanted)
        following = [*wanted[1:].tolist(), None]
        return map(self._read_row, wanted.tolist(), following)

    def _check_rows(self, rows: NDArray[np.int64]) -> None:
        if rows.size == 0:
            return
        if rows.size > 1 and np.diff(rows).min() <= 0:
            raise ArgumentError("rows for a decoder must ascend without duplicates")
        if rows[0] < 0 or rows[-1] >= len(self.index):
            bad = rows[0] if rows[0] < 0 else rows[-1]
            raise RowError(
                f"row {bad} is not in video {source_name(self._source)!r} of "
                f"{len(self.index)} rows"
            )

    def _read_row(self, row: int, following: int | None) -> Frame:
        entry = int(np.searchsorted(self.index.entries, row, side="right")) - 1
        spoilt = self._spoilt.get(entry)
        pts = int(self.index.pts[row])
        if self.index.is_lost(row):
            why = "; ".join(self.index.damage)
        elif spoilt and row >= spoilt[0] and pts not in spoilt[1].decoded:
            why = str(spoilt[1])
        else:
            try:
                return self._to_array(self._decode_row(row, entry, following))
            except _UnexpectedFrameError as error:
                why = str(error)
                if error.lasting:
                    self._spoilt[entry] = row, error
            except BaseException as error:
                # A read that failed, or was interrupted, may have lost frames.
                self._give_up()
                raise_interrupt(error)
                raise
        time = float(self.index.seconds([row])[0])
        raise VideoError(
            f"video {source_name(self._source)!r}: row {row} (at {time:.3f} s) cannot "
            f"be decoded: {why}"
        )

    def _decode_row(self, row: int, entry: int, following: int | None) -> Any:
        """Tries the ways to a row in turn, the cheapest first.

        Which rows are errors does not depend on what was read before: a row is given
        if, and only if, some way from an entry leads to it without a sign of damage.
        """
        ends = (
            following is not None
            and bool(entry_of(self.index.entries, following) > row + 1)
            and self._may_end
        )
        if not self._position.seeks(row):
            self._ends = ends and self._leave_out
            try:
                return self._decode_up_to(row)
            except _UnexpectedFrameError:
                self._give_up()
        first: _UnexpectedFrameError | None = None
        ways = self._ways(entry, ends)
        if len(self.index.lost) and self.index.timed:
            ways = chain(ways, [_Way(entry, leave_out=True, passes_lost=True)])
        for way in ways:
            if not way.leave_out and row >= self._blocked.get(entry, len(self.index)):
                continue
            try:
                self._start(way)
                return self._decode_up_to(row)
            except _UnexpectedFrameError as error:
                if first is None:
                    first, shown = error, int(self.index.pts[row])
                    first.decoded = frozenset(p for p in self._pending if p > shown)
                self._give_up()
        assert first is not None
        self._blocked[entry] = min(row, self._blocked.get(entry, row))
        raise first

    @property
    def _may_end(self) -> bool:
        return self.index.timed and self.index.codec in _GIVES_WHAT_IT_HOLDS

    def _ways(self, entry: int, ends: bool) -> Iterator[_Way]:
        yield _Way(entry, leave_out=True, ends=ends)
        # A decoder holds pictures back until others follow, which may be damaged.
        if self._may_end:
            yield _Way(entry, leave_out=True, ends=not ends)
        # Some encoders call pictures unreferenced that are not.
        yield _Way(entry)
        # Some files call packets keyframes that are none. Without times, damage on the
        # way would count as no frame.
        if entry > 0 and self.index.timed:
            yield _Way(entry - 1)
        if self.index.timed:
            yield _Way(0)

    def _decode_up_to(self, row: int) -> Any:
        """Decodes on to ``row`` and returns its ``av.VideoFrame``."""
        position, index = self._position, self.index
        assert position.next_row is not None
        while True:
            frame, expected = self._next_frame(row), position.next_row
            while (
                expected < row
                and frame.pts != index.pts[expected]
                and self._is_left_out(expected)
            ):
                expected += 1
            if index.timed and frame.pts != index.pts[expected]:
                # Pictures shown before the entry may refer to what was not decoded;
                # they belong to the entry before.
                if self._leading and (frame.pts or 0) < index.pts[expected]:
                    continue
                raise _UnexpectedFrameError(
                    f"frame {expected} has time {frame.pts}, the index says "
                    f"{index.pts[expected]} (in units of {index.time_base} s)"
                )
            if frame.is_corrupt and not (self._passes_lost and index.is_lost(expected)):
                raise _UnexpectedFrameError(
                    f"frame {expected} is damaged", lasting=expected < row
                )
            self._leading = False
            self.frames_skipped += expected - position.next_row
            self.frames_decoded += expected + 1 - position.next_row
            position.next_row = expected + 1
            if expected == row:
                self._check_references(frame)
                self._skipped.clear()
                if self._finished:
                    self._interrupt()
                return frame

    def _is_left_out(self, row: int) -> bool:
        pts = int(self.index.pts[row])
        return (
            pts in self._skipped
            or (self._finished and pts not in self._pending)
            or (self._passes_lost and bool(self.index.is_lost(row)))
        )

    def _check_references(self, frame: Any) -> None:
        """Looks at what was decoded before a frame and is shown after it.

        Decoders mark damaged pictures, and it shows only when their turn has come.
        """
        if not self.index.timed:
            return
        held = set(takewhile(lambda pts: pts != frame.pts, self._pending))
        held = {pts for pts in held if pts > frame.pts}
        for pts in [pts for pts in self._pending if pts <= frame.pts]:
            del self._pending[pts]
        if not held or self.index.codec in _ERRORS_AT_ONCE:
            return
        latest, ahead = max(held), 0
        while held:
            if ahead == len(self._frames):
                if self._drained:
                    return
                self._decode(self._next_packet())
                continue
            other = self._frames[ahead]
            if other.is_corrupt and other.pts in held and not self._passes_lost:
                raise _UnexpectedFrameError("it refers to a damaged picture")
            held.discard(other.pts)
            # Second fields have packets, but no frames.
            if other.pts >= latest:
                return
            ahead += 1

    def _next_frame(self, row: int) -> Any:
        """The decoder's next frame; leaves out what ``row`` and later do not need."""
        wanted = int(self.index.pts[row])
        while not self._frames:
            packet = self._next_packet()
            if self._can_leave_out(packet, wanted):
                self._skipped.add(packet.pts)
                continue
            self._decode(packet)
            if self._ends and packet.pts == wanted and self._is_whole_picture():
                self._finished = self._drained = True
                self._decode(None)
        return self._frames.popleft()

    def _is_whole_picture(self) -> bool:
        """Whether no second field of the last picture follows in its own packet."""
        try:
            follows = next(self._packets, None)
        except READ_ERRORS:
            return True
        if follows is None:
            return True
        self._packets = chain([follows], self._packets)
        pts, rows = follows.pts, self.index.pts
        return not follows.size or (
            pts is not None and pts == rows[np.searchsorted(rows[:-1], pts)]
        )

    def _can_leave_out(self, packet: Any, before: int) -> bool:
        return (
            self._leave_out
            and packet.pts is not None
            and packet.pts < before
            and self._unreferenced is not None
            and self._unreferenced(memoryview(packet))
        )

    def _next_packet(self) -> Any:
        if self._drained:
            raise _UnexpectedFrameError("the video ends before it")
        try:
            packet = next(self._packets, None)
        except READ_ERRORS as error:
            check_readable(self._source, error)
            raise _UnexpectedFrameError(_why(error), lasting=True) from error
        if packet is None:
            raise _UnexpectedFrameError("the video ends before it")
        self._drained = not packet.size
        return packet

    def _decode(self, packet: Any) -> None:
        assert self._video is not None
        if packet is not None and packet.pts is not None:
            self._pending[packet.pts] = None
        try:
            self._frames.extend(self._video.stream.codec_context.decode(packet))
        except READ_ERRORS as error:
            pts = packet.pts if packet is not None else None
            if self._leading and pts is not None and pts < self._first_pts:
                return  # A picture shown before the entry, which nobody asked for.
            if self._passes_lost:
                return
            lasting = not (
                packet is not None
                and self._unreferenced is not None
                and self._unreferenced(memoryview(packet))
            )
            raise _UnexpectedFrameError(_why(error), lasting) from error

    def _start(self, way: _Way) -> None:
        """Makes the decoder ready to give the row of an entry."""
        self._interrupt()
        self.seeks += 1
        if self._video is None or not (self._fresh or self.index.seekable):
            self._open()
        packets = None
        if self.index.seekable and (way.entry > 0 or not self._fresh):
            packets = self._seek(way.entry)
            if packets is None:
                self._open()
        if packets is None:
            packets = self._skip_to(way.entry)
        if packets is None:
            raise _UnexpectedFrameError("its keyframe is not in the file")
        self._packets = packets
        self._leading = self.index.seekable
        self._leave_out, self._ends = way.leave_out, way.ends
        self._passes_lost = way.passes_lost
        self._position.next_row = int(self.index.entries[way.entry])
        self._first_pts = int(self.index.pts[self._position.next_row])

    def _open(self) -> None:
        if self._video is not None:
            self._video.close()
            self._video = None
        name = source_name(self._source)
        if fingerprint(self._source) != self.index.fingerprint:
            raise VideoError(
                f"video {name!r} has changed since it was indexed: ingest it again"
            )
        self._video = OpenVideo(self._source, strict=not self.index.open_gop)
        if self.index.timed and self.index.seekable:
            extradata = self._video.stream.codec_context.extradata or b""
            self._unreferenced = unreferenced_test(self.index.codec, extradata)
        if self._threads != 1:
            self._video.stream.thread_type = "AUTO"
            self._video.stream.codec_context.thread_count = self._threads
        self._fresh = True

    def _seek(self, entry: int) -> Iterator[Any] | None:
        """Packets from an entry on, or None if no seek leads there.

        Containers seek by presentation time, by decoding time, or badly; what worked
        last is tried first.
        """
        assert self._video is not None
        index = self.index
        targets = [index.seek_pts[entry], index.seek_dts[entry]]
        targets += [index.seek_pts[entry - back] for back in (1, 2, 4) if back <= entry]
        for i in range(len(targets)):
            way = (i + self._seek_way) % len(targets)
            if targets[way] == NO_PTS:
                continue
            self._fresh = False
            try:
                self._video.container.seek(int(targets[way]), stream=self._video.stream)
                packets = self._skip_to(entry)
            except READ_ERRORS:
                continue
            if packets is not None:
                self._seek_way = way
                return packets
        return None

    def _skip_to(self, entry: int) -> Iterator[Any] | None:
        """Packets from an entry on; None if the file position is behind it."""
        assert self._video is not None
        # Elsewhere the first packet after a seek may be the end of another.
        at_once = self._fresh or self._video.container.format.name.startswith(
            _WHOLE_PACKETS
        )
        self._fresh = False
        index = self.index
        pts, dts = int(index.seek_pts[entry]), int(index.seek_dts[entry])
        pos = int(index.seek_pos[entry])
        packets = self._video.container.demux(self._video.stream)
        for packet in packets:
            if not packet.size:
                return None
            same_place = pos < 0 or packet.pos is None or packet.pos == pos
            if at_once and same_place and pts in (NO_PTS, packet.pts):
                return chain([packet], packets)
            if NO_PTS != dts < (NO_PTS if packet.dts is None else packet.dts):
                return None
            at_once = True
        return None

    def _to_array(self, frame: Any) -> Frame:
        # One reformatter for all frames: to_ndarray alone makes one a frame.
        try:
            rgb = self._reformatter.reformat(
                frame, format="rgb24", interpolation=self._conversion, threads=1
            )
        except READ_ERRORS as error:
            raise VideoError(
                f"video {source_name(self._source)!r}: its pictures ({frame.format.name}"
                f", colour matrix {int(frame.colorspace)}) cannot be converted to RGB"
            ) from error
        plane = rgb.planes[0]
        shown: Frame = np.ndarray(
            (rgb.height, rgb.width, 3),
            np.uint8,
            memoryview(plane),
            strides=(plane.line_size, 3, 1),
        )
        if self.index.crop is not None:
            width, height = self.index.crop
            shown = shown[:height, :width]
        if self.index.mirrored:
            shown = shown[:, ::-1]
        if self.index.rotation:
            shown = np.rot90(shown, self.index.rotation // 90)
        array = pool.SHARED.empty(shown.shape[0], shown.shape[1])
        np.copyto(array, shown)
        return array
