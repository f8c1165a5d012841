"""Finds the packets from an entry on, and makes sure that they are those."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from beam_scanner.video.index import NO_PTS, FrameIndex
from beam_scanner.video.linear import READ_ERRORS
from beam_scanner.video.source import OpenVideo

# Containers that say where packets begin.
_WHOLE_PACKETS = ("mov", "matroska", "avi", "flv", "ivf", "ogg", "asf", "mxf", "nut")


class PacketSeeker:
    """Seeks in a video that was just opened.

    Args:
        video: The file.
        index: Its index.

    Attributes:
        fresh: Whether nothing has been read since it was opened.
    """

    def __init__(self, video: OpenVideo, index: FrameIndex) -> None:
        self.fresh = True
        self._video, self._index = video, index
        self._by_place = len(index.entry_packets) > 0
        self._way = 0

    def seek(self, entry: int) -> Iterator[Any] | None:
        """Packets from an entry on, or None if no seek leads there.

        Containers seek by presentation time, by decoding time, or badly; what worked
        last is tried first.
        """
        index = self._index
        if self._by_place:
            return self._seek_place(entry)
        targets = [index.seek_pts[entry], index.seek_dts[entry]]
        targets += [index.seek_pts[entry - back] for back in (1, 2, 4) if back <= entry]
        for i in range(len(targets)):
            way = (i + self._way) % len(targets)
            if targets[way] == NO_PTS:
                continue
            self.fresh = False
            try:
                self._video.container.seek(int(targets[way]), stream=self._video.stream)
                packets = self._read_by_time(entry)
            except READ_ERRORS:
                continue
            if packets is not None:
                self._way = way
                return packets
        return None

    def _seek_place(self, entry: int) -> Iterator[Any] | None:
        """Packets from an entry on, by its byte position in the file."""
        place, pts = int(self._index.seek_pos[entry]), int(self._index.seek_pts[entry])
        if place < 0 or entry == 0:
            return None
        self.fresh = False
        try:
            self._video.container.seek(
                place, stream=self._video.stream, unsupported_byte_offset=True
            )
            packets = self._video.packets()
            packet = next(packets)
        except READ_ERRORS:
            return None
        if packet is None or packet.pos != place or packet.pts != pts:
            return None
        return chain([packet], packets)

    def read_to(self, entry: int) -> Iterator[Any] | None:
        """Packets from an entry on; None if the file position is behind it."""
        if not self._by_place:
            return self._read_by_time(entry)
        self.fresh = False
        packets = self._video.packets()
        for _ in range(int(self._index.entry_packets[entry])):
            next(packets, None)
        return packets

    def _read_by_time(self, entry: int) -> Iterator[Any] | None:
        # Elsewhere the first packet after a seek may be the end of another.
        name = self._video.container.format.name
        at_once = self.fresh or name.startswith(_WHOLE_PACKETS)
        self.fresh = False
        index = self._index
        pts, dts = int(index.seek_pts[entry]), int(index.seek_dts[entry])
        pos = int(index.seek_pos[entry])
        packets = self._video.packets()
        for packet in packets:
            if packet is None:
                return None
            same_place = pos < 0 or packet.pos is None or packet.pos == pos
            if at_once and same_place and pts in (NO_PTS, packet.pts):
                return chain([packet], packets)
            if NO_PTS != dts < (NO_PTS if packet.dts is None else packet.dts):
                return None
            at_once = True
        return None
