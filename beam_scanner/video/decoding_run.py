"""Decodes on from one keyframe, and compares every frame with the index.

A file or a seek that gives other frames than expected is an error here, never a wrong
frame; the decoder then makes another attempt.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from beam_scanner.measure.spans import part
from beam_scanner.rows.gops import keyframe_at
from beam_scanner.video.cursor import PacketCursor
from beam_scanner.video.decode_attempts import Attempt, UnexpectedFrameError
from beam_scanner.video.decoder_setup import setup_of, with_data, with_setup
from beam_scanner.video.decoder_traits import RAISES_AT_ONCE
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.linear import READ_ERRORS, why
from beam_scanner.video.source import VideoSource, check_readable


class DecodingRun:
    """One start of a decoder, and what it has given since.

    Args:
        source: The file.
        index: Its index.
        cursor: Stands at the keyframe's first packet.
        attempt: How to decode.

    Attributes:
        next_row: The row that comes next.
        left_out: How many rows were left out, since nothing needs them.
        ends: Whether to decode nothing behind the packet of the wanted row.
        finished: Whether that was done, so that no later row can be had.
    """

    def __init__(
        self,
        source: VideoSource,
        index: FrameIndex,
        cursor: PacketCursor,
        attempt: Attempt,
    ) -> None:
        self._source, self._index, self._cursor = source, index, cursor
        self._attempt = attempt
        self._context, self._bitstream = cursor.context, cursor.bitstream
        self.next_row = int(index.keyframes[attempt.keyframe])
        self.left_out = 0
        self.ends, self.finished = attempt.ends, False
        # Where times tell frames apart and say which come first.
        self._ordered = index.timed and index.monotonic
        self._tells_unreferenced = self._ordered and index.seekable
        self._by_place = len(index.keyframe_packets) > 0
        # What the decoder is given with its first packet, and how many it had.
        self._setup = setup_of(index.setups, attempt.keyframe)
        self._decoded = 0
        self._frames: deque[Any] = deque()
        # Whether the decoder was given the end.
        self._drained = False
        # Times of packets that were left out.
        self._skipped: set[int] = set()
        # Times of packets whose frames have not been shown, in decoding order.
        self._pending: dict[int, None] = {}
        # Whether frames may come that are shown before the keyframe.
        self._leading = index.seekable
        self._first_pts = int(index.pts[self.next_row])

    def reaches(self, row: int) -> bool:
        """Whether reading on is the way to a row, rather than a seek."""
        if self.finished or row < self.next_row:
            return False
        if row == self.next_row:
            return True
        return bool(keyframe_at(self._index.keyframes, row) <= self.next_row)

    @property
    def leaves_out(self) -> bool:
        """Whether pictures to which no other refers are left out."""
        return self._attempt.leave_out

    def decoded_after(self, row: int) -> frozenset[int]:
        """Times of pictures that were decoded already and are shown after a row."""
        shown = int(self._index.pts[row])
        return frozenset(pts for pts in self._pending if pts > shown)

    def decode_up_to(self, row: int) -> Any:
        """Decodes on to a row and returns its ``av.VideoFrame``.

        Raises:
            UnexpectedFrameError: A frame on the way is not what the index says.
        """
        while True:
            frame = self._next_frame(row)
            expected = self._row_of(frame, row)
            if expected is None:
                continue
            if frame.is_corrupt and not self._is_passed(expected):
                raise UnexpectedFrameError(
                    f"frame {expected} is damaged", lasting=expected < row
                )
            self._leading = False
            self.left_out += expected - self.next_row
            self.next_row = expected + 1
            if expected == row:
                self._check_references(frame)
                self._skipped.clear()
                return frame

    def _row_of(self, frame: Any, row: int) -> int | None:
        """The row of a frame, at most ``row``; None if it is not to be shown."""
        index, expected = self._index, self.next_row
        while (
            expected < row
            and frame.pts != index.pts[expected]
            and self._is_left_out(expected)
        ):
            expected += 1
        if self._by_place and self._is_leading(frame, 0):
            return None
        if index.timed and frame.pts != index.pts[expected]:
            if self._is_leading(frame, int(index.pts[expected])):
                return None
            raise UnexpectedFrameError(
                f"frame {expected} has time {frame.pts}, the index says "
                f"{index.pts[expected]} (in units of {index.time_base} s)"
            )
        return expected

    def _is_leading(self, frame: Any, first: int) -> bool:
        """Whether a frame is shown before the keyframe, so that an earlier one owns it.

        Such pictures may refer to what was not decoded.
        """
        if not self._leading:
            return False
        if self._by_place:
            return frame.opaque not in (None, 0)
        return bool((frame.pts or 0) < first)

    def _is_left_out(self, row: int) -> bool:
        pts = int(self._index.pts[row])
        return (
            pts in self._skipped
            or (self.finished and pts not in self._pending)
            or self._is_passed(row)
        )

    def _is_passed(self, row: int) -> bool:
        """Whether a row is lost, and this attempt decodes on past such."""
        return self._attempt.passes_lost and bool(self._index.is_lost(row))

    def _check_references(self, frame: Any) -> None:
        """Looks at what was decoded before a frame and is shown after it.

        Decoders mark damaged pictures, and it shows only when their turn has come.
        """
        if not self._ordered:
            return
        held = self._passes(frame.pts)
        if not held or self._index.codec in RAISES_AT_ONCE:
            return
        latest, ahead = max(held), 0
        while held:
            if ahead == len(self._frames):
                if self._drained:
                    return
                self._decode(self._next_packet())
                continue
            other = self._frames[ahead]
            if other.is_corrupt and other.pts in held and not self._attempt.passes_lost:
                raise UnexpectedFrameError("it refers to a damaged picture")
            held.discard(other.pts)
            # Second fields have packets, but no frames.
            if other.pts >= latest:
                return
            ahead += 1

    def _passes(self, shown: int) -> set[int]:
        """Forgets the pictures up to one that is shown.

        Returns:
            Times of those that were decoded before it and are shown after it.
        """
        passed, held, before = [], set(), True
        for pts in self._pending:
            if pts <= shown:
                passed.append(pts)
                before = before and pts != shown
            elif before:
                held.add(pts)
        for pts in passed:
            del self._pending[pts]
        return held

    def _next_frame(self, row: int) -> Any:
        """The decoder's next frame; leaves out what ``row`` and later do not need."""
        wanted = int(self._index.pts[row])
        while not self._frames:
            packet = self._next_packet()
            if packet is not None and self._can_leave_out(packet, wanted):
                self._skipped.add(packet.pts)
                continue
            self._decode(packet)
            if packet is None or not self.ends or packet.pts != wanted:
                continue
            if self._is_whole_picture():
                self.finished = self._drained = True
                self._decode(None)
        return self._frames.popleft()

    def _is_whole_picture(self) -> bool:
        """Whether no second field of the last picture follows in its own packet."""
        try:
            follows = self._cursor.next_packet()
        except READ_ERRORS:
            return True
        if follows is None:
            return True
        self._cursor.put_back(follows)
        pts, rows = follows.pts, self._index.pts
        return pts is not None and bool(pts == rows[np.searchsorted(rows[:-1], pts)])

    def _can_leave_out(self, packet: Any, before: int) -> bool:
        return (
            self._attempt.leave_out
            and packet.pts is not None
            and packet.pts < before
            and self._is_unreferenced(packet)
        )

    def _is_unreferenced(self, packet: Any) -> bool:
        known = self._tells_unreferenced
        return known and self._bitstream.is_unreferenced(memoryview(packet))

    def _next_packet(self) -> Any:
        if self._drained:
            raise UnexpectedFrameError("the video ends before it")
        try:
            with part("read bytes"):
                packet = self._cursor.next_packet()
        except READ_ERRORS as error:
            check_readable(self._source, error)
            raise UnexpectedFrameError(why(error), lasting=True) from error
        self._drained = packet is None
        return packet

    def _decode(self, packet: Any) -> None:
        if packet is not None and packet.pts is not None:
            self._pending[packet.pts] = None
        try:
            given = None if packet is None else self._as_given(packet)
            if given is not None or packet is None:
                with part("decode"):
                    self._frames.extend(self._context.decode(given))
        except READ_ERRORS as error:
            if not self._is_harmless(packet):
                lasting = packet is None or not self._is_unreferenced(packet)
                raise UnexpectedFrameError(why(error), lasting) from error

    def _is_harmless(self, packet: Any) -> bool:
        """Whether an error of the decoder touches no row that is asked for."""
        pts = packet.pts if packet is not None else None
        if self._leading and pts is not None and pts < self._first_pts:
            return True  # A picture shown before the keyframe.
        if self._attempt.passes_lost:
            return True
        return packet is not None and self._bitstream.pictures(memoryview(packet)) == 0

    def _as_given(self, packet: Any) -> Any:
        """A packet as the decoder is to have it; None for one that it is not given."""
        if not self._attempt.messages:
            data = self._bitstream.without_messages(memoryview(packet))
            if data == b"":
                return None
            packet = packet if data is None else with_data(packet, data)
        if self._setup:
            packet, self._setup = with_setup(packet, self._setup), {}
        if self._by_place:
            packet.opaque, self._decoded = self._decoded, self._decoded + 1
        return packet
