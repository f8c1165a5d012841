"""Reads stored streams: their segments, one after another."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ScannerException, StorageError
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.segments.chained_reader import ChainedReader
from beam_scanner.storage.segments.parquet_reader import BlobSegment, frame_segment
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.storage.stream_names import descriptor_key
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.video.display import Display


class StreamReader(ChainedReader):
    """Reads a stream of segments.

    Args:
        store: The database's store.
        descriptor: The stream's.
        trusted: False: nothing is unpickled.
    """

    def __init__(
        self, store: ObjectStore, descriptor: StreamDescriptor, trusted: bool = True
    ) -> None:
        super().__init__(descriptor.name, descriptor.starts(), self._open_segment)
        self._store = store
        self._descriptor = descriptor
        self._trusted = trusted

    def reopen(self) -> RowReader:
        """See :meth:`RowReader.reopen`."""
        if self.keyframes is None:
            return self
        return StreamReader(self._store, self._descriptor, self._trusted)

    def decode_on(self, decoder: str) -> None:
        """See :meth:`RowReader.decode_on`."""
        if self.keyframes is not None:
            super().decode_on(decoder)

    def _open_segment(self, number: int) -> RowReader:
        found = self._descriptor
        record = found.segments[number]
        files = SegmentFiles(self._store, found.name, found.generation, record)
        try:
            if record["kind"] == "blob":
                return BlobSegment(files, record, found.type_name, self._trusted)
            if "parts" not in record:
                return frame_segment(files, record)
            # Video needs FFmpeg, which nothing else here should load.
            from beam_scanner.storage.segments.video_segment import VideoSegment

            return VideoSegment(files, record)
        except (LookupError, TypeError, AttributeError) as error:
            if isinstance(error, ScannerException):
                raise
            where = self._store.describe(descriptor_key(found.name))
            raise StorageError(
                f"{where!r} of stream {found.name!r} is damaged: the record of the "
                f"segment from row {record['first']} on ({type(error).__name__}: "
                f"{error})"
            ) from error

    @property
    def display(self) -> Display | None:
        """See :attr:`RowReader.display`: that of the first segment of video."""
        for number, record in enumerate(self._descriptor.segments):
            if record.get("parts"):
                return self.part(number).display
        return None

    @cached_property
    def _gops(self) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
        return stored_gops(self._descriptor)

    @property
    def keyframes(self) -> NDArray[np.int64] | None:
        """See :attr:`RowReader.keyframes`."""
        return self._gops[0]

    @property
    def gop_bytes(self) -> NDArray[np.int64] | None:
        """See :attr:`RowReader.gop_bytes`."""
        return self._gops[1]

    @property
    def frame_bytes(self) -> int:
        """See :attr:`RowReader.frame_bytes`."""
        records = self._descriptor.segments
        return max((int(record.get("frame_bytes", 0)) for record in records), default=0)


def stored_gops(
    descriptor: StreamDescriptor,
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Keyframes of a stored video and the bytes from each to the next.

    Every row of a segment without encoded frames counts as a keyframe.

    Returns:
        (int64[k], int64[k]), or two times None where no row is encoded.
    """
    if not any("parts" in record for record in descriptor.segments):
        return None, None
    rows: list[NDArray[np.int64]] = []
    sizes: list[NDArray[np.int64]] = []
    for record in descriptor.segments:
        first, count = int(record["first"]), int(record["rows"])
        for part in record.get("parts", ()):
            rows.append(first + np.array(part["entries"], dtype=np.int64))
            sizes.append(np.array(part["entry_bytes"], dtype=np.int64))
        if "exact" in record:
            start = int(record.get("exact_first", 0))
            exact = record.get("exact_rows")
            found = np.arange(start, count) if exact is None else np.array(exact)
            rows.append(first + found.astype(np.int64))
            sizes.append(np.full(len(found), record["frame_bytes"], dtype=np.int64))
    return np.concatenate(rows), np.concatenate(sizes)
