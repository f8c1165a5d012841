"""NAL units, of which packets of H.264 and HEVC are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream
from beam_scanner.video.bitstream.sei import wanted_messages

# Where there are no lengths, units beyond these first bytes are not searched.
HEAD_BYTES = 4096
_START_CODES = (b"\0\0\1", b"\0\0\0")
# The 4 bytes of length that MP4 and Matroska files have before each unit.
USUAL_LENGTH = 4


def nal_units(data: memoryview, length_size: int) -> Iterator[memoryview]:
    r"""NAL units of a packet, or of a decoder configuration; empty ones are left out.

    Args:
        data: Its bytes.
        length_size: Bytes of the length before each unit; 0 for start codes (Annex B).

    Examples:
        >>> [bytes(nal) for nal in nal_units(memoryview(b'\0\0\1ab\0\0\1c'), 0)]
        [b'ab', b'c']
        >>> [bytes(nal) for nal in nal_units(memoryview(b'\0\2ab\0\1c'), 2)]
        [b'ab', b'c']
    """
    if not length_size:
        for piece in bytes(data).split(b"\0\0\1")[1:]:
            if piece:
                yield memoryview(piece)
        return
    at, size = length_size, len(data)
    while at < size:
        length = int.from_bytes(data[at - length_size : at], "big")
        if length:
            yield data[at : at + length]
        at += length + length_size


class NalBitstream(Bitstream):
    """What H.264 and HEVC have in common.

    Attributes:
        length_size: Bytes of a unit's length before it; 0 where start codes delimit
            units.
        configured: The parameter sets of the decoder configuration, as NAL units.
        header_bytes: How long the header of a unit is.
        kind_shift: Where in a unit's first byte its kind is.
        kind_mask: Which bits it has there.
        slices: Kinds of units that hold pictures.
        set_kinds: Kinds of units that are parameter sets.
        picture_set_kind: The kind of picture parameter sets.
        message_kinds: Kinds of units that hold messages (SEI).
        other_kinds: All kinds that hold no pictures.
    """

    has_messages = True
    adds_parameter_sets = True

    header_bytes: ClassVar[int]
    kind_shift: ClassVar[int]
    kind_mask: ClassVar[int]
    slices: ClassVar[range]
    set_kinds: ClassVar[frozenset[int]]
    picture_set_kind: ClassVar[int]
    message_kinds: ClassVar[frozenset[int]]
    other_kinds: ClassVar[range]

    def __init__(self, extradata: bytes) -> None:
        super().__init__(extradata)
        self.length_size = self._length_size()
        self.configured = self._configured()

    def _length_size(self) -> int:
        """Bytes of lengths, by 'avcC' or 'hvcC' extradata; 0 for start codes."""
        raise NotImplementedError

    def _packed_sets(self) -> Iterator[bytes]:
        """The parameter sets in 'avcC' or 'hvcC' extradata."""
        raise NotImplementedError

    def _configured(self) -> list[bytes]:
        if not self.length_size:
            units = nal_units(memoryview(self.extradata), 0)
            found = [bytes(nal).rstrip(b"\0") for nal in units]
        else:
            try:
                found = list(self._packed_sets())
            except IndexError:
                return []
        return [nal for nal in found if nal]

    def kind(self, nal: memoryview | bytes) -> int:
        """What a unit is."""
        return nal[0] >> self.kind_shift & self.kind_mask

    def parameter_sets(self, packet: memoryview) -> list[bytes]:
        """Parameter sets before the packet's first slice, as NAL units."""
        size = self.length_size
        # Nearly every packet begins with a slice.
        if 0 < size < len(packet) and self.kind(packet[size:]) in self.slices:
            return []
        found = []
        for nal in nal_units(packet if size else packet[:HEAD_BYTES], size):
            kind = self.kind(nal)
            if kind in self.slices:
                break
            if kind in self.set_kinds:
                found.append(bytes(nal) if size else bytes(nal).rstrip(b"\0"))
        return found

    def is_unreferenced(self, packet: memoryview) -> bool:
        """See :meth:`Bitstream.is_unreferenced`; by headers with lengths of 4 bytes."""
        if self.length_size != USUAL_LENGTH:
            return False
        at = USUAL_LENGTH
        while at < len(packet):
            if self.kind(packet[at:]) in self.slices:
                return self._is_unreferenced(packet[at])
            length = int.from_bytes(packet[at - USUAL_LENGTH : at], "big")
            at += length + USUAL_LENGTH
        return False

    def _is_unreferenced(self, head: int) -> bool:
        """Whether the header of a slice begins as of pictures that no other needs."""
        raise NotImplementedError

    def configured_sets(self) -> list[bytes]:
        """See :meth:`Bitstream.configured_sets`."""
        return list(self.configured)

    def is_configured(self, parameter_set: bytes) -> bool:
        """See :meth:`Bitstream.is_configured`."""
        return parameter_set in self.configured

    def picture_parameters(self) -> list[bytes] | None:
        """See :meth:`Bitstream.picture_parameters`: profile, picture parameter sets.

        Returns:
            None also where units do not have lengths of 4 bytes.
        """
        if self.length_size != USUAL_LENGTH or not self.configured:
            return None
        kind = self.picture_set_kind
        sets = [nal for nal in self.configured if self.kind(nal) == kind]
        return [self.extradata[1:2], *sets]

    def join_sets(self, sets: list[bytes]) -> bytes:
        """See :meth:`Bitstream.join_sets`."""
        return b"".join(self._delimiter(nal) + nal for nal in sets)

    def _delimiter(self, nal: bytes) -> bytes:
        """What stands before a unit."""
        size = self.length_size
        return len(nal).to_bytes(size, "big") if size else b"\0\0\0\1"

    def without_messages(self, packet: memoryview) -> bytes | None:
        """See :meth:`Bitstream.without_messages`."""
        units = list(nal_units(packet, self.length_size))
        if not any(self.kind(nal) in self.message_kinds for nal in units):
            return None
        kept = []
        for nal in units:
            data = bytes(nal)
            if self.kind(nal) in self.message_kinds:
                data = wanted_messages(data, self.header_bytes)
            if data:
                kept.append(self._delimiter(data) + data)
        return b"".join(kept)

    def _none_or_unknown(self, packet: memoryview) -> int:
        """0 pictures in a packet of whole units without slices; else it is damaged."""
        size = self.length_size
        units = list(nal_units(packet, size))
        total = sum(len(nal) + size for nal in units)
        whole = total == len(packet) if size else bytes(packet[:3]) in _START_CODES
        known = all(self.kind(nal) in self.other_kinds for nal in units)
        return 0 if units and whole and known else UNKNOWN
