"""Packets of H.264.

Decoders put a copy of an earlier picture in the place of one that is missing, without
a word. But reference pictures are numbered, so a gap shows in the slice headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from beam_scanner.video.bitstream.codec import UNKNOWN, Damage
from beam_scanner.video.bitstream.h264_headers import PictureNumber, SliceReader
from beam_scanner.video.bitstream.nal import HEAD_BYTES, NalBitstream, nal_units
from beam_scanner.video.bitstream.sei import RECOVERY_POINT, messages

_SLICE, _PARTITION, _IDR, _SEI, _SPS, _PPS, _SPS_EXTENSION = 1, 2, 5, 6, 7, 8, 13
_IS_REFERENCE = 0x60
# Enough for the number of a picture, and for all of a slice's header.
_NUMBER_BYTES, _HEADER_BYTES = 20, 256


class H264(NalBitstream):
    r"""See :class:`beam_scanner.video.bitstream.codec.Bitstream`.

    Examples:
        >>> stream = H264(bytes.fromhex(
        ...     '0164000affe100156764000aacb4317420000003002000000641e244d401000668'
        ...     'ef0fcbfdf8'))
        >>> packets = ['658884', '419a26', '419a41', '419a86']  # 0, 1, 2 and 4
        >>> for packet in packets:
        ...     nal = bytes.fromhex(packet) + bytes(8)
        ...     found = stream.damage(memoryview(len(nal).to_bytes(4) + nal))
        >>> found.reason
        'reference pictures are missing: number 4 follows 2'
        >>> H264(b'').is_keyframe(memoryview(b'\0\0\1\x65\x88'))  # an IDR slice
        True
        >>> H264(b'').is_keyframe(memoryview(b'\0\0\1\x41\x9a'))  # a P slice
        False
    """

    header_bytes = 1
    kind_shift = 0
    kind_mask = 0x1F
    slices = range(_SLICE, _IDR + 1)
    set_kinds = frozenset({_SPS, _PPS, _SPS_EXTENSION})
    picture_set_kind = _PPS
    message_kinds = frozenset({_SEI})
    # Messages, parameter sets, delimiters, ends, fillers.
    other_kinds = range(6, 14)

    def __init__(self, extradata: bytes) -> None:
        super().__init__(extradata)
        self._headers = SliceReader()
        # The last reference picture, and its first slice.
        self._last: PictureNumber | None = None
        self._last_nal = memoryview(b"")
        for nal in self.configured:
            self._learn(nal)

    def _length_size(self) -> int:
        data = self.extradata
        return (data[4] & 3) + 1 if len(data) > 6 and data[0] == 1 else 0

    def _packed_sets(self) -> Iterator[bytes]:
        data, at = self.extradata, 5
        for mask in (0x1F, 0xFF):
            count, at = data[at] & mask, at + 1
            for _ in range(count):
                size = int.from_bytes(data[at : at + 2], "big")
                yield data[at + 2 : at + 2 + size]
                at += 2 + size

    def _is_keyframe(self, head: memoryview) -> bool:
        recovers = False
        for nal in nal_units(head, self.length_size):
            kind = self.kind(nal)
            if kind == _IDR:
                return True
            if kind == _SEI:
                recovers = recovers or _recovers_at_once(bytes(nal))
            elif kind in self.slices:
                return recovers
        return False

    def is_recovery_point(self, head: memoryview) -> bool:
        """See :meth:`Bitstream.is_recovery_point`."""
        units = nal_units(head, self.length_size)
        return not any(self.kind(nal) == _IDR for nal in units)

    def pictures(self, packet: memoryview) -> int:
        """See :meth:`Bitstream.pictures`."""
        at = self.length_size
        # Nearly every packet is one slice.
        if at and len(packet) > at + 1 and packet[at + 1] & 0x80:
            length = int.from_bytes(packet[:at], "big")
            if packet[at] & 0x1F in (_SLICE, _IDR) and at + length == len(packet):
                return 1
        firsts = slices = 0
        for nal in nal_units(packet, at):
            kind = nal[0] & 0x1F
            if _PARTITION <= kind < _IDR:
                return UNKNOWN
            if kind in (_SLICE, _IDR) and len(nal) > 1:
                slices += 1
                # The first macroblock of a picture has the number 0, coded as 1.
                firsts += nal[1] >> 7
        if slices:
            return firsts or UNKNOWN
        return self._none_or_unknown(packet)

    def _is_unreferenced(self, head: int) -> bool:
        return not head & _IS_REFERENCE

    def damage(self, packet: memoryview) -> Damage | None:
        """See :meth:`Bitstream.damage`."""
        at = self.length_size
        # Nearly every packet is slices alone, of which the first is enough.
        if at and len(packet) > at and packet[at] & 0x1F in (_SLICE, _IDR):
            size = int.from_bytes(packet[:at], "big")
            return self._check_slice(packet[at : at + size])
        for nal in nal_units(packet if at else packet[:HEAD_BYTES], at):
            kind = nal[0] & 0x1F
            if kind in (_SLICE, _IDR):
                return self._check_slice(nal)
            if kind in (_SPS, _PPS):
                self._learn(bytes(nal))
        return None

    def _learn(self, nal: bytes) -> None:
        # The decoder will report a damaged parameter set.
        with suppress(ValueError):
            self._headers.learn(nal)

    def _check_slice(self, nal: memoryview) -> Damage | None:
        last, last_nal = self._last, self._last_nal
        try:
            current = self._headers.read(bytes(nal[:_NUMBER_BYTES]))
        except ValueError:
            # The decoder will report this as well.
            self._last, self.is_field = None, False
            return None
        self.is_field = current.is_field
        if current.is_reference:
            self._last, self._last_nal = current, nal
        if last is None or current.is_idr or current.sequence.gaps_allowed:
            return None
        number, period = current.number, 1 << current.sequence.number_bits
        if number == (last.number + 1) % period:
            return None
        if current.is_field and number == last.number:
            return None
        # The number of the last picture counts as 0 where it ordered a new start.
        head = bytes(last_nal[:_HEADER_BYTES])
        if number == 1 and self._headers.resets_numbers(head):
            return None
        return Damage(
            f"reference pictures are missing: number {number} follows {last.number}",
            before=True,
        )


def _recovers_at_once(nal: bytes) -> bool:
    """Whether it has a recovery point message with a recovery_frame_cnt of 0."""
    for message in messages(nal, 1):
        if message.kind == RECOVERY_POINT:
            # ue(v): a first bit of 1 is the number 0.
            return bool(message.content) and bool(message.content[0] & 0x80)
    return False
