"""Packets of FFV1.

Decoders put a part of the last picture in the place of one whose checksum is wrong,
without a word. But the checksum can be computed.
"""

from __future__ import annotations

import zlib

from beam_scanner.video.bitstream.codec import Bitstream, Damage

_FOOTER_BYTES = 8
_HALF_RANGE = 0x7F80
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL_ONES = 0xFFFFFFFF


class Ffv1(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def _is_keyframe(self, head: memoryview) -> bool:
        # The first decision of the range coder, at even odds.
        return (head[0] << 8 | head[1]) >= _HALF_RANGE

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        return 1

    def damage(self, packet: memoryview) -> Damage | None:
        """See :meth:`Bitstream.damage`.

        Each slice ends with its size, a byte for its state, and a checksum. Streams
        without checksums have shorter footers, by which the sizes do not add up.
        """
        slices, end = [], len(packet)
        while end >= _FOOTER_BYTES:
            footer = end - _FOOTER_BYTES
            start = footer - int.from_bytes(packet[footer : footer + 3], "big")
            if start < 0:
                return None
            slices.append((start, end))
            end = start
        if end:
            return None
        for start, end in slices:
            # zlib's CRC takes bits from the other end, and begins with ones.
            mirrored = bytes(packet[start:end]).translate(_MIRRORED)
            if zlib.crc32(mirrored, _ALL_ONES) != _ALL_ONES:
                return Damage("the checksum of its data is wrong")
        return None
