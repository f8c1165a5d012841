"""Parquet files that are read through files of Python."""

from __future__ import annotations

from typing import Any, BinaryIO

import pyarrow.parquet as pq


def open_parquet(source: str | BinaryIO) -> Any:
    """Opens a Parquet file to be read with ``use_threads=False``.

    Then Arrow reads in the thread that asks. Threads of its own may hold parts of what a
    file of Python gave them a moment longer than the reader; if the program ends in
    that moment, the process is aborted.

    Args:
        source: A path, or an open file.

    Returns:
        A ``pyarrow.parquet.ParquetFile``.

    Examples:
        >>> import io, pyarrow as pa
        >>> made = io.BytesIO()
        >>> pq.write_table(pa.table({'a': [1, 2]}), made)
        >>> open_parquet(made).read(use_threads=False).to_pydict()
        {'a': [1, 2]}
    """
    return pq.ParquetFile(source, pre_buffer=False)
