"""Reads video segments, and video files where they lie.

Each place that is read at keeps a decoder of its own, so that reading on costs no
seek; see :mod:`beam_scanner.storage.segments.frame_writer` for what is stored.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import StorageError
from beam_scanner.rows.gops import keyframe_at
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.segments.frame_writer import index_name
from beam_scanner.storage.segments.index_cache import ingested_files, stored_index
from beam_scanner.storage.segments.parquet import ParquetRows, frames_from_arrow
from beam_scanner.storage.segments.segment_reader import SegmentReader, check_length
from beam_scanner.storage.stored_rows import Record, RowReader, check_rows
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.types.element_types import NULL
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.display import Display
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.source import VideoSource


class Decoders:
    """Reads one video file at several positions, each with its own decoder.

    Args:
        source: The file.
        index: Its index.
    """

    def __init__(self, source: VideoSource, index: FrameIndex) -> None:
        self.index = index
        self._source = source
        self._open: dict[int, VideoDecoder] = {}
        self._entry: dict[int, int] = {}
        self._counts = {"frames_decoded": 0, "bytes_read": 0, "seeks": 0}

    def read(self, frames: NDArray[np.int64], cursor: int) -> list[Any]:
        """Decodes frames, given by ascending numbers."""
        if cursor not in self._open:
            self._open[cursor] = VideoDecoder(self._source, self.index)
        self._count_bytes(frames, cursor)
        return list(self._open[cursor].read(frames))

    def _count_bytes(self, frames: NDArray[np.int64], cursor: int) -> None:
        entries = np.unique(keyframe_at(self.index.keyframes, frames))
        numbers = np.searchsorted(self.index.keyframes, entries)
        fresh = numbers[numbers != self._entry.get(cursor, -1)]
        self._counts["bytes_read"] += int(self.index.gop_bytes[fresh].sum())
        if len(numbers):
            self._entry[cursor] = int(numbers[-1])

    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""
        counts = dict(self._counts)
        for decoder in self._open.values():
            counts["frames_decoded"] += decoder.frames_decoded
            counts["seeks"] += decoder.seeks
        return counts

    def leave(self, cursor: int) -> None:
        """Closes the decoder of a position."""
        decoder = self._open.pop(cursor, None)
        self._entry.pop(cursor, None)
        if decoder is not None:
            self._counts["frames_decoded"] += decoder.frames_decoded
            self._counts["seeks"] += decoder.seeks
            decoder.close()

    def close(self) -> None:
        """Closes all decoders; counters stay."""
        for cursor in list(self._open):
            self.leave(cursor)


class ExactSegment(SegmentReader):
    """Reads a segment whose frames are all in one Parquet file."""

    def __init__(self, files: SegmentFiles, record: Record) -> None:
        self._rows = ParquetRows(files, record["exact"])
        check_length(self._rows, record)

    def read(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """See :meth:`SegmentReader.read`."""
        return self._rows.read(rows, frames_from_arrow)

    def values(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """See :meth:`SegmentReader.values`."""
        return self.read(rows, cursor)

    def nulls(self) -> NDArray[np.bool_]:
        """See :meth:`SegmentReader.nulls`."""
        rows = np.arange(len(self._rows))
        return np.array(self._rows.read(rows, lambda c: c.is_null().to_pylist()))

    def times(self) -> NDArray[np.float64]:
        """See :meth:`SegmentReader.times`."""
        return self._rows.times()

    def counters(self) -> dict[str, int]:
        """See :meth:`SegmentReader.counters`."""
        return {"bytes_read": self._rows.bytes_read}

    def close(self) -> None:
        """See :meth:`SegmentReader.close`."""
        self._rows.close()


class EncodedSegment(SegmentReader):
    """Reads a segment of MP4 files, their rows, and what did not fit into them."""

    def __init__(self, files: SegmentFiles, record: Record) -> None:
        self._sidecar = ParquetRows(files, record["sidecar"])
        check_length(self._sidecar, record)
        self._parts: list[Decoders | ParquetRows] = []
        for number, part in enumerate(record["parts"]):
            index = part_index(self._sidecar, number)
            if len(index) != part["frames"]:
                raise StorageError(
                    f"{self._sidecar.name} is damaged: it has an index of {len(index)} "
                    f"frames for {part['file']!r}, which has {part['frames']}"
                )
            self._parts.append(
                Decoders(files.video(part["file"], index.fingerprint), index)
            )
        if "exact" in record:
            self._parts.append(ParquetRows(files, record["exact"]))
        frames = [part["frames"] for part in record["parts"]]
        self._starts = np.cumsum([0, *frames])
        self._cursors: dict[int, Decoders] = {}
        self._numbers: NDArray[np.int64] | None = None
        if record["nulls"]:
            rows = np.arange(record["rows"])
            null = np.array(self._sidecar.read(rows, lambda c: c.to_pylist()), bool)
            self._numbers = np.where(null, -1, np.cumsum(~null) - 1)

    @property
    def display(self) -> Display | None:
        """See :attr:`RowReader.display`."""
        first = self._parts[0]
        return first.index.display if isinstance(first, Decoders) else None

    def read(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """See :meth:`SegmentReader.read`."""
        numbers = rows if self._numbers is None else self._numbers[rows]
        frames = self._read_frames(numbers[numbers >= 0], cursor)
        if len(frames) == len(rows):
            return frames
        given = iter(frames)
        return [NULL if number < 0 else next(given) for number in numbers.tolist()]

    def _read_frames(self, numbers: NDArray[np.int64], cursor: int) -> list[Any]:
        frames: list[Any] = []
        owners = np.searchsorted(self._starts, numbers, side="right") - 1
        for owner in np.unique(owners).tolist():
            part = self._parts[owner]
            wanted = numbers[owners == owner] - self._starts[owner]
            if isinstance(part, Decoders):
                if self._cursors.get(cursor, part) is not part:
                    self.leave(cursor)
                self._cursors[cursor] = part
                frames.extend(part.read(wanted, cursor))
            else:
                frames.extend(part.read(wanted, frames_from_arrow))
        return frames

    def values(self, rows: NDArray[np.int64], cursor: int) -> list[Any]:
        """See :meth:`SegmentReader.values`."""
        return self.read(rows, cursor)

    def nulls(self) -> NDArray[np.bool_]:
        """See :meth:`SegmentReader.nulls`."""
        if self._numbers is None:
            return super().nulls()
        return self._numbers < 0

    def times(self) -> NDArray[np.float64]:
        """See :meth:`SegmentReader.times`."""
        return self._sidecar.times()

    def counters(self) -> dict[str, int]:
        """See :meth:`SegmentReader.counters`."""
        totals = {"bytes_read": self._sidecar.bytes_read}
        for part in self._parts:
            counts = (
                part.counters()
                if isinstance(part, Decoders)
                else {"bytes_read": part.bytes_read}
            )
            for name, count in counts.items():
                totals[name] = totals.get(name, 0) + count
        return totals

    def leave(self, cursor: int) -> None:
        """See :meth:`SegmentReader.leave`."""
        if cursor in self._cursors:
            self._cursors.pop(cursor).leave(cursor)

    def close(self) -> None:
        """See :meth:`SegmentReader.close`."""
        for part in self._parts:
            part.close()
        self._sidecar.close()


def part_index(sidecar: ParquetRows, number: int) -> FrameIndex:
    """The index of the n-th MP4 of a segment.

    Raises:
        StorageError: It is damaged.
    """
    packed = sidecar.metadata(index_name(number))
    try:
        return FrameIndex.from_bytes(base64.b64decode(packed, validate=True))
    except ValueError as error:
        raise StorageError(f"{sidecar.name} is damaged: {error}") from error


def stream_entries(
    descriptor: StreamDescriptor,
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Entries of a stored video and the bytes from each to the next.

    Every row of a segment without encoded frames is an entry.

    Returns:
        (int64[k], int64[k]), or None where no row is encoded.
    """
    if not any("parts" in record for record in descriptor.segments):
        return None
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


