"""Packets of VP8."""

from __future__ import annotations

from beam_scanner.video.bitstream.codec import Bitstream


class Vp8(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    tells_keyframes = True

    def _is_keyframe(self, head: memoryview) -> bool:
        return not head[0] & 1

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`; an alternate reference is not shown."""
        return packet[0] >> 4 & 1
