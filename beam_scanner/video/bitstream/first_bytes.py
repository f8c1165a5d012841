"""Codecs whose packets say in their first bytes what they are.

Every picture of Motion JPEG, ProRes and DNxHD is a keyframe. The packets of Theora, VP8,
H.263 and its variant in Flash video say whether they are.
"""

from __future__ import annotations

from beam_scanner.video.bitstream.bits import Bits
from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream

_SMALLEST_DNXHD = 640
_IS_HEADER, _IS_INTER = 0x80, 0x40
_HEAD_BYTES = 16
_EXTENDED, _UPDATES_FORMAT = 7, 1


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


class Theora(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def _is_keyframe(self, head: memoryview) -> bool:
        return not head[0] & (_IS_HEADER | _IS_INTER)


class Vp8(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def _is_keyframe(self, head: memoryview) -> bool:
        return not head[0] & 1

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`; an alternate reference is not shown."""
        return packet[0] >> 4 & 1


class H263(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def _is_keyframe(self, head: memoryview) -> bool:
        bits = Bits(bytes(head[:_HEAD_BYTES]))
        # Start code, time, flags, up to the source format.
        bits.take(35)
        if bits.take(3) != _EXTENDED:
            return bits.take(1) == 0
        if bits.take(3) == _UPDATES_FORMAT:
            bits.take(18)
        return bits.take(3) == 0


class Flv1(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def _is_keyframe(self, head: memoryview) -> bool:
        bits = Bits(bytes(head[:_HEAD_BYTES]))
        # Start code, version and time; then the size, which may be in 16 or 32 bits.
        bits.take(30)
        bits.take({0: 16, 1: 32}.get(bits.take(3), 0))
        return bits.take(2) == 0
