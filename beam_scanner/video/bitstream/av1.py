"""Packets of AV1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream

_SEQUENCE, _FRAME_HEADERS, _TILE_LIST = 1, (3, 6), 8
_STILL, _SHOWS_OTHER, _SHOWN = 0x08, 0x80, 0x10
_SHOWN_KEY_FRAME = 1
# 'av1C' has four bytes before the sequence header.
_CONFIGURATION_BYTES = 4


class Av1(Bitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    def __init__(self, extradata: bytes) -> None:
        super().__init__(extradata)
        units = _units(memoryview(extradata)[_CONFIGURATION_BYTES:])
        self._is_still = any(_is_still(u.content) for u in units if u.kind == _SEQUENCE)

    def _is_keyframe(self, head: memoryview) -> bool:
        still = False
        for unit in _units(head):
            if unit.kind == _SEQUENCE:
                still = _is_still(unit.content)
            elif unit.kind in _FRAME_HEADERS:
                # It shows no other frame, is a key frame, and is shown.
                return still or unit.content[0] >> 4 == _SHOWN_KEY_FRAME
        return False

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        shown, still = 0, self._is_still
        for unit in _units(packet):
            if unit.spatial_layer or unit.kind == _TILE_LIST:
                return UNKNOWN
            if unit.kind == _SEQUENCE and unit.content:
                still = _is_still(unit.content)
            elif unit.kind in _FRAME_HEADERS and unit.content:
                shown += still or bool(unit.content[0] & (_SHOWS_OTHER | _SHOWN))
        return shown if shown < 2 else UNKNOWN


def _is_still(sequence_header: memoryview) -> bool:
    """Whether frames have short headers (reduced_still_picture_header)."""
    return bool(sequence_header[:1]) and bool(sequence_header[0] & _STILL)


class _Unit(NamedTuple):
    """An OBU."""

    kind: int
    spatial_layer: int
    content: memoryview


def _units(data: memoryview) -> Iterator[_Unit]:
    at = 0
    while at < len(data):
        head, spatial = data[at], 0
        at += 1
        if head & 4 and at < len(data):
            spatial = data[at] >> 3 & 3
            at += 1
        size, shift = len(data) - at, 0
        if head & 2:
            size = 0
            while at < len(data):
                byte = data[at]
                size |= (byte & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not byte & 0x80:
                    break
        yield _Unit(head >> 3 & 15, spatial, data[at : at + size])
        at += size