class VideoFileReader(RowReader):
    """Reads a video file, in place or copied, by its index.

    Rows of a salvaged file that cannot be decoded are null.

    Args:
        store: The store that holds the index.
        descriptor: The stream's.
        index: The index, if it is not stored.
    """

    def __init__(
        self,
        store: ObjectStore,
        descriptor: StreamDescriptor,
        index: FrameIndex | None = None,
    ) -> None:
        self.descriptor = descriptor
        self._store = store
        self._index = index
        self._made: Decoders | None = None

    def __len__(self) -> int:
        return self.descriptor.rows

    @property
    def index(self) -> FrameIndex:
        """The index, which is read when something needs it."""
        if self._index is None:
            self._index = stored_index(self._store, self.descriptor)
        return self._index

    @property
    def _decoders(self) -> Decoders:
        if self._made is None:
            source = video_file(self._store, self.descriptor)
            self._made = Decoders(source, self.index)
        return self._made

    @property
    def display(self) -> Display:
        """See :attr:`RowReader.display`."""
        return self.index.display

    def read(self, rows: Sequence[int], cursor: int = 0) -> list[Any]:
        """See :meth:`RowReader.read`.

        Raises:
            VideoError: The file has changed, or a row cannot be decoded.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        check_rows(wanted, len(self), self.descriptor.name)
        lost = self._decoders.index.is_lost(wanted)
        frames = self._decoders.read(wanted[~lost], cursor)
        if len(frames) == len(wanted):
            return frames
        given = iter(frames)
        return [NULL if gone else next(given) for gone in lost.tolist()]

    def nulls(self) -> NDArray[np.bool_]:
        """Which rows are null; bool[rows]."""
        return self.index.is_lost(np.arange(len(self)))

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`RowReader.seconds`."""
        return self.index.seconds(rows)

    @property
    def entries(self) -> NDArray[np.int64]:
        """See :attr:`RowReader.entries`."""
        return self.index.keyframes

    @property
    def entry_bytes(self) -> NDArray[np.int64]:
        """See :attr:`RowReader.entry_bytes`."""
        return self.index.gop_bytes

    @property
    def frame_bytes(self) -> int:
        """See :attr:`RowReader.frame_bytes`."""
        return self.index.frame_bytes

    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""
        return super().counters() if self._made is None else self._made.counters()

    def close(self) -> None:
        """See :meth:`RowReader.close`."""
        if self._made is not None:
            self._made.close()


def video_file(store: ObjectStore, descriptor: StreamDescriptor) -> VideoSource:
    """The video file that an ingested stream consists of."""
    if descriptor.path is not None:
        return descriptor.path
    assert descriptor.copy is not None
    files = ingested_files(store, descriptor)
    return files.video(descriptor.copy, descriptor.fingerprint)
