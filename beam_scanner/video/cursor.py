"""Where in a file's packets a decoder is: seeking to a keyframe, and reading on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from beam_scanner.errors import VideoError
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.decoding import Decoding
from beam_scanner.video.index import NO_PTS, FrameIndex
from beam_scanner.video.linear import READ_ERRORS
from beam_scanner.video.source import VideoSource, fingerprint, source_name

# Containers that say where packets begin.
_WHOLE_PACKETS = ("mov", "matroska", "avi", "flv", "ivf", "ogg", "asf", "mxf", "nut")


class PacketCursor:
    """A place in the packets of a video, whose file is opened when it is needed.

    Args:
        source: The file.
        index: Its index.
        threads: Threads for decoding one frame after another; 0 for one a core.
        decoding: Opens the file.

    Attributes:
        bitstream: Reads the packets.
    """

    def __init__(
        self, source: VideoSource, index: FrameIndex, threads: int, decoding: Decoding
    ) -> None:
        self._source, self._index, self._threads = source, index, threads
        self._decoding = decoding
        self._by_place = len(index.keyframe_packets) > 0
        self._video: OpenVideo | None = None
        self._packets: Iterator[Any] = iter(())
        # Whether nothing has been read since the file was opened.
        self._fresh = False
        # Which kind of seek led to its goal last.
        self._kind_of_seek = 0
        self.bitstream = bitstream(index.codec)

    @property
    def context(self) -> Any:
        """The ``av.CodecContext`` of the open file."""
        assert self._video is not None
        return self._video.context

    def close(self) -> None:
        """Closes the file; the next move opens it again."""
        if self._video is not None:
            self._video.close()
            self._video = None
        self._packets = iter(())

    def move_to(self, keyframe: int) -> bool:
        """Makes the first packet of a keyframe the next one.

        Args:
            keyframe: Its number in the index.

        Returns:
            False if it is not in the file.

        Raises:
            VideoError: The file has changed since it was indexed.
        """
        seekable = self._index.seekable
        # The first packet may be called a keyframe and be none: then what a decoder
        # paints its changes on must not be what it decoded before.
        stale = keyframe == 0 and not self.bitstream.tells_keyframes
        if self._video is None or not (self._fresh or (seekable and not stale)):
            self._open()
        packets = None
        if seekable and (keyframe > 0 or not self._fresh):
            packets = self._seek(keyframe)
            if packets is None:
                self._open()
        if packets is None:
            packets = self._read_to(keyframe)
        self._packets = packets or iter(())
        return packets is not None

    def next_packet(self) -> Any:
        """The next ``av.Packet``; None at the end."""
        return next(self._packets, None)

    def put_back(self, packet: Any) -> None:
        """Makes a packet the next one again."""
        self._packets = chain([packet], self._packets)

    def _open(self) -> None:
        self.close()
        index = self._index
        if fingerprint(self._source) != index.fingerprint:
            raise VideoError(
                f"video {source_name(self._source)!r} has changed since it was "
                "indexed: ingest it again"
            )
        self._video = self._decoding.open(self._source, index)
        self._fresh, self._kind_of_seek = True, 0
        context = self.context
        self.bitstream = bitstream(index.codec, context.extradata)
        context.copy_opaque = self._by_place
        if self._threads != 1:
            self._video.stream.thread_type = "AUTO"
            context.thread_count = self._threads

    def _seek(self, keyframe: int) -> Iterator[Any] | None:
        """Packets from a keyframe on, or None if no seek leads there.

        Containers seek by presentation time, by decoding time, or badly; what worked
        last is tried first.
        """
        if self._by_place:
            return self._seek_place(keyframe)
        index = self._index
        targets = [index.seek_pts[keyframe], index.seek_dts[keyframe]]
        before = [keyframe - back for back in (1, 2, 4) if back <= keyframe]
        targets += [index.seek_pts[earlier] for earlier in before]
        for i in range(len(targets)):
            kind = (i + self._kind_of_seek) % len(targets)
            if targets[kind] == NO_PTS:
                continue
            packets = self._packets_at(int(targets[kind]), keyframe)
            if packets is not None:
                self._kind_of_seek = kind
                return packets
        return None

    def _packets_at(self, time: int, keyframe: int) -> Iterator[Any] | None:
        assert self._video is not None
        self._fresh = False
        try:
            self._video.seek(time)
            return self._read_by_time(keyframe)
        except READ_ERRORS:
            return None

    def _seek_place(self, keyframe: int) -> Iterator[Any] | None:
        """Packets from a keyframe on, by its byte position in the file."""
        assert self._video is not None
        place = int(self._index.seek_pos[keyframe])
        pts = int(self._index.seek_pts[keyframe])
        if place < 0 or keyframe == 0:
            return None
        self._fresh = False
        try:
            self._video.seek(place, unsupported_byte_offset=True)
            packets = self._video.packets()
            packet = next(packets)
        except READ_ERRORS:
            return None
        if packet is None or packet.pos != place or packet.pts != pts:
            return None
        return chain([packet], packets)

    def _read_to(self, keyframe: int) -> Iterator[Any] | None:
        """Packets from a keyframe on; None if the file position is past it."""
        if not self._by_place:
            return self._read_by_time(keyframe)
        assert self._video is not None
        self._fresh = False
        packets = self._video.packets()
        for _ in range(int(self._index.keyframe_packets[keyframe])):
            next(packets, None)
        return packets

    def _read_by_time(self, keyframe: int) -> Iterator[Any] | None:
        assert self._video is not None
        # Elsewhere the first packet after a seek may be the end of another.
        name = self._video.container.format.name
        at_once = self._fresh or name.startswith(_WHOLE_PACKETS)
        self._fresh = False
        index = self._index
        pts, dts = int(index.seek_pts[keyframe]), int(index.seek_dts[keyframe])
        pos = int(index.seek_pos[keyframe])
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
