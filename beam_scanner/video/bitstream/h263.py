"""Packets of H.263 and of its variant in Flash video."""

from __future__ import annotations

from beam_scanner.video.bitstream.bits import Bits
from beam_scanner.video.bitstream.codec import Bitstream

_HEAD_BYTES = 16
_EXTENDED, _UPDATES_FORMAT = 7, 1


class H263(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    tells_keyframes = True

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

    tells_keyframes = True

    def _is_keyframe(self, head: memoryview) -> bool:
        bits = Bits(bytes(head[:_HEAD_BYTES]))
        # Start code, version and time; then the size, which may be in 16 or 32 bits.
        bits.take(30)
        bits.take({0: 16, 1: 32}.get(bits.take(3), 0))
        return bits.take(2) == 0
