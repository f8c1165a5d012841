"""One reader of bit fields, for the headers of all codecs."""

from __future__ import annotations


class Bits:
    r"""Reads fields from the front of some bytes.

    Attributes:
        left: Bits that have not been read.

    Examples:
        >>> bits = Bits(b'\xb0')  # 1, 011, 0000
        >>> bits.golomb(), bits.golomb(), bits.take(4)
        (0, 2, 0)
    """

    __slots__ = ("_rest", "left")

    def __init__(self, data: bytes) -> None:
        # Everything that has not been read, as one number.
        self._rest = int.from_bytes(data, "big")
        self.left = len(data) * 8

    def take(self, count: int) -> int:
        """The next bits as a number.

        Raises:
            ValueError: There are fewer. So do the other methods.
        """
        left = self.left - count
        if left < 0:
            raise ValueError("a header ends too early")
        found = self._rest >> left
        self._rest -= found << left
        self.left = left
        return found

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number, ue(v)."""
        # It repeats what take does: most of the time of an index is spent here.
        left = 2 * self._rest.bit_length() - self.left - 1
        if left < 0:
            raise ValueError("a header ends too early")
        found = self._rest >> left
        self._rest -= found << left
        self.left = left
        return found - 1

    def signed_golomb(self) -> int:
        """A signed Exp-Golomb number, se(v)."""
        coded = self.golomb()
        return (coded + 1) // 2 if coded % 2 else -(coded // 2)
