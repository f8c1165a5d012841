"""Reads committed streams, whatever their segments are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.storage.base import Record, RowReader, check_rows
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.names import generation_key
from beam_scanner.storage.parquet import (
    ParquetRows,
    serialized_from_arrow,
    values_from_arrow,
)
from beam_scanner.storage.store import ObjectStore
from beam_scanner.types import ScannerTypeInfo, get_type_info_cpp

_OPEN_SEGMENTS = 8


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

    @abstractmethod
    def close(self) -> None:
        """Releases files and decoders; counters stay."""


class BlobSegment(SegmentReader):
    """Reads a Parquet segment of blobs."""

    def __init__(
        self, store: ObjectStore, folder: str, record: Record, type_name: str
    ) -> None:
        self._rows = ParquetRows(store, f"{folder}/{record['files'][0]}")
        self._name = type_name
        self._typed: ScannerTypeInfo | None = None
        if record["typed"]:
            self._typed = get_type_info_cpp(type_name)

    def read(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """See :meth:`SegmentReader.read`."""
        return self._rows.read(rows, lambda c: serialized_from_arrow(c, self._typed))

    def values(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """See :meth:`SegmentReader.values`."""
        if not self._name:
            return self.read(rows, cursor)
        info = self._typed or get_type_info_cpp(self._name)
        return self._rows.read(rows, lambda c: values_from_arrow(c, self._typed, info))

    def times(self) -> NDArray[np.float64]:
        """See :meth:`SegmentReader.times`."""
        return self._rows.times()

    def counters(self) -> dict[str, int]:
        """See :meth:`SegmentReader.counters`."""
        return {"bytes_read": self._rows.bytes_read}

    def close(self) -> None:
        """See :meth:`SegmentReader.close`."""
        self._rows.close()


class SegmentedReader(RowReader):
    """Reads a stream of segments; segments are opened when first needed.

    Args:
        store: The database's store.
        descriptor: The stream's.

    Attributes:
        descriptor: The stream's.
    """

    def __init__(self, store: ObjectStore, descriptor: StreamDescriptor) -> None:
        self.descriptor = descriptor
        self._store = store
        self._folder = generation_key(descriptor.name, descriptor.generation)
        self._starts = descriptor.starts()
        self._open: OrderedDict[int, SegmentReader] = OrderedDict()
        self._closed: dict[str, int] = {}

    def __len__(self) -> int:
        return self.descriptor.rows

    def _open_segment(self, record: Record) -> SegmentReader:
        return BlobSegment(self._store, self._folder, record, self.descriptor.type_name)

    def _segment(self, number: int) -> SegmentReader:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        while len(self._open) >= _OPEN_SEGMENTS:
            self._release(self._open.popitem(last=False)[1])
        segment = self._open_segment(self.descriptor.segments[number])
        self._open[number] = segment
        return segment

    def _release(self, segment: SegmentReader) -> None:
        for name, count in segment.counters().items():
            self._closed[name] = self._closed.get(name, 0) + count
        segment.close()

    def _split(
        self, rows: NDArray[np.int64]
    ) -> list[tuple[int, NDArray[np.int64], slice]]:
        """(segment, rows counted from its first, where in ``rows``)."""
        numbers = np.searchsorted(self._starts[1:], rows, side="right")
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        return [
            (int(numbers[a]), rows[a:b] - self._starts[numbers[a]], slice(a, b))
            for a, b in pairwise(cuts)
            if b > a
        ]

    def _checked(self, rows: Sequence[int]) -> NDArray[np.int64]:
        array = np.asarray(rows, dtype=np.int64)
        check_rows(array, len(self), self.descriptor.name)
        return array

    def read(self, rows: Sequence[int], cursor: int = 0) -> list[Any]:
        """See :meth:`RowReader.read`."""
        elements: list[Any] = []
        for number, wanted, _ in self._split(self._checked(rows)):
            elements.extend(self._segment(number).read(wanted, cursor))
        return elements

    def values(self, rows: Sequence[int], cursor: int = 0) -> list[Any]:
        """Like :meth:`read`, but deserialized by the type that was stored.

        Raises:
            ElementTypeError: That type is not registered in this process.
        """
        values: list[Any] = []
        for number, wanted, _ in self._split(self._checked(rows)):
            values.extend(self._segment(number).values(wanted, cursor))
        return values

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`RowReader.seconds`."""
        array = self._checked(rows)
        order = np.argsort(array, kind="stable")
        ascending = array[order]
        times = np.empty(len(array))
        for number, wanted, where in self._split(ascending):
            times[order[where]] = self._segment(number).times()[wanted]
        return times

    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""
        totals = {"frames_decoded": 0, "bytes_read": 0, "seeks": 0}
        for counts in (self._closed, *(s.counters() for s in self._open.values())):
            for name, count in counts.items():
                totals[name] = totals.get(name, 0) + count
        return totals

    def close(self) -> None:
        """See :meth:`RowReader.close`."""
        while self._open:
            self._release(self._open.popitem()[1])
