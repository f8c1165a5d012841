"""Decodes chosen rows of a video, exactly.

A decoder starts at the last entry at or before a row and decodes up to it; for rows
that follow it reads on, and seeks only where that skips frames (see
:mod:`beam_scanner.rows.gops`). On the way it leaves out pictures to which no other refers,
which changes no pixel of the others. Every frame's time is compared with the index: a
file or a seek that gives other frames than expected leads to another attempt from
further back and then to an error, never to a wrong frame.

After any sign of damage the file is opened anew, since decoders carry what they
concealed over seeks. So whether a row is given, and its bytes, do not depend on what
was read before it.

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
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, RowError, VideoError
from beam_scanner.rows.gops import DecodePosition, entry_of
from beam_scanner.video.bitstream.codec import Bitstream
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.conversion import FrameConverter
from beam_scanner.video.decoder_setup import setup_of, with_data, with_setup
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.linear import READ_ERRORS, why
from beam_scanner.video.seeking import PacketSeeker
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
        messages: Whether the decoder is given messages that pictures do not need.
    """

    entry: int
    leave_out: bool = False
    ends: bool = False
    passes_lost: bool = False
    messages: bool = True


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
        # Where times tell frames apart and say which come first.
        self._ordered = index.timed and index.monotonic
        self._by_place = len(index.entry_packets) > 0
        self._messages = index.messages
        # By entry, the first row that damage spoils with all later ones.
        self._spoilt: dict[int, tuple[int, _UnexpectedFrameError]] = {}
        # By entry, the first row to which no way leads that leaves nothing out.
        self._blocked: dict[int, int] = {}
        self._forget()

    def _forget(self) -> None:
        self._video: OpenVideo | None = None
        self._convert = FrameConverter(self.index, source_name(self._source))
        self._seeker: PacketSeeker | None = None
        self._bitstream = Bitstream(b"")
        self._interrupt()

    def _interrupt(self) -> None:
        """Forgets the decoding position, so that the next row starts at an entry."""
        self._position = DecodePosition(self.index.entries)
        self._packets: Iterator[Any] = iter(())
        self._frames: deque[Any] = deque()
        self._skipped: set[int] = set()
        self._leading = False
        # What the decoder is given with its first packet, and how many it had.
        self._setup: dict[str, bytes] = {}
        self._decoded = 0
        self._withholds = False
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

    def decode_frame(self, row: int) -> Any:
        """The picture of a row as FFmpeg decodes it: an ``av.VideoFrame``.

        Raises:
            VideoError: As :meth:`read`. So do the other errors.
        """
        self._check_rows(np.array([row]))
        return self._read_row(row, None, lambda frame: frame)

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

    def _read_row(
        self,
        row: int,
        following: int | None,
        convert: Callable[[Any], Any] | None = None,
    ) -> Any:
        entry = int(np.searchsorted(self.index.entries, row, side="right")) - 1
        spoilt = self._spoilt.get(entry)
        pts = int(self.index.pts[row])
        if self.index.is_lost(row):
            reason = "; ".join(self.index.damage)
        elif spoilt and row >= spoilt[0] and pts not in spoilt[1].decoded:
            reason = str(spoilt[1])
        else:
            try:
                frame = self._decode_row(row, entry, following)
                return convert(frame) if convert else self._convert(frame)
            except _UnexpectedFrameError as error:
                reason = str(error)
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
            f"be decoded: {reason}"
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
                frame = self._decode_up_to(row)
                self._messages = self._messages and way.messages
                return frame
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
        return self._ordered and self.index.codec in _GIVES_WHAT_IT_HOLDS

    def _ways(self, entry: int, ends: bool) -> Iterator[_Way]:
        yield _Way(entry, leave_out=True, ends=ends)
        # A decoder holds pictures back until others follow, which may be damaged.
        if self._may_end:
            yield _Way(entry, leave_out=True, ends=not ends)
        # Some encoders call pictures unreferenced that are not.
        yield _Way(entry)
        if self._messages and self._bitstream.has_messages:
            yield _Way(entry, messages=False)
        # Some files call packets keyframes that are none. Without times, damage on the
        # way would count as no frame.
        if entry > 0 and self.index.timed:
            yield _Way(entry - 1)
        if self.index.timed:
            yield _Way(0)
            if self._messages and self._bitstream.has_messages:
                yield _Way(0, messages=False)

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
            if self._by_place and self._is_leading(frame, 0):
                continue
            if index.timed and frame.pts != index.pts[expected]:
                if self._is_leading(frame, int(index.pts[expected])):
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

    def _is_leading(self, frame: Any, first: int) -> bool:
        """Whether it is shown before the entry, to the start before which it belongs.

        Such pictures may refer to what was not decoded.
        """
        if not self._leading:
            return False
        if self._by_place:
            return frame.opaque not in (None, 0)
        return bool((frame.pts or 0) < first)

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
        if not self._ordered:
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
            if packet is not None and self._can_leave_out(packet, wanted):
                self._skipped.add(packet.pts)
                continue
            self._decode(packet)
            if packet is None or not self._ends or packet.pts != wanted:
                continue
            if self._is_whole_picture():
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
        return pts is not None and bool(pts == rows[np.searchsorted(rows[:-1], pts)])

    def _can_leave_out(self, packet: Any, before: int) -> bool:
        return (
            self._leave_out
            and packet.pts is not None
            and packet.pts < before
            and self._is_unreferenced(packet)
        )

    def _is_unreferenced(self, packet: Any) -> bool:
        known = self._ordered and self.index.seekable
        return known and self._bitstream.is_unreferenced(memoryview(packet))

    def _next_packet(self) -> Any:
        if self._drained:
            raise _UnexpectedFrameError("the video ends before it")
        try:
            packet = next(self._packets, None)
        except READ_ERRORS as error:
            check_readable(self._source, error)
            raise _UnexpectedFrameError(why(error), lasting=True) from error
        self._drained = packet is None
        return packet

    def _decode(self, packet: Any) -> None:
        assert self._video is not None
        if packet is not None and packet.pts is not None:
            self._pending[packet.pts] = None
        try:
            given = self._as_given(packet)
            if given is not None or packet is None:
                context = self._video.stream.codec_context
                self._frames.extend(context.decode(given))
        except READ_ERRORS as error:
            pts = packet.pts if packet is not None else None
            if self._leading and pts is not None and pts < self._first_pts:
                return  # A picture shown before the entry, which nobody asked for.
            if self._passes_lost or self._holds_no_picture(packet):
                return
            lasting = packet is None or not self._is_unreferenced(packet)
            raise _UnexpectedFrameError(why(error), lasting) from error

    def _holds_no_picture(self, packet: Any) -> bool:
        return packet is not None and self._bitstream.pictures(memoryview(packet)) == 0

    def _as_given(self, packet: Any) -> Any:
        """A packet as the decoder is to have it; None for nothing, and at the end."""
        if packet is None:
            return None
        if self._withholds and self._bitstream.has_messages:
            data = self._bitstream.without_messages(memoryview(packet))
            if data == b"":
                return None
            packet = packet if data is None else with_data(packet, data)
        if self._setup:
            packet, self._setup = with_setup(packet, self._setup), {}
        if self._by_place:
            packet.opaque, self._decoded = self._decoded, self._decoded + 1
        return packet

    def _start(self, way: _Way) -> None:
        """Makes the decoder ready to give the row of an entry."""
        self._interrupt()
        self.seeks += 1
        fresh = self._seeker is not None and self._seeker.fresh
        if self._video is None or not (fresh or self.index.seekable):
            self._open()
        assert self._seeker is not None
        packets = None
        if self.index.seekable and (way.entry > 0 or not self._seeker.fresh):
            packets = self._seeker.seek(way.entry)
            if packets is None:
                self._open()
        if packets is None:
            packets = self._seeker.read_to(way.entry)
        if packets is None:
            raise _UnexpectedFrameError("its keyframe is not in the file")
        self._packets = packets
        self._leading = self.index.seekable
        self._leave_out, self._ends = way.leave_out, way.ends
        self._passes_lost = way.passes_lost
        self._withholds = not (way.messages and self._messages)
        self._setup = setup_of(self.index.setups, way.entry)
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
        self._video = OpenVideo(self._source, strict=self.index.strict)
        extradata = self._video.stream.codec_context.extradata
        self._bitstream = bitstream(self.index.codec, extradata)
        self._video.stream.codec_context.copy_opaque = self._by_place
        if self._threads != 1:
            self._video.stream.thread_type = "AUTO"
            self._video.stream.codec_context.thread_count = self._threads
        self._seeker = PacketSeeker(self._video, self.index)
