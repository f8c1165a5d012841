"""Where decoding may start, and in which order rows are read.

A *row* is a frame's number in presentation order. A *keyframe* is a row at which a
decoder may start and give that row and all later ones exactly. Row ``r`` costs the
frames from its keyframe up to ``r``, unless the decoder is already on the way there.
The planner counts with the same rule that the decoder obeys, so that a predicted
number of decoded frames is the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from beam_scanner.rows.row_maps import Int64Array

# What a chunk of rows may take in memory while it waits to be given out. Out of
# order, each chunk may read (or decode) much of the stream again.
_CHUNK_BYTES = 16 << 20
_CHUNK_BYTES_UNORDERED = 256 << 20
_LEAST_ELEMENT_BYTES = 256


def keyframe_at(keyframes: Int64Array, rows: Any) -> Any:
    """The last keyframe at or before each row.

    Args:
        keyframes: int64[k], ascending, ``keyframes[0] == 0``.
        rows: A row or int64[n].

    Returns:
        int64 of the shape of ``rows``.

    Examples:
        >>> keyframe_at(np.array([0, 12, 24]), np.array([0, 11, 12, 100])).tolist()
        [0, 0, 12, 24]
    """
    return keyframes[keyframes.searchsorted(rows, side="right") - 1]


def frames_up_to(keyframes: Int64Array, rows: Int64Array) -> Int64Array:
    """How many frames one decoder decodes to get from each of ascending rows to the next.

    Args:
        keyframes: See :func:`keyframe_at`.
        rows: int64[n], ascending, no duplicates.

    Returns:
        int64[n]: of the first, from its keyframe.

    Examples:
        >>> frames_up_to(np.array([0, 10, 20]), np.array([12, 13, 25])).tolist()
        [3, 1, 6]
    """
    following = np.concatenate(([-1], rows[:-1] + 1))
    counts: Int64Array = rows + 1 - np.maximum(keyframe_at(keyframes, rows), following)
    return counts


def ascending_cost(keyframes: Int64Array, rows: Int64Array) -> tuple[int, int]:
    """What one decoder does for ascending rows: as :class:`DecodePosition`, at once.

    Args:
        keyframes: See :func:`keyframe_at`.
        rows: int64[n], ascending, no duplicates.

    Returns:
        Frames decoded, and how often the decoder must seek.

    Examples:
        >>> ascending_cost(np.array([0, 10, 20]), np.array([12, 13, 25]))
        (10, 2)
    """
    following = np.concatenate(([-1], rows[:-1] + 1))
    seeks = keyframe_at(keyframes, rows) > following
    return int(frames_up_to(keyframes, rows).sum()), int(seeks.sum())


class DecodePosition:
    """Follows one decoder: the row it would give next, and the cost of a jump.

    Attributes:
        keyframes: int64[k], see :func:`keyframe_at`.
        next_row: The row that the decoder gives next; None before the first seek.

    Examples:
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

    def __init__(self, keyframes: Int64Array) -> None:
        self.keyframes = keyframes
        self.next_row: int | None = None

    def seeks(self, row: int) -> bool:
        """Whether the decoder must seek to give ``row``, rather than read on."""
        if self.next_row is None or row < self.next_row:
            return True
        if row == self.next_row:
            return False
        return bool(keyframe_at(self.keyframes, row) > self.next_row)

    def advance(self, row: int, count: int = 1) -> int:
        """Moves behind ``count`` rows from ``row`` on, which it gives one by one.

        Returns:
            How many frames that decodes.
        """
        start = self.next_row
        if start is None or self.seeks(row):
            start = int(keyframe_at(self.keyframes, row))
        self.next_row = row + count
        return row + count - start


def load_rows(
    read: Callable[[Int64Array], list[Any]],
    rows: Int64Array,
    element_bytes: int,
) -> Iterator[Any]:
    """Yields rows in the order that was asked for.

    Rows are read in chunks that grow from one row, so that the first comes at once
    and rows that are asked for out of order are mostly read in order.

    Args:
        read: Reads rows that ascend without duplicates.
        rows: int64, in any order.
        element_bytes: About how much an element takes in memory.

    Examples:
        >>> list(load_rows(lambda rows: rows.tolist(), np.array([5, 1, 5]), 8))
        [5, 1, 5]
    """
    ascending = bool((np.diff(rows) >= 0).all())
    budget = _CHUNK_BYTES if ascending else _CHUNK_BYTES_UNORDERED
    limit = max(1, budget // max(_LEAST_ELEMENT_BYTES, element_bytes))
    start, count = 0, 1
    while start < len(rows):
        chunk = rows[start : start + count]
        wanted, places = np.unique(chunk, return_inverse=True)
        elements = read(wanted)
        uses = np.bincount(places)
        for place in places.tolist():
            uses[place] -= 1
            # A value given twice is two objects, as with any other reader.
            if uses[place] == 0:
                yield elements[place]
            elif isinstance(elements[place], np.ndarray):
                yield elements[place].copy()
            else:
                yield read(wanted[place : place + 1])[0]
        start += count
        count = min(2 * count, limit)
