"""Parquet segments: rows that any data tool opens.

Columns are ``row`` (int64), ``time`` (float64 seconds, null if unknown) and
``value``, null where the element is a ``NullElement``. A value is what the element
type maps to, or its serialized bytes. A frame that no MP4 holds exactly is a struct
of ``dtype`` (NumPy's code), ``shape`` and ``data`` (C order).

Row groups are closed at a byte budget that depends on the elements alone: writing
takes bounded memory, and reading a row reads a few MiB at most, or that one row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from beam_scanner.errors import ElementTypeError
from beam_scanner.measure.spans import part
from beam_scanner.storage.checked_files import Checksums
from beam_scanner.storage.segments.fixed_lists import (
    SCHEMA,
    any_size,
    has_null,
    schema_text,
)
from beam_scanner.storage.segments.none_rows import NONE_ROWS, none_text
from beam_scanner.storage.stored_rows import Record, SegmentTask, SegmentWriter
from beam_scanner.storage.stream_names import generation_key
from beam_scanner.stores.object_store import ObjectStore, storage_errors
from beam_scanner.types.codecs.structured import StructuredCodec
from beam_scanner.types.element_types import FrameType, NullElement
from beam_scanner.types.type_info import Codec, ScannerTypeInfo, get_type_info

GROUP_BYTES = 4 << 20
GROUP_ROWS = 1 << 16
_MAX_ELEMENT = (1 << 31) - 1


class ParquetTable:
    """Writes rows to one Parquet file of the store, row group by row group.

    Args:
        store: Where the file goes.
        key: Under which key.
        value_name: Name of the third column.
        value_type: Its Arrow type.

    Attributes:
        path: Where the file is until it is stored.
    """

    def __init__(
        self, store: ObjectStore, key: str, value_type: Any, value_name: str = "value"
    ) -> None:
        self._store = store
        self._key = key
        self._schema = pa.schema(
            [
                pa.field("row", pa.int64(), nullable=False),
                pa.field("time", pa.float64()),
                pa.field(value_name, value_type),
            ]
        )
        # See fixed_lists: what is written, and what the file says of it.
        self._written = pa.schema(
            [*list(self._schema)[:2], pa.field(value_name, any_size(value_type))]
        )
        self._is_fixed = self._written != self._schema
        self._has_null = False
        self.path = store.scratch(".parquet")
        self._rows: list[int] = []
        self._times: list[float] = []
        self._values: list[Any] = []
        self._bytes = 0
        with storage_errors("write", self.path):
            self._writer = pq.ParquetWriter(
                self.path,
                self._written,
                compression="snappy",
                store_schema=not self._is_fixed,
                use_dictionary=[
                    f"{value_name}.dtype",
                    f"{value_name}.shape.list.element",
                ],
                write_statistics=["row", "time"],
                # For other programs; we have a checksum of each block of the file.
                write_page_checksum=True,
            )

    def append(self, row: int, time: float, value: Any, size: int) -> None:
        """Adds a row whose value takes about ``size`` bytes."""
        if self._rows and self._bytes + size > GROUP_BYTES:
            self._flush()
        self._rows.append(row)
        self._times.append(time)
        self._values.append(value)
        self._bytes += size
        if len(self._rows) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        with part("encode"):
            self._write_group()
        self._rows, self._times, self._values, self._bytes = [], [], [], 0

    def _write_group(self) -> None:
        names = self._schema.names
        kind = self._written.field(2).type
        values = pa.array(self._values, kind)
        if self._is_fixed and not self._has_null:
            self._has_null = has_null(values, self._schema.field(2).type)
        times = np.array(self._times, dtype=np.float64)
        columns = {
            names[0]: pa.array(self._rows, pa.int64()),
            names[1]: pa.array(times, pa.float64(), mask=np.isnan(times)),
            names[2]: values,
        }
        with storage_errors("write", self.path):
            self._writer.write_table(pa.table(columns, schema=self._written))

    def finish(self, metadata: dict[str, str] | None = None) -> Checksums:
        """Closes the file and stores it; returns what it consists of."""
        self.close(metadata)
        return self.put()

    def put(self) -> Checksums:
        """Stores the file, once it is closed; returns what it consists of."""
        sums = Checksums.of_file(self.path)
        with part("store"):
            self._store.put(self._key, Path(self.path))
        return sums

    def close(self, metadata: dict[str, str] | None = None) -> None:
        """Closes the file, which is still where only this process looks."""
        if self._rows:
            self._flush()
        metadata = dict(metadata or {})
        if self._is_fixed:
            schema = self._written if self._has_null else self._schema
            metadata[SCHEMA] = schema_text(schema)
        with storage_errors("write", self.path):
            if metadata:
                self._writer.add_key_value_metadata(metadata)
            self._writer.close()

    def abort(self) -> None:
        """Removes the unfinished file."""
        with suppress(OSError):
            self._writer.close()
        with suppress(OSError):
            os.unlink(self.path)


class BlobSegmentWriter(SegmentWriter):
    """Writes serialized elements as a Parquet segment.

    Args:
        store: The database's store.
        stream: Name of the stream.
        segment: The segment; without a type, its elements are plain bytes.
    """

    def __init__(self, store: ObjectStore, stream: str, segment: SegmentTask) -> None:
        super().__init__(stream, segment.first_row, segment.type_name)
        self._type = type_info = segment.type_info
        self._value_bytes = 0
        self._none: list[int] = []
        self._file = f"{segment.stem}.parquet"
        self._to_arrow = _bytes_to_arrow(type_info)
        self._typed = self._to_arrow is not None
        arrow_type = type_info.arrow_type if self._typed and type_info else None
        value_type = pa.binary() if arrow_type is None else arrow_type
        folder = generation_key(stream, segment.generation)
        self._table = ParquetTable(store, f"{folder}/{self._file}", value_type)

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See :meth:`SegmentWriter.write`.

        Raises:
            ElementTypeError: An element is neither bytes nor ``NullElement``.
            RowError: The rows do not follow those already written.
        """
        self._check_next(first_row)
        rows = zip(elements, seconds.tolist(), strict=True)
        for row, (element, time) in enumerate(rows, first_row):
            value, size = self._value(row, element)
            self._table.append(row, time, value, size)
        self._next += len(elements)

    def _value(self, row: int, element: Any) -> tuple[Any, int]:
        if isinstance(element, NullElement):
            return None, 8
        if not isinstance(element, bytes):
            raise ElementTypeError(
                f"row {row} of stream {self._stream!r}: expected serialized bytes, got "
                f"{type(element).__name__}"
            )
        size = len(element)
        _check_size(size, row, self._stream)
        self._value_bytes += size
        if self._to_arrow is None:
            return element, size + 16
        value = self._to_arrow(element)
        if value is None:
            self._note_none(row)
        return value, size + 16

    def _note_none(self, row: int) -> None:
        """Records that a row holds the value None, as opposed to a null row."""
        assert self._type is not None
        codec = self._type.codec
        if not isinstance(codec, StructuredCodec):
            raise ElementTypeError(
                f"row {row} of stream {self._stream!r}: type {self._type.name} maps an "
                "element to None, which is kept for null rows"
            )
        if codec.optional:
            self._none.append(row - self._first)

    def finish(self) -> Record:
        """See :meth:`SegmentWriter.finish`."""
        rows = self._next - self._first
        about = {NONE_ROWS: none_text(self._none, rows)} if self._none else {}
        self._table.close(about)
        return self._stored()

    def _stored(self) -> Record:
        """Stores the file, once it is closed; its record."""
        sums = self._table.put()
        return {
            **self._record(),
            "bytes": sums.size,
            "files": [self._file],
            "sums": {self._file: sums.to_json()},
            "typed": self._typed,
            "value_bytes": self._value_bytes,
        }

    def abort(self) -> None:
        """See :meth:`SegmentWriter.abort`."""
        self._table.abort()


