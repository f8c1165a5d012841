"""Reading one segment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import StorageError
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.segments.parquet_writer import (
    ParquetRows,
    serialized_from_arrow,
    values_from_arrow,
)
from beam_scanner.storage.stored_rows import Record
from beam_scanner.storage.trust import check_plain
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info_cpp
from beam_scanner.video.display import Display


class SegmentReader(ABC):
    """Reads one segment; rows are counted from its own first row."""

    @abstractmethod
    def read(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """Serialized elements or frames; ``rows`` ascend without duplicates."""

    @abstractmethod
    def values(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """Values as a user sees them."""

    @abstractmethod
    def times(self) -> NDArray[np.float64]:
        """Seconds of all rows, nan where unknown."""

    @abstractmethod
    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""

    @property
    def display(self) -> Display | None:
        """See :attr:`RowReader.display`."""
        return None

    def nulls(self) -> NDArray[np.bool_]:
        """Which rows are null."""
        return np.zeros(len(self.times()), dtype=np.bool_)

    def leave(self, cursor: int) -> None:
        """Releases what was kept open for a position that has moved on."""
        return

    @abstractmethod
    def close(self) -> None:
        """Releases files and decoders; counters stay."""


def check_length(rows: ParquetRows, record: Record) -> None:
    """Refuses a file that has not the rows of its segment.

    Raises:
        StorageError: Names the file and both numbers.
    """
    if len(rows) != record["rows"]:
        raise StorageError(
            f"{rows.name} is damaged: it has {len(rows)} rows in place of "
            f"{record['rows']}"
        )


class BlobSegment(SegmentReader):
    """Reads a Parquet segment of blobs."""

    def __init__(
        self, files: SegmentFiles, record: Record, type_name: str, trusted: bool = True
    ) -> None:
        self._rows = ParquetRows(files, record["files"][0])
        check_length(self._rows, record)
        self._name = type_name
        self._stream, self._trusted = files.stream, trusted
        self._typed: ScannerTypeInfo | None = None
        if record["typed"]:
            self._typed = get_type_info_cpp(type_name)

    def read(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """See :meth:`SegmentReader.read`."""
        if self._typed is not None:
            self._check_trust(self._typed)
        return self._rows.read(rows, lambda c: serialized_from_arrow(c, self._typed))

    def values(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """See :meth:`SegmentReader.values`."""
        if not self._name:
            return self.read(rows, cursor)
        info = self._typed or get_type_info_cpp(self._name)
        self._check_trust(info)
        return self._rows.read(rows, lambda c: values_from_arrow(c, self._typed, info))

    def _check_trust(self, info: ScannerTypeInfo) -> None:
        if not self._trusted:
            check_plain(info, self._stream)

    def times(self) -> NDArray[np.float64]:
        """See :meth:`SegmentReader.times`."""
        return self._rows.times()

    def counters(self) -> dict[str, int]:
        """See :meth:`SegmentReader.counters`."""
        return {"bytes_read": self._rows.bytes_read}

    def close(self) -> None:
        """See :meth:`SegmentReader.close`."""
        self._rows.close()
