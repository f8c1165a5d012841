"""Packets of HEVC."""

from __future__ import annotations

from collections.abc import Iterator

from beam_scanner.video.bitstream.bits import Bits
from beam_scanner.video.bitstream.codec import UNKNOWN
from beam_scanner.video.bitstream.nal import USUAL_LENGTH, NalBitstream, nal_units

_BLA, _IRAP, _LAST_IRAP, _LAST_VCL = (16, 17, 18), range(16, 24), 21, 31
_VPS, _SPS, _PPS, _SEI, _SUFFIX_SEI = 32, 33, 34, 39, 40
# End of a sequence, end of the stream.
_ENDS = (36, 37)


class Hevc(NalBitstream):
    """See :class:`beam_scanner.video.bitstream.codec.Bitstream`."""

    header_bytes = 2
    kind_shift = 1
    kind_mask = 0x3F
    slices = range(_LAST_VCL + 1)
    set_kinds = frozenset({_VPS, _SPS, _PPS})
    picture_set_kind = _PPS
    message_kinds = frozenset({_SEI, _SUFFIX_SEI})
    # Parameter sets, delimiters, ends, fillers, messages.
    other_kinds = range(_VPS, _SUFFIX_SEI + 1)

    def __init__(self, extradata: bytes) -> None:
        super().__init__(extradata)
        self._may_hide = any(map(_says_if_shown, self.configured))
        # With temporal layers, a picture of a higher one may refer to pictures of a
        # lower one that nothing in their own layer refers to.
        usual = self.length_size == USUAL_LENGTH
        self._has_one_layer = usual and extradata[21] >> 3 & 7 == 1

    def _length_size(self) -> int:
        data = self.extradata
        if len(data) > 22 and data[:3] not in (b"\0\0\1", b"\0\0\0"):
            return (data[21] & 3) + 1
        return 0

    def _packed_sets(self) -> Iterator[bytes]:
        data, at = self.extradata, 23
        for _ in range(data[22]):
            count, at = int.from_bytes(data[at + 1 : at + 3], "big"), at + 3
            for _ in range(count):
                size = int.from_bytes(data[at : at + 2], "big")
                yield data[at + 2 : at + 2 + size]
                at += 2 + size

    def _is_keyframe(self, head: memoryview) -> bool:
        for nal in nal_units(head, self.length_size):
            kind = self.kind(nal)
            if kind in self.slices:
                return _IRAP[0] <= kind <= _LAST_IRAP
        return False

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        firsts = slices = 0
        for nal in nal_units(packet, self.length_size):
            if len(nal) < 3:
                continue
            kind, layer = nal[0] >> 1 & 0x3F, (nal[0] & 1) << 5 | nal[1] >> 3
            if layer:
                continue
            if kind == _PPS:
                self._may_hide = self._may_hide or _says_if_shown(bytes(nal))
            # Pictures that wait to be shown may be dropped there.
            if kind in _ENDS or kind in _BLA:
                return UNKNOWN
            if kind <= _LAST_VCL:
                slices += 1
                if nal[2] & 0x80:
                    firsts += 1
                    if kind in _IRAP and nal[2] & 0x40:
                        return UNKNOWN
        if slices:
            return UNKNOWN if self._may_hide else firsts or UNKNOWN
        return self._none_or_unknown(packet)

    def _is_unreferenced(self, head: int) -> bool:
        kind = head >> 1 & 0x3F
        return self._has_one_layer and kind < _IRAP[0] and kind % 2 == 0


def _says_if_shown(nal: bytes) -> bool:
    """Whether it is a picture parameter set whose pictures say if they are shown."""
    if nal[0] >> 1 & 0x3F != _PPS:
        return False
    bits = Bits(nal[2:])
    try:
        bits.golomb()
        bits.golomb()
        bits.take(1)
        return bool(bits.take(1))
    except ValueError:
        return False
