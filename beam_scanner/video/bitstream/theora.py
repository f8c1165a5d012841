"""Packets of Theora."""

from __future__ import annotations

from beam_scanner.video.bitstream.codec import Bitstream

_IS_HEADER, _IS_INTER = 0x80, 0x40


class Theora(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    tells_keyframes = True

    def _is_keyframe(self, head: memoryview) -> bool:
        return not head[0] & (_IS_HEADER | _IS_INTER)
