"""Reads committed streams, whatever their segments are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ScannerException, StorageError
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.segments.parquet_reader import BlobSegment, SegmentReader
from beam_scanner.storage.stored_rows import Record, RowReader, check_rows
from beam_scanner.storage.stream_names import descriptor_key, generation_key
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.video.display import Display

_OPEN_SEGMENTS = 8


class SegmentedReader(RowReader):
    """Reads a stream of segments; segments are opened when first needed.

    Args:
        store: The database's store.
        descriptor: The stream's.
        trusted: False: nothing is unpickled.

    Attributes:
        descriptor: The stream's.
    """

    def __init__(
        self, store: ObjectStore, descriptor: StreamDescriptor, trusted: bool = True
    ) -> None:
        self.descriptor = descriptor
        self._trusted = trusted
        self._store = store
        self._folder = generation_key(descriptor.name, descriptor.generation)
        self._starts = descriptor.starts()
        self._open: OrderedDict[int, SegmentReader] = OrderedDict()
        self._closed: dict[str, int] = {}
        self._cursors: dict[int, int] = {}
        # In a tuple, since None is an answer too.
        self._entries: tuple[Any] | None = None

    def __len__(self) -> int:
        return self.descriptor.rows

    def _open_segment(self, record: Record) -> SegmentReader:
        name = self.descriptor.name
        files = SegmentFiles(self._store, name, self._folder, record)
        try:
            if record["kind"] == "blob":
                kind = self.descriptor.type_name
                return BlobSegment(files, record, kind, self._trusted)
            # Frames need FFmpeg, which nothing else here should load.
            from beam_scanner.storage.segments.video_segment import (
                EncodedSegment,
                ExactSegment,
            )

            opened = EncodedSegment if "parts" in record else ExactSegment
            return opened(files, record)
        except (LookupError, TypeError, AttributeError) as error:
            if isinstance(error, ScannerException):
                raise
            where = self._store.describe(descriptor_key(name))
            raise StorageError(
                f"{where!r} of stream {name!r} is damaged: the record of the segment "
                f"from row {record['first']} on ({type(error).__name__}: {error})"
            ) from error

    def _segment(self, number: int, cursor: int | None = None) -> SegmentReader:
        if cursor is not None:
            before = self._cursors.get(cursor, number)
            self._cursors[cursor] = number
            if before != number and before in self._open:
                self._open[before].leave(cursor)
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

    def _checked(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        array = np.asarray(rows, dtype=np.int64)
        check_rows(array, len(self), self.descriptor.name)
        return array

    def read(self, rows: Sequence[int], cursor: int = 0) -> list[Any]:
        """See :meth:`RowReader.read`."""
        elements: list[Any] = []
        for number, wanted, _ in self._split(self._checked(rows)):
            elements.extend(self._segment(number, cursor).read(wanted, cursor))
        return elements

    def values(self, rows: Sequence[int], cursor: int = 0) -> list[Any]:
        """Like :meth:`read`, but deserialized by the type that was stored.

        Raises:
            ElementTypeError: That type is not registered in this process.
            UntrustedDataError: It must not be unpickled.
        """
        values: list[Any] = []
        for number, wanted, _ in self._split(self._checked(rows)):
            values.extend(self._segment(number, cursor).values(wanted, cursor))
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

    def nulls(self) -> NDArray[np.bool_]:
        """Which rows are null; bool[rows]."""
        masks = [self._segment(i).nulls() for i in range(len(self.descriptor.segments))]
        return np.concatenate([np.zeros(0, dtype=np.bool_), *masks])

    @property
    def display(self) -> Display | None:
        """See :attr:`RowReader.display`: that of the first segment of video."""
        for number, record in enumerate(self.descriptor.segments):
            if record.get("parts"):
                return self._segment(number).display
        return None

    def _stream_entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        if self.descriptor.kind != "video":
            return None
        if self._entries is None:
            from beam_scanner.storage.segments.video_segment import stream_entries

            self._entries = (stream_entries(self.descriptor),)
        return self._entries[0]

    @property
    def entries(self) -> NDArray[np.int64] | None:
        """See :attr:`RowReader.entries`."""
        found = self._stream_entries()
        return None if found is None else found[0]

    @property
    def entry_bytes(self) -> NDArray[np.int64] | None:
        """See :attr:`RowReader.entry_bytes`."""
        found = self._stream_entries()
        return None if found is None else found[1]

    @property
    def frame_bytes(self) -> int:
        """See :attr:`RowReader.frame_bytes`."""
        records = self.descriptor.segments
        return max((int(record.get("frame_bytes", 0)) for record in records), default=0)

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
