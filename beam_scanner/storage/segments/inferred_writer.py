"""Segments of values whose kernel does not say their type.

A task does not know the values of others, so it writes the type that its own values
have, and pickles beside it. Which of both is kept, or whether a third file is written,
is decided when the stream is published: see :mod:`beam_scanner.storage.settle_type`.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from beam_scanner.errors import ElementTypeError
from beam_scanner.storage.segments.none_rows import NONE_ROWS, none_text
from beam_scanner.storage.segments.parquet_writer import (
    BlobSegmentWriter,
    ParquetTable,
)
from beam_scanner.storage.stored_rows import Record, SegmentTask
from beam_scanner.storage.stream_names import generation_key
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.types.codecs.structured import StructuredCodec
from beam_scanner.types.inferred_types import (
    Found,
    NoTypeError,
    codec_of,
    find,
    is_hopeless,
    join,
    odd,
)

PICKLED, FOUND = "pickled", "found"
"""What a record says until the stream is published: the files of pickles that are in
place of those that it lists, and what is known of the values."""


def inferred_name(codec: StructuredCodec) -> str:
    """The name of the type of a stream whose values turned out to be of one."""
    return f"Any[{codec.text}]"


def inferred_text(type_name: str) -> str:
    """The inverse of :func:`inferred_name`; '' for other types.

    Examples:
        >>> inferred_text('Any[list[float]]'), inferred_text('Any')
        ('list[float]', '')
    """
    is_inferred = type_name.startswith("Any[") and type_name.endswith("]")
    return type_name[4:-1] if is_inferred else ""


def codec_or_none(found: Found) -> StructuredCodec | None:
    """The type that values have; None where they have none, or there are none."""
    with suppress(NoTypeError):
        return codec_of(found) if found else None
    return None


class InferringWriter(BlobSegmentWriter):
    """Writes pickles, and the values as columns of the type that all of them have.

    Args:
        store: The database's store.
        stream: Name of the stream.
        segment: The segment, of type ``Any``.
    """

    def __init__(self, store: ObjectStore, stream: str, segment: SegmentTask) -> None:
        super().__init__(store, stream, segment)
        self._store, self._stem = store, segment.stem
        self._folder = generation_key(stream, segment.generation)
        self._found: Found = {}

    def _value(self, row: int, element: Any) -> tuple[Any, int]:
        value, size = super()._value(row, element)
        if value is not None and not is_hopeless(self._found):
            self._found = join(self._found, _find_pickled(value))
        return value, size

    def finish(self) -> Record:
        """See :meth:`SegmentWriter.finish`."""
        self._table.close()
        codec = codec_or_none(self._found)
        typed = None
        if codec is not None:
            with pq.ParquetFile(self._table.path) as file:
                rows = pickled_rows(file)
                typed = write_typed(
                    self._store, self._folder, f"{self._stem}-typed", codec, rows
                )
        record = {**self._stored(), FOUND: self._found}
        if typed is None:
            return record
        return {**record, **typed, PICKLED: record}


def _find_pickled(data: bytes) -> Found:
    try:
        return find(pickle.loads(data))
    # What is pickled need not be one that can be unpickled, and may do anything.
    except Exception as error:
        return odd(f"values that raise {type(error).__name__} as they are unpickled")


def pickled_rows(file: Any) -> Iterator[tuple[int, float, bytes | None]]:
    """The rows of a Parquet file of pickles: number, seconds, and pickle."""
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, use_threads=False)
        columns = [column.to_pylist() for column in table.columns]
        for row, time, data in zip(*columns, strict=True):
            yield row, np.nan if time is None else time, data


def write_typed(
    store: ObjectStore,
    folder: str,
    stem: str,
    codec: StructuredCodec,
    rows: Iterator[tuple[int, float, bytes | None]],
) -> Record | None:
    """Writes pickled values as a column of their type.

    Args:
        store: The database's store.
        folder: Key of the generation's folder.
        stem: Name of the file, without its end.
        codec: The type.
        rows: See :func:`pickled_rows`. They are unpickled.

    Returns:
        What is different in the segment's record; None if a value does not fit.
    """
    file = f"{stem}.parquet"
    table = ParquetTable(store, f"{folder}/{file}", codec.arrow_type)
    none, count = [], 0
    try:
        for row, time, data in rows:
            value = None if data is None else pickle.loads(data)
            if data is not None and value is None:
                none.append(count)
            plain = None if value is None else codec.to_arrow(value)
            table.append(row, time, plain, 16 + len(data or b""))
            count += 1
        sums = table.finish({NONE_ROWS: none_text(none, count)} if none else {})
    except ElementTypeError:
        table.abort()
        return None
    except BaseException:
        table.abort()
        raise
    return {
        "bytes": sums.size,
        "files": [file],
        "sums": {file: sums.to_json()},
        "typed": True,
        "type": inferred_name(codec),
    }
