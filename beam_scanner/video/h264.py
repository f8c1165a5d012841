"""Fields of H.264's parameter sets and slice headers."""

from __future__ import annotations

from dataclasses import dataclass

_DETAILED_PROFILES = frozenset(
    {44, 83, 86, 100, 110, 118, 122, 128, 134, 138, 139, 244}
)
_P, _B, _SP = 0, 1, 3
_RESET = 5
# How many numbers follow each memory management operation.
_OPERANDS = {1: 1, 2: 1, 3: 2, 4: 1, 6: 1}
_IDR = 5


class Bits:
    r"""Reads the fields of a NAL unit, which ``ValueError`` ends too early.

    Example:
        >>> bits = Bits(b'\x65\xb0')  # 1, 011, 0000
        >>> bits.number(), bits.number(), bits.take(4)
        (0, 2, 0)
    """

    def __init__(self, nal: bytes) -> None:
        data = nal[1:].replace(b"\0\0\3", b"\0\0")
        # What has not been taken yet.
        self._rest = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        """The next bits as a number."""
        left = self._left - count
        if left < 0:
            raise ValueError("a NAL unit ends too early")
        found = self._rest >> left
        self._rest -= found << left
        self._left = left
        return found

    def number(self) -> int:
        """An Exp-Golomb number, ue(v)."""
        return self.take(2 * (self._left - self._rest.bit_length()) + 1) - 1

    def signed(self) -> int:
        """An Exp-Golomb number, se(v)."""
        coded = self.number()
        return (coded + 1) // 2 if coded % 2 else -(coded // 2)


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
        bits = Bits(nal)
        profile = bits.take(8)
        bits.take(16)
        number, chroma, separate_planes = bits.number(), 1, False
        if profile in _DETAILED_PROFILES:
            chroma = bits.number()
            separate_planes = chroma == 3 and bool(bits.take(1))
            bits.number()
            bits.number()
            bits.take(1)
            if bits.take(1):
                _skip_scaling(bits, 12 if chroma == 3 else 8)
        number_bits = bits.number() + 4
        order_type, order_bits, order_deltas = bits.number(), 0, False
        if order_type == 0:
            order_bits = bits.number() + 4
        elif order_type == 1:
            order_deltas = not bits.take(1)
            bits.number()
            bits.number()
            for _ in range(bits.number()):
                bits.number()
        bits.number()
        gaps_allowed = bool(bits.take(1))
        bits.number()
        bits.number()
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
                scale = (last + bits.signed()) % 256
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
        bits = Bits(nal)
        number, sequence = bits.number(), bits.number()
        bits.take(1)
        bottom_order = bool(bits.take(1))
        if bits.number():
            raise ValueError("slice groups")
        references = bits.number() + 1, bits.number() + 1
        weighted, weighted_both = bool(bits.take(1)), bits.take(2) == 1
        for _ in range(3):
            bits.number()
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


class Slice:
    """A slice header; fields are read as far as they are asked for."""

    def __init__(
        self,
        nal: bytes,
        sequences: dict[int, SequenceSet],
        pictures: dict[int, PictureSet],
    ) -> None:
        """Reads up to the picture's number.

        Raises:
            ValueError: It is cut short, or its parameter sets are not there.
        """
        self.is_reference = bool(nal[0] & 0x60)
        self.is_idr = nal[0] & 0x1F == _IDR
        self._bits = bits = Bits(nal)
        bits.number()
        self._kind = bits.number() % 5
        number = bits.number()
        if number not in pictures or pictures[number].sequence not in sequences:
            raise ValueError("a parameter set is missing")
        self._picture = pictures[number]
        self.sequence = sequences[self._picture.sequence]
        if self.sequence.separate_planes:
            bits.take(2)
        self.number = bits.take(self.sequence.number_bits)
        self.is_field = not self.sequence.frames_only and bool(bits.take(1))

    def resets_numbers(self) -> bool:
        """Whether, after this reference picture, numbers start again.

        May be called once, and not for an IDR picture.

        Raises:
            ValueError: The header is cut short.
        """
        bits, sequence, picture = self._bits, self.sequence, self._picture
        if self.is_field:
            bits.take(1)
        both = picture.bottom_order and not self.is_field
        if sequence.order_type == 0:
            bits.take(sequence.order_bits)
            if both:
                bits.number()
        elif sequence.order_type == 1 and sequence.order_deltas:
            for _ in range(1 + both):
                bits.number()
        if picture.redundant:
            bits.number()
        counts = self._reference_counts()
        for _ in counts:
            self._skip_reordering()
        self._skip_weights(counts)
        if not bits.take(1):
            return False
        while operation := bits.number():
            if operation == _RESET:
                return True
            for _ in range(_OPERANDS.get(operation, 0)):
                bits.number()
        return False

    def _reference_counts(self) -> list[int]:
        """References of each list; none for intra slices."""
        if self._kind not in (_P, _B, _SP):
            return []
        lists = 1 + (self._kind == _B)
        if lists == 2:
            self._bits.take(1)
        if self._bits.take(1):
            return [self._bits.number() + 1 for _ in range(lists)]
        return list(self._picture.references[:lists])

    def _skip_reordering(self) -> None:
        if self._bits.take(1):
            while self._bits.number() != 3:
                self._bits.number()

    def _skip_weights(self, counts: list[int]) -> None:
        bits, chroma = self._bits, self.sequence.chroma
        picture = self._picture
        weighted = picture.weighted_both if self._kind == _B else picture.weighted
        if not counts or not weighted:
            return
        for _ in range(1 + chroma):
            bits.number()
        for _ in range(sum(counts)):
            for numbers in (2, 4)[: 1 + chroma]:
                if bits.take(1):
                    for _ in range(numbers):
                        bits.number()
