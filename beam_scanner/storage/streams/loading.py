"""Which rows a caller asks for, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError
from beam_scanner.storage.stored_rows import check_rows


def row_numbers(
    rows: Iterable[int] | None, length: int, stream: str
) -> NDArray[np.int64]:
    """The rows that were asked for, checked; all rows for None.

    Raises:
        ArgumentError: They are not whole numbers.
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
