"""Which rows a caller asks for, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, RowError


def row_numbers(
    rows: Iterable[int] | None, length: int, stream: str
) -> NDArray[np.int64]:
    """The rows of a stream that were asked for, checked; all rows for None.

    Raises:
        ArgumentError: They are not whole numbers.
        RowError: One lies outside the stream.
    """
    if rows is None:
        return np.arange(length)
    what = f"rows of stream {stream!r}: expected a list of row numbers"
    numbers = as_row_numbers(rows, what)
    check_rows(numbers, length, f"outside stream {stream!r}")
    return numbers


def as_row_numbers(rows: Iterable[int], expected: str) -> NDArray[np.int64]:
    """int64[n]: rows as an array.

    Args:
        rows: Row numbers, in any order.
        expected: How the error begins.

    Raises:
        ArgumentError: They are not whole numbers.
    """
    try:
        wanted = np.asarray(rows if isinstance(rows, Sequence) else list(rows))
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{expected}, got {rows!r}") from error
    if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
        raise ArgumentError(f"{expected}, got {rows!r}")
    return wanted.astype(np.int64)


def check_rows(rows: NDArray[np.int64], length: int, outside: str) -> None:
    """Refuses rows outside ``[0, length)``.

    Args:
        rows: Row numbers, in any order.
        length: How many rows there are.
        outside: What is wrong with such a row, up to the number of rows.

    Raises:
        RowError: Names the first such row.

    Examples:
        >>> check_rows(np.array([0, 9]), 9, "outside stream 'a'")
        Traceback (most recent call last):
        ...
        beam_scanner.errors.RowError: row 9 is outside stream 'a' of 9 rows
    """
    wrong = rows[(rows < 0) | (rows >= length)]
    if wrong.size:
        raise RowError(f"row {wrong[0]} is {outside} of {length} rows")
