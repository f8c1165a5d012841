"""Packets of VP9."""

from __future__ import annotations

from collections.abc import Iterator

from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream

_FRAME_MARKER, _SUPERFRAME_MARKER = 2, 0xC0


class Vp9(Bitstream):
    r"""See :class:`beam_scanner.video.bitstream.codec.Bitstream`.

    Examples:
        >>> stream = Vp9(b'')
        >>> stream.pictures(memoryview(b'\x86')), stream.pictures(memoryview(b'\x84'))
        (1, 0)
    """

    def _is_keyframe(self, head: memoryview) -> bool:
        first = head[0]
        shows_other, is_inter = (4, 2) if _is_profile_3(first) else (8, 4)
        is_frame = first >> 6 == _FRAME_MARKER
        return is_frame and not first & (shows_other | is_inter)

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        shown = 0
        for frame in _frames(packet):
            first = frame[0]
            if first >> 6 != _FRAME_MARKER:
                return UNKNOWN
            shows_other, is_shown = (4, 1) if _is_profile_3(first) else (8, 2)
            shown += bool(first & shows_other) or bool(first & is_shown)
        return shown if shown < 2 else UNKNOWN


def _is_profile_3(first: int) -> bool:
    """Whether flags are one bit further right, behind a reserved one."""
    return first & 0x30 == 0x30


def _frames(packet: memoryview) -> Iterator[memoryview]:
    """The frames of a superframe, by the index at its end; else the packet."""
    mark = packet[-1]
    count, width = (mark & 7) + 1, (mark >> 3 & 3) + 1
    table = 2 + count * width
    is_superframe = mark & 0xE0 == _SUPERFRAME_MARKER and len(packet) >= table
    if not is_superframe or packet[-table] != mark:
        yield packet
        return
    at, entry = 0, len(packet) - table + 1
    for _ in range(count):
        size = int.from_bytes(packet[entry : entry + width], "little")
        if size and at + size <= len(packet):
            yield packet[at : at + size]
        at, entry = at + size, entry + width
