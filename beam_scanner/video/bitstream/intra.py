"""Packets of codecs in which every picture is a keyframe, as its beginning says."""

from __future__ import annotations

from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream

_SMALLEST_DNXHD = 640


class Mjpeg(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        return 1 if bytes(packet[:3]) == b"\xff\xd8\xff" else UNKNOWN


class ProRes(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        return 1 if bytes(packet[4:8]) == b"icpf" else UNKNOWN


class DnxHd(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        return 1 if len(packet) >= _SMALLEST_DNXHD else UNKNOWN
