"""Lazy loading of rows in any order, with duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError
from beam_scanner.storage.base import check_rows

# What a chunk of rows may take in memory while it waits to be given out. Out of
# order, each chunk may read (or decode) much of the stream again.
_CHUNK_BYTES = 16 << 20
_CHUNK_BYTES_UNORDERED = 256 << 20
_LEAST_ELEMENT_BYTES = 256


def row_numbers(
    rows: Iterable[int] | None, length: int, stream: str
) -> NDArray[np.int64]:
    """The rows that were asked for, checked; all rows for None.

    Raises:
        ArgumentError: They are no whole numbers.
        RowError: One lies outside the stream.
    """
    if rows is None:
        return np.arange(length)
    try:
        wanted = np.asarray(rows if isinstance(rows, Sequence) else list(rows))
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"rows of stream {stream!r}: expected a list of row numbers, got {rows!r}"
        ) from error
    if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
        raise ArgumentError(
            f"rows of stream {stream!r}: expected a list of row numbers, got {rows!r}"
        )
    numbers = wanted.astype(np.int64)
    check_rows(numbers, length, stream)
    return numbers


def load_rows(
    read: Callable[[NDArray[np.int64]], list[Any]],
    rows: NDArray[np.int64],
    element_bytes: int,
) -> Iterator[Any]:
    """Yields rows in the order that was asked for.

    Rows are read in chunks that grow from one row, so that the first comes at once
    and what is asked for out of order is mostly read in order.

    Args:
        read: Reads rows that ascend without duplicates.
        rows: int64, in any order.
        element_bytes: About how much an element takes in memory.

    Example:
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
