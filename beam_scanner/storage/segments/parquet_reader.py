"""Reads Parquet segments.

See :mod:`beam_scanner.storage.segments.parquet_writer` for the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from beam_scanner.errors import (
    ElementTypeError,
    ScannerException,
    StorageError,
    UntrustedDataError,
)
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.parquet_files import open_parquet
from beam_scanner.storage.segments.inferred_writer import inferred_text
from beam_scanner.storage.segments.none_rows import NONE_ROWS, none_rows
from beam_scanner.storage.segments.parquet_writer import frame_type
from beam_scanner.storage.stored_rows import NumberedReader, Record
from beam_scanner.storage.trust import check_plain
from beam_scanner.stores.object_store import storage_errors
from beam_scanner.types.codecs.element_codecs import PickleCodec
from beam_scanner.types.codecs.structured import StructuredCodec
from beam_scanner.types.element_types import NULL, NullElement
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info_cpp

Convert = Callable[[Any], list[Any]]
"""Makes a list of Python values of an Arrow array."""


class ParquetRows(NumberedReader):
    """Reads rows of one Parquet file by number, a row group at a time.

    Its counters count compressed bytes.

    Args:
        files: The files of the segment.
        file: Which of them.
        rows: How many rows it must have; None if that is unknown.
        convert: Makes elements of the third column; None for its Python values.

    Attributes:
        name: What errors call it.

    Raises:
        StorageError: It is damaged, or cannot be read.
    """

    def __init__(
        self,
        files: SegmentFiles,
        file: str,
        rows: int | None = None,
        convert: Convert | None = None,
    ) -> None:
        self.name = files.name(file)
        self._convert = convert or (lambda column: column.to_pylist())
        self._group = -1
        self._column: Any = None
        self._times: NDArray[np.float64] | None = None
        self._checked = files.size(file) is not None
        with unreadable(self.name):
            self._file = open_parquet(files.open(file))
            meta = self._file.metadata
            counts = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
            if len(self._file.schema_arrow.names) != 3 or min(counts, default=0) < 0:
                raise StorageError(f"{self.name} is damaged: it has other columns")
        self._starts = np.cumsum([0, *counts])
        super().__init__(self.name, int(self._starts[-1]))
        if rows not in (None, len(self)):
            raise StorageError(
                f"{self.name} is damaged: it has {len(self)} rows in place of {rows}"
            )

    def metadata(self, name: str) -> str:
        """A text from the file's metadata.

        Raises:
            StorageError: The file has none of that name.
        """
        found = (self._file.metadata.metadata or {}).get(name.encode())
        if found is None:
            raise StorageError(f"{self.name} is damaged: it has no metadata {name!r}")
        return str(found, "latin-1")

    def has_metadata(self, name: str) -> bool:
        """Whether the file's metadata has a text of that name."""
        return name.encode() in (self._file.metadata.metadata or {})

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See :meth:`RowReader.read`; values of the third column."""
        return self.column(rows, self._convert)

    def nulls(self) -> NDArray[np.bool_]:
        """See :meth:`RowReader.nulls`."""
        mask = self.column(range(len(self)), lambda c: c.is_null().to_pylist())
        return np.array(mask, dtype=np.bool_)

    def column(self, rows: Sequence[int], convert: Convert) -> list[Any]:
        """Values of the third column, converted in another way."""
        values: list[Any] = []
        wanted = np.asarray(rows, dtype=np.int64)
        groups = np.searchsorted(self._starts, wanted, side="right") - 1
        for part in np.split(wanted, np.flatnonzero(np.diff(groups)) + 1):
            if len(part):
                values += self._converted(convert, self._take(part))
        return values

    def _converted(self, convert: Convert, column: Any) -> list[Any]:
        try:
            return convert(column)
        except (StorageError, UntrustedDataError):
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            if not self._checked:
                raise StorageError(f"{self.name} is damaged ({why})") from error
            # It holds what was written, so it is the type that reads it otherwise.
            raise ElementTypeError(
                f"values in {self.name} cannot be read as their type ({why})"
            ) from error

    def _take(self, rows: NDArray[np.int64]) -> Any:
        group = int(np.searchsorted(self._starts, rows[0], side="right")) - 1
        column = self._load(group)
        wanted = rows - self._starts[group]
        if wanted[-1] - wanted[0] + 1 == len(wanted):
            return column.slice(int(wanted[0]), len(wanted))
        return column.take(pa.array(wanted))

    def _load(self, group: int) -> Any:
        if self._group != group:
            with unreadable(self.name):
                name = self._file.schema_arrow.names[2]
                table = self._file.read_row_group(group, [name], use_threads=False)
                column = table.column(0).combine_chunks()
                column.validate(full=not self._checked)
                rows = int(self._starts[group + 1] - self._starts[group])
                if len(column) != rows:
                    raise StorageError(
                        f"{self.name} is damaged: {len(column)} rows in place of {rows}"
                    )
            self._column = column
            self._group = group
            self._count(group, slice(2, None))
        return self._column

    def _count(self, group: int, columns: slice) -> None:
        meta = self._file.metadata.row_group(group)
        for index in range(meta.num_columns)[columns]:
            self._counts["bytes_read"] += meta.column(index).total_compressed_size

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`RowReader.seconds`."""
        if self._times is None:
            self._times = self._read_times()
        return self._times[rows]

    def _read_times(self) -> NDArray[np.float64]:
        with unreadable(self.name):
            column = self._file.read(["time"], use_threads=False).column(0)
            times = _floats(column)
        if len(times) != len(self):
            raise StorageError(
                f"{self.name} is damaged: {len(times)} times for {len(self)} rows"
            )
        for group in range(self._file.metadata.num_row_groups):
            self._count(group, slice(1, 2))
        return times

    def close(self) -> None:
        """See :meth:`RowReader.close`."""
        self._column = None
        self._group = -1
        self._file.close(force=True)