def _bytes_to_arrow(info: ScannerTypeInfo | None) -> Callable[[bytes], Any] | None:
    """How a column is given serialized elements; None: as they are."""
    if info is None or info.to_arrow is None:
        return None
    if isinstance(info.codec, Codec):
        return info.codec.bytes_to_arrow
    deserialize, to_arrow = info.deserialize, info.to_arrow
    return lambda element: to_arrow(deserialize(element))


def frame_to_arrow(frame: Any, row: int, stream: str) -> tuple[dict[str, Any], int]:
    """A frame as the struct that Parquet stores, and its size in bytes.

    Raises:
        ElementTypeError: It is not an array, holds Python objects, or is too large.
    """
    try:
        struct: dict[str, Any] = frame_type().to_arrow(frame)  # type: ignore[misc]
    except ElementTypeError as error:
        raise ElementTypeError(f"row {row} of stream {stream!r}: {error}") from error
    size = len(struct["data"])
    _check_size(size, row, stream)
    return struct, size + 64


def frame_type() -> ScannerTypeInfo:
    """The type of frames, whose Arrow type is a struct of dtype, shape and data."""
    return get_type_info(FrameType)


def _check_size(size: int, row: int, stream: str) -> None:
    if size > _MAX_ELEMENT:
        raise ElementTypeError(
            f"row {row} of stream {stream!r} has {size} bytes: at most 2 GiB fit into "
            "one element"
        )
