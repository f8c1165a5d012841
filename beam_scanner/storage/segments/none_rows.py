"""Which rows of a segment are None, where others are null.

In a column of optional values both are null, for all that read it. A text in the
file's metadata tells them apart.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NONE_ROWS = "beam_scanner:none"
"""The name of the text in the metadata."""


def none_text(rows: Sequence[int], count: int) -> str:
    """The rows that are None.

    Args:
        rows: Their numbers, from 0.
        count: Of all rows.

    Examples:
        >>> none_rows(none_text([1], 3), 3).tolist()
        [False, True, False]
    """
    mask = np.zeros(count, np.bool_)
    mask[list(rows)] = True
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes())).decode()


def none_rows(text: str, count: int) -> NDArray[np.bool_]:
    """Which rows are None.

    Raises:
        ValueError: The text was not made of so many rows.
    """
    size = -(-count // 8)
    try:
        unpack = zlib.decompressobj()
        data = unpack.decompress(base64.b64decode(text, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(data) != size:
        raise ValueError(f"a mask of {len(data)} bytes for {count} rows")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count).astype(np.bool_)