@contextmanager
def unreadable(name: str) -> Iterator[None]:
    """Turns what reading a damaged file raises into a ``StorageError``.

    Args:
        name: What errors call the file.
    """
    try:
        with storage_errors("read", name):
            yield
    except ScannerException:
        raise
    # Without checksums a damaged file may hold anything.
    except Exception as error:
        raise StorageError(
            f"cannot read {name}: damaged Parquet file ({type(error).__name__}: {error})"
        ) from error


def frame_segment(files: SegmentFiles, record: Record) -> ParquetRows:
    """Opens the Parquet file that holds all frames of a segment, or the rest of them."""
    whole = "parts" not in record
    rows = record["rows"] if whole else None
    return ParquetRows(files, record["exact"], rows, _frames)


def _frames(column: Any) -> list[Any]:
    """The frames of an Arrow array of structs; each owns its memory."""
    back: Any = frame_type().from_arrow
    return [
        back(
            {
                "dtype": scalar["dtype"].as_py(),
                "shape": scalar["shape"].as_py(),
                "data": scalar["data"].as_buffer(),
            }
        )
        if scalar.is_valid
        else NULL
        for scalar in column
    ]


class BlobSegment(ParquetRows):
    """Reads a segment of blobs.

    Args:
        files: The segment's files.
        record: Its record.
        type_name: Name of the element type; '' for plain bytes.
        trusted: False: nothing is unpickled.
    """

    def __init__(
        self, files: SegmentFiles, record: Record, type_name: str, trusted: bool = True
    ) -> None:
        super().__init__(files, record["files"][0], record["rows"])
        self._inferred = inferred_text(type_name)
        self._type_name = type_name = self._inferred or type_name
        self._stream, self._trusted = files.stream, trusted
        # Columns are of its Arrow type; None where they are serialized bytes.
        self._typed = self._named(type_name) if record["typed"] else None
        self._none = self._read_none()

    def _named(self, name: str) -> ScannerTypeInfo:
        return get_type_info_cpp(name, load=self._trusted)

    def _read_none(self) -> NDArray[np.bool_] | None:
        """Which rows are None, not null; None if no row is."""
        codec = None if self._typed is None else self._typed.codec
        optional = isinstance(codec, StructuredCodec) and codec.optional
        if not optional or not self.has_metadata(NONE_ROWS):
            return None
        with unreadable(self.name):
            return none_rows(self.metadata(NONE_ROWS), len(self))

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See :meth:`RowReader.read`."""
        if self._inferred:
            # What others see as Any is pickled, whatever its columns are.
            pickled = PickleCodec().serialize
            values = self.values(rows)
            return [v if isinstance(v, NullElement) else pickled(v) for v in values]
        info = self._typed
        if info is not None:
            self._check_trust(info)
        if info is None or info.from_arrow is None:
            return self.column(rows, _values)
        back, serialize, codec = info.from_arrow, info.serialize, info.codec

        def close(stored: Any) -> bytes:
            if isinstance(codec, StructuredCodec):
                return codec.arrow_to_bytes(stored)
            return serialize(back(stored))

        found = self.column(rows, lambda column: _values(column, close))
        return self._with_none(rows, found, lambda: serialize(None))

    def values(self, rows: Sequence[int]) -> list[Any]:
        """See :meth:`RowReader.values`, without a detour over serialized bytes."""
        if not self._type_name:
            return self.read(rows)
        info = self._typed or self._named(self._type_name)
        self._check_trust(info)
        from_arrow = None if self._typed is None else self._typed.from_arrow
        back = from_arrow or info.deserialize
        found = self.column(rows, lambda column: _values(column, back))
        return self._with_none(rows, found, lambda: None)

    def nulls(self) -> NDArray[np.bool_]:
        """See :meth:`RowReader.nulls`."""
        found = super().nulls()
        return found if self._none is None else found & ~self._none

    def _with_none(
        self, rows: Sequence[int], found: list[Any], none: Callable[[], Any]
    ) -> list[Any]:
        """Values with None, as ``none`` makes it, where it is not null that was written."""
        if self._none is not None:
            for at in np.flatnonzero(self._none[np.asarray(rows, np.int64)]).tolist():
                found[at] = none()
        return found

    def _check_trust(self, info: ScannerTypeInfo) -> None:
        if not self._trusted:
            check_plain(info, self._stream)


def _values(column: Any, back: Callable[[Any], Any] | None = None) -> list[Any]:
    """Values of an Arrow array; nulls become ``NullElement``."""
    values = column.to_pylist()
    if back is None:
        return [NULL if value is None else value for value in values]
    return [NULL if value is None else back(value) for value in values]


def _floats(column: Any) -> NDArray[np.float64]:
    """A column of numbers, nan for null."""
    # Arrow's own to_numpy would import pandas.
    array = column.combine_chunks()
    known = np.from_dlpack(array.is_valid().cast(pa.uint8())).view(np.bool_)
    buffers = [None, array.buffers()[1]]
    values = pa.Array.from_buffers(array.type, len(array), buffers, offset=array.offset)
    return np.where(known, np.from_dlpack(values), np.nan).astype(np.float64)
