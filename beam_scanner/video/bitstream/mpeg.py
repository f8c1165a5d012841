"""Packets of MPEG-1, MPEG-2 and MPEG-4 Part 2."""

from __future__ import annotations

from typing import ClassVar

from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream

_SEQUENCE, _GROUP, _PICTURE = b"\0\0\1\xb3", b"\0\0\1\xb8", b"\0\0\1\0"
_OBJECT_LAYER, _OBJECT_GROUP, _OBJECT_PLANE = (
    b"\0\0\1\x20",
    b"\0\0\1\xb3",
    b"\0\0\1\xb6",
)
_HEAD_BYTES = 4096
# Smaller ones may be "not coded", which shows nothing.
_SMALLEST_PICTURE = 21


class _MpegBitstream(Bitstream):
    """What these have in common: start codes, and a header of the whole sequence.

    Attributes:
        header: The start code of that header.
        header_ends: Start codes of what may follow it.
        picture: The start code of a picture.
    """

    header: ClassVar[bytes]
    header_ends: ClassVar[tuple[bytes, bytes]]
    picture: ClassVar[bytes]

    def parameter_sets(self, packet: memoryview) -> list[bytes]:
        """The header of the sequence, if it stands in the packet."""
        head = bytes(packet[:_HEAD_BYTES])
        start = head.find(self.header)
        if start < 0:
            return []
        ends = [head.find(end, start) for end in self.header_ends]
        stop = min((at for at in ends if at >= 0), default=-1)
        return [head[start:stop]] if stop >= 0 else []

    def _picture_header(self, head: memoryview) -> bytes:
        """The bytes after the start code of the first picture; b'' for none."""
        return bytes(head).partition(self.picture)[2]


class Mpeg12(_MpegBitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    header = _SEQUENCE
    header_ends = (_GROUP, _PICTURE)
    picture = _PICTURE

    def _is_keyframe(self, head: memoryview) -> bool:
        return self._picture_header(head)[1] >> 3 & 7 == 1


class Mpeg4(_MpegBitstream):
    r"""See :class:`beam_scanner.video.bitstream.codec.Bitstream`.

    Examples:
        >>> stream = Mpeg4(b'')
        >>> stream.is_keyframe(memoryview(b'\0\0\1\xb6\x10'))
        True
        >>> stream.is_keyframe(memoryview(b'\0\0\1\xb6\x50'))
        False
    """

    header = _OBJECT_LAYER
    header_ends = (_OBJECT_GROUP, _OBJECT_PLANE)
    picture = _OBJECT_PLANE

    def _is_keyframe(self, head: memoryview) -> bool:
        return self._picture_header(head)[0] >> 6 == 0

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        if len(packet) < _SMALLEST_PICTURE:
            return UNKNOWN
        return 1 if bytes(packet).count(_OBJECT_PLANE) == 1 else UNKNOWN
