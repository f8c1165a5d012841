"""Fields of H.264's parameter sets and slice headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from beam_scanner.video.bitstream.bits import Bits
from beam_scanner.video.bitstream.sei import unescaped

_DETAILED_PROFILES = frozenset(
    {44, 83, 86, 100, 110, 118, 122, 128, 134, 138, 139, 244}
)
_P, _B, _SP = 0, 1, 3
_RESET = 5
# How many numbers follow each memory management operation.
_OPERANDS = {1: 1, 2: 1, 3: 2, 4: 1, 6: 1}
_IDR, _SPS, _PPS = 5, 7, 8
# Slices whose first bytes are the same have the picture's number at the same place,
# which lies within the bytes that are looked at.
_ALIKE, _LOOKED_AT = 3, 8


def _fields(nal: bytes) -> Bits:
    """The fields of a NAL unit, behind its header."""
    return Bits(unescaped(nal[1:]))


@dataclass(frozen=True)
class SequenceSet:
    """What a sequence parameter set says about the headers of slices."""

    number: int
    number_bits: int
    order_type: int
    order_bits: int
    order_deltas: bool
    gaps_allowed: bool
    frames_only: bool
    separate_planes: bool
    chroma: bool

    @classmethod
    def read(cls, nal: bytes) -> SequenceSet:
        """Reads a NAL unit; ``ValueError`` where it is cut short."""
        bits = _fields(nal)
        profile = bits.take(8)
        bits.take(16)
        number, chroma, separate_planes = bits.golomb(), 1, False
        if profile in _DETAILED_PROFILES:
            chroma = bits.golomb()
            separate_planes = chroma == 3 and bool(bits.take(1))
            bits.golomb()
            bits.golomb()
            bits.take(1)
            if bits.take(1):
                _skip_scaling(bits, 12 if chroma == 3 else 8)
        number_bits = bits.golomb() + 4
        order_type, order_bits, order_deltas = bits.golomb(), 0, False
        if order_type == 0:
            order_bits = bits.golomb() + 4
        elif order_type == 1:
            order_deltas = not bits.take(1)
            bits.golomb()
            bits.golomb()
            for _ in range(bits.golomb()):
                bits.golomb()
        bits.golomb()
        gaps_allowed = bool(bits.take(1))
        bits.golomb()
        bits.golomb()
        return cls(
            number=number,
            number_bits=number_bits,
            order_type=order_type,
            order_bits=order_bits,
            order_deltas=order_deltas,
            gaps_allowed=gaps_allowed,
            frames_only=bool(bits.take(1)),
            separate_planes=separate_planes,
            chroma=chroma > 0 and not separate_planes,
        )


def _skip_scaling(bits: Bits, lists: int) -> None:
    for i in range(lists):
        if not bits.take(1):
            continue
        last = scale = 8
        for _ in range(16 if i < 6 else 64):
            if scale:
                scale = (last + bits.signed_golomb()) % 256
            last = scale or last


@dataclass(frozen=True)
class PictureSet:
    """What a picture parameter set says about the headers of slices."""

    number: int
    sequence: int
    bottom_order: bool
    references: tuple[int, int]
    weighted: bool
    weighted_both: bool
    redundant: bool

    @classmethod
    def read(cls, nal: bytes) -> PictureSet:
        """Reads a NAL unit.

        Raises:
            ValueError: It is cut short, or has slice groups, which nobody uses.
        """
        bits = _fields(nal)
        number, sequence = bits.golomb(), bits.golomb()
        bits.take(1)
        bottom_order = bool(bits.take(1))
        if bits.golomb():
            raise ValueError("slice groups")
        references = bits.golomb() + 1, bits.golomb() + 1
        weighted, weighted_both = bool(bits.take(1)), bits.take(2) == 1
        for _ in range(3):
            bits.golomb()
        bits.take(2)
        return cls(
            number=number,
            sequence=sequence,
            bottom_order=bottom_order,
            references=references,
            weighted=weighted,
            weighted_both=weighted_both,
            redundant=bool(bits.take(1)),
        )


class PictureNumber(NamedTuple):
    """What the beginning of a slice says about its picture."""

    is_reference: bool
    is_idr: bool
    is_field: bool
    number: int
    sequence: SequenceSet


class SliceReader:
    """Reads headers of slices, by the parameter sets learnt so far.

    Examples:
        >>> slices = SliceReader()
        >>> sequence = '6742c00ada109a1000000300100000030320f1226a'
        >>> slices.learn(bytes.fromhex(sequence))
        >>> slices.learn(bytes.fromhex('68ce0fc8'))
        >>> slices.read(bytes.fromhex('419a2032bc64')).number
        1
    """

    def __init__(self) -> None:
        self._sequences: dict[int, SequenceSet] = {}
        self._pictures: dict[int, PictureSet] = {}
        # By the first bytes of slices: how far right of the eighth byte's end their
        # picture's number ends, and what is known of pictures by number.
        self._alike: dict[bytes, tuple[int, int, dict[int, PictureNumber]]] = {}

    def learn(self, nal: bytes) -> None:
        """Takes a parameter set; ``ValueError`` where it cannot be read."""
        self._alike.clear()
        if nal[0] & 0x1F == _SPS:
            sequence = SequenceSet.read(nal)
            self._sequences[sequence.number] = sequence
        elif nal[0] & 0x1F == _PPS:
            picture = PictureSet.read(nal)
            self._pictures[picture.number] = picture

    def read(self, nal: bytes) -> PictureNumber:
        """Reads the beginning of a slice.

        Raises:
            ValueError: It is cut short, or its parameter sets are not there.
        """
        if len(nal) < _LOOKED_AT or b"\0\0\3" in nal:
            return self._header(nal).picture
        alike = self._alike.get(nal[:_ALIKE])
        if alike is not None:
            behind, mask, pictures = alike
            number = int.from_bytes(nal[:_LOOKED_AT], "big") >> behind & mask
            if number in pictures:
                return pictures[number]
        header = self._header(nal)
        picture, sequence = header.picture, header.picture.sequence
        behind = header.left - 8 * (len(nal) - _LOOKED_AT)
        before = 8 * _LOOKED_AT - behind - sequence.number_bits
        if sequence.frames_only and before <= 8 * _ALIKE and behind >= 0:
            mask = (1 << sequence.number_bits) - 1
            alike = self._alike.setdefault(nal[:_ALIKE], (behind, mask, {}))
            alike[2][picture.number] = picture
        return picture

    def resets_numbers(self, nal: bytes) -> bool:
        """Whether, after a reference picture, numbers start again.

        Also where that cannot be read.
        """
        try:
            header = self._header(nal)
            return not header.picture.is_idr and header.resets_numbers()
        except ValueError:
            return True

    def _header(self, nal: bytes) -> _SliceHeader:
        return _SliceHeader(nal, self._sequences, self._pictures)


class _SliceHeader(Bits):
    """A slice header; fields are read as far as they are asked for."""

    __slots__ = ("_kind", "_set", "picture")

    def __init__(
        self,
        nal: bytes,
        sequences: dict[int, SequenceSet],
        pictures: dict[int, PictureSet],
    ) -> None:
        """Reads up to the picture's number."""
        super().__init__(unescaped(nal[1:]))
        self.golomb()
        self._kind = self.golomb() % 5
        number = self.golomb()
        if number not in pictures or pictures[number].sequence not in sequences:
            raise ValueError("a parameter set is missing")
        self._set = pictures[number]
        sequence = sequences[self._set.sequence]
        if sequence.separate_planes:
            self.take(2)
        number = self.take(sequence.number_bits)
        self.picture = PictureNumber(
            is_reference=bool(nal[0] & 0x60),
            is_idr=nal[0] & 0x1F == _IDR,
            is_field=not sequence.frames_only and bool(self.take(1)),
            number=number,
            sequence=sequence,
        )

    def resets_numbers(self) -> bool:
        """Whether, after this reference picture, numbers start again.

        May be called once, and not for an IDR picture.

        Raises:
            ValueError: The header is cut short.
        """
        sequence, picture = self.picture.sequence, self._set
        if self.picture.is_field:
            self.take(1)
        both = picture.bottom_order and not self.picture.is_field
        if sequence.order_type == 0:
            self.take(sequence.order_bits)
            if both:
                self.golomb()
        elif sequence.order_type == 1 and sequence.order_deltas:
            for _ in range(1 + both):
                self.golomb()
        if picture.redundant:
            self.golomb()
        counts = self._reference_counts()
        for _ in counts:
            self._skip_reordering()
        self._skip_weights(counts)
        if not self.take(1):
            return False
        while operation := self.golomb():
            if operation == _RESET:
                return True
            for _ in range(_OPERANDS.get(operation, 0)):
                self.golomb()
        return False

    def _reference_counts(self) -> list[int]:
        """References of each list; none for intra slices."""
        if self._kind not in (_P, _B, _SP):
            return []
        lists = 1 + (self._kind == _B)
        if lists == 2:
            self.take(1)
        if self.take(1):
            return [self.golomb() + 1 for _ in range(lists)]
        return list(self._set.references[:lists])

    def _skip_reordering(self) -> None:
        if self.take(1):
            while self.golomb() != 3:
                self.golomb()

    def _skip_weights(self, counts: list[int]) -> None:
        picture, chroma = self._set, self.picture.sequence.chroma
        weighted = picture.weighted_both if self._kind == _B else picture.weighted
        if not counts or not weighted:
            return
        for _ in range(1 + chroma):
            self.golomb()
        for _ in range(sum(counts)):
            for numbers in (2, 4)[: 1 + chroma]:
                if self.take(1):
                    for _ in range(numbers):
                        self.golomb()
