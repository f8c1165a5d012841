"""Where decoding may start: pure integers about keyframes and rows.

A *row* is a frame's number in presentation order. An *entry* is a row at which a
decoder may start and give that row and all later ones exactly. Row ``r`` costs the
frames from its entry up to ``r``, unless the decoder is already on the way there.
The planner counts with the same rule that the decoder obeys, so that a predicted
number of decoded frames is the real one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]


def entry_of(entries: Int64Array, rows: Any) -> Any:
    """The last entry at or before each row.

    Args:
        entries: int64[k], ascending, ``entries[0] == 0``.
        rows: A row or int64[n].

    Returns:
        int64 of the shape of ``rows``.

    Example:
        >>> entry_of(np.array([0, 12, 24]), np.array([0, 11, 12, 100])).tolist()
        [0, 0, 12, 24]
    """
    return entries[np.searchsorted(entries, rows, side="right") - 1]


class DecodePosition:
    """Follows one decoder: which row it would give next, and what a jump costs.

    Attributes:
        entries: int64[k], see :func:`entry_of`.
        next_row: The row that the decoder gives next; None before the first seek.

    Example:
        >>> position = DecodePosition(np.array([0, 10, 20]))
        >>> position.advance(12)  # seeks to 10, decodes 10, 11, 12
        3
        >>> position.advance(13)  # reads on
        1
        >>> position.advance(25)  # seeks to 20
        6
        >>> position.advance(3)  # back: seeks to 0
        4
    """

    def __init__(self, entries: Int64Array) -> None:
        self.entries = entries
        self.next_row: int | None = None

    def seeks(self, row: int) -> bool:
        """Whether the decoder must seek to give ``row``, rather than read on."""
        if self.next_row is None or row < self.next_row:
            return True
        return bool(entry_of(self.entries, row) > self.next_row)

    def advance(self, row: int) -> int:
        """Moves behind ``row``; returns how many frames that decodes."""
        start = self.next_row
        if start is None or self.seeks(row):
            start = int(entry_of(self.entries, row))
        self.next_row = row + 1
        return row + 1 - start
