"""Video segments: frames as MP4 where that is exact or wanted, else as Parquet.

A segment of uint8 H x W x 3 frames is an MP4 that any player shows, and beside it
``<segment>.rows.parquet`` with ``row``, ``time`` (the true presentation time in
seconds) and ``is_null``; null rows are not encoded. The frame index of the MP4 is in
that file's metadata, so that a stored video is an input without being indexed again.

Frames of any other dtype or shape are kept exactly, in a Parquet file. So are the
frames of lossless video once their size changes too often for files of their own.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from beam_scanner.errors import ElementTypeError, VideoError
from beam_scanner.gops import entry_of
from beam_scanner.storage.base import (
    Record,
    RowReader,
    SegmentWriter,
    check_next,
    check_rows,
)
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.names import generation_key
from beam_scanner.storage.parquet import (
    ParquetRows,
    ParquetTable,
    frame_to_arrow,
    frame_type,
    frames_from_arrow,
)
from beam_scanner.storage.segments import SegmentReader
from beam_scanner.storage.store import ObjectStore, storage_errors
from beam_scanner.types import NULL, NullElement
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.index import FrameIndex

INDEX_FILE = "index.bin"

# A new size gets a file of its own only if the one before lasted so many frames.
_MIN_PART_FRAMES = 16
_MAX_SIDE = 16384


def video_source(store: ObjectStore, key: str) -> str | Callable[[], BinaryIO]:
    """What a decoder opens: a path, or a callable for a remote store."""
    return store.local_path(key) or partial(store.open, key)


def _index_name(part: int) -> str:
    return f"beam_scanner.frame_index.{part}"


class _Part:
    """One MP4 file of a segment while it is written."""

    def __init__(
        self,
        store: ObjectStore,
        stream: str,
        file: str,
        encoding: Encoding,
        shape: tuple[int, ...],
    ) -> None:
        self.stream = stream
        self.file = file
        self.shape = shape
        self.path = store.scratch(".mp4")
        self.rows = array("q")
        self.index: FrameIndex | None = None
        self.size = 0
        with storage_errors("write", self.path):
            self._encoder = VideoEncoder(self.path, encoding)

    def write(self, row: int, frame: NDArray[np.uint8], seconds: float) -> None:
        with storage_errors("write", self.path):
            try:
                self._encoder.write(frame, seconds)
            except VideoError as error:
                raise VideoError(
                    f"row {row} of stream {self.stream!r} cannot be encoded: {error}"
                ) from error
        self.rows.append(row)

    def close(self) -> None:
        if self.index is None:
            with storage_errors("write", self.path):
                self.index = self._encoder.close()
                self.size = Path(self.path).stat().st_size

    def abort(self) -> None:
        with suppress(Exception):
            self._encoder.abort()
        Path(self.path).unlink(missing_ok=True)

    def record(self, first_row: int) -> dict[str, Any]:
        assert self.index is not None
        rows = np.frombuffer(self.rows, dtype=np.int64) - first_row
        return {
            "file": self.file,
            "frames": len(rows),
            "entries": rows[self.index.entries].tolist(),
            "entry_bytes": self.index.entry_bytes.tolist(),
        }


class VideoSegmentWriter(SegmentWriter):
    """Writes frames as one segment.

    What the first frame is decides: MP4 for uint8 H x W x 3, else Parquet.

    Args:
        store: The database's store.
        folder: Key of the generation's folder.
        stem: Name of the files, without their ends.
        stream: Name of the stream, for errors.
        first_row: Number of the segment's first row.
        encoding: How to encode.
    """

    def __init__(
        self,
        store: ObjectStore,
        folder: str,
        stem: str,
        stream: str,
        first_row: int,
        encoding: Encoding,
    ) -> None:
        self._store = store
        self._folder = folder
        self._stem = stem
        self._stream = stream
        self._first = self._next = first_row
        self._encoding = encoding
        self._sizes: set[tuple[int, int]] = set()
        self._frame_bytes = 0
        self._nulls = 0
        # Rows before the first frame, all null; what holds them is not yet known.
        self._leading: list[float] = []
        self._parts: list[_Part] = []
        self._sidecar: ParquetTable | None = None
        self._exact: ParquetTable | None = None
        self._exact_rows = array("q")

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See :meth:`SegmentWriter.write`.

        Raises:
            ElementTypeError: An element is no frame; or, in lossy video, a frame
                differs in size from those before.
            RowError: The rows do not follow those already written.
        """
        check_next(self._next, first_row, self._stream)
        for element, time in zip(elements, seconds, strict=True):
            if isinstance(element, NullElement):
                self._write_null(self._next, float(time))
            else:
                self._write_frame(self._next, element, float(time))
            self._next += 1

    def _write_null(self, row: int, time: float) -> None:
        self._nulls += 1
        if self._sidecar is not None:
            self._sidecar.append(row, time, True, 24)
        elif self._exact is not None:
            self._exact.append(row, time, None, 24)
        else:
            self._leading.append(time)

    def _write_frame(self, row: int, frame: Any, time: float) -> None:
        if self._sidecar is None and self._exact is None:
            self._begin(_encodable(frame))
        if self._sidecar is None:
            self._write_exact(row, frame, time)
        else:
            self._sidecar.append(row, time, False, 24)
            part = self._part_for(row, frame)
            if part is None:
                self._write_exact(row, frame, time)
            else:
                part.write(row, frame, time)
        if frame.ndim >= 2:
            self._sizes.add((frame.shape[1], frame.shape[0]))
        self._frame_bytes = max(self._frame_bytes, frame.nbytes)

    def _begin(self, encoded: bool) -> None:
        """Opens what holds the rows, and adds the nulls that came first."""
        if encoded:
            key = f"{self._folder}/{self._stem}.rows.parquet"
            self._sidecar = ParquetTable(self._store, key, pa.bool_(), "is_null")
        else:
            self._open_exact(f"{self._stem}.parquet")
        table = self._sidecar or self._exact
        assert table is not None
        for row, time in enumerate(self._leading, self._first):
            table.append(row, time, True if encoded else None, 24)
        self._leading = []

    def _open_exact(self, file: str) -> ParquetTable:
        key = f"{self._folder}/{file}"
        self._exact = ParquetTable(self._store, key, frame_type().arrow_type)
        return self._exact

    def _part_for(self, row: int, frame: Any) -> _Part | None:
        """The MP4 that takes a frame; None if it is to be kept in Parquet."""
        if self._exact is not None:
            return None
        last = self._parts[-1] if self._parts else None
        if last is not None and _encodable(frame) and frame.shape == last.shape:
            return last
        if last is not None:
            if not self._encoding.lossless:
                raise ElementTypeError(_changed(self._stream, row, frame, last.shape))
            last.close()
            if len(last.rows) < _MIN_PART_FRAMES or not _encodable(frame):
                return None
        number = len(self._parts)
        file = f"{self._stem}.mp4" if number == 0 else f"{self._stem}-{number}.mp4"
        part = _Part(self._store, self._stream, file, self._encoding, frame.shape)
        self._parts.append(part)
        return part

    def _write_exact(self, row: int, frame: Any, time: float) -> None:
        struct, size = frame_to_arrow(frame, row, self._stream)
        table = self._exact or self._open_exact(f"{self._stem}-rest.parquet")
        table.append(row, time, struct, size)
        self._exact_rows.append(row)

    def finish(self) -> Record:
        """See :meth:`SegmentWriter.finish`."""
        if self._sidecar is None and self._exact is None:
            self._begin(encoded=False)
        width, height = next(iter(self._sizes)) if len(self._sizes) == 1 else (0, 0)
        record: Record = {
            "first": self._first,
            "rows": self._next - self._first,
            "bytes": 0,
            "files": [],
            "kind": "video",
            "type": "FrameType",
            "width": width,
            "height": height,
            "frame_bytes": self._frame_bytes,
            "nulls": self._nulls,
            "lossy": self._sidecar is not None and not self._encoding.lossless,
        }
        if self._sidecar is not None:
            self._finish_parts(record)
        if self._exact is not None:
            self._finish_exact(record)
        return record

    def _finish_parts(self, record: Record) -> None:
        indexes = {}
        for number, part in enumerate(self._parts):
            part.close()
            assert part.index is not None
            packed = base64.b64encode(part.index.to_bytes()).decode()
            indexes[_index_name(number)] = packed
            self._store.put(f"{self._folder}/{part.file}", Path(part.path))
            record["bytes"] += part.size
            record["files"].append(part.file)
        assert self._sidecar is not None
        record["bytes"] += self._sidecar.finish(indexes)
        record["sidecar"] = f"{self._stem}.rows.parquet"
        record["files"].append(record["sidecar"])
        record["parts"] = [part.record(self._first) for part in self._parts]
        # Nulls before the first frame are decoded from where that begins.
        record["parts"][0]["entries"][0] = 0

    def _finish_exact(self, record: Record) -> None:
        assert self._exact is not None
        whole = self._sidecar is None
        file = f"{self._stem}.parquet" if whole else f"{self._stem}-rest.parquet"
        record["bytes"] += self._exact.finish()
        record["files"].append(file)
        record["exact"] = file
        if not whole:
            rows = np.frombuffer(self._exact_rows, dtype=np.int64) - self._first
            record["exact_rows"] = rows.tolist() if self._nulls else None
            record["exact_first"] = int(rows[0])

    def abort(self) -> None:
        """See :meth:`SegmentWriter.abort`."""
        for part in self._parts:
            part.abort()
        for table in (self._sidecar, self._exact):
            if table is not None:
                table.abort()


def _encodable(frame: Any) -> bool:
    return (
        isinstance(frame, np.ndarray)
        and frame.dtype == np.uint8
        and frame.ndim == 3
        and frame.shape[2] == 3
        and 0 < frame.shape[0] <= _MAX_SIDE
        and 0 < frame.shape[1] <= _MAX_SIDE
    )


def _changed(stream: str, row: int, frame: Any, before: tuple[int, ...]) -> str:
    got = (
        f"a {frame.dtype} array of shape {frame.shape}"
        if isinstance(frame, np.ndarray)
        else type(frame).__name__
    )
    return (
        f"row {row} of stream {stream!r} is {got}, earlier rows are uint8 arrays of "
        f"shape {before}: only lossless() video may change its frames"
    )


class Decoders:
    """Reads one video file at several positions, each with its own decoder.

    Args:
        source: The file.
        index: Its index.
    """

    def __init__(self, source: str | Callable[[], BinaryIO], index: FrameIndex) -> None:
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
        entries = np.unique(entry_of(self.index.entries, frames))
        numbers = np.searchsorted(self.index.entries, entries)
        fresh = numbers[numbers != self._entry.get(cursor, -1)]
        self._counts["bytes_read"] += int(self.index.entry_bytes[fresh].sum())
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

    def __init__(self, store: ObjectStore, folder: str, record: Record) -> None:
        self._rows = ParquetRows(store, f"{folder}/{record['exact']}")

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

    def __init__(self, store: ObjectStore, folder: str, record: Record) -> None:
        self._sidecar = ParquetRows(store, f"{folder}/{record['sidecar']}")
        self._parts: list[Decoders | ParquetRows] = []
        for number, part in enumerate(record["parts"]):
            packed = base64.b64decode(self._sidecar.metadata(_index_name(number)))
            source = video_source(store, f"{folder}/{part['file']}")
            self._parts.append(Decoders(source, FrameIndex.from_bytes(packed)))
        if "exact" in record:
            self._parts.append(ParquetRows(store, f"{folder}/{record['exact']}"))
        frames = [part["frames"] for part in record["parts"]]
        self._starts = np.cumsum([0, *frames])
        self._cursors: dict[int, Decoders] = {}
        self._numbers: NDArray[np.int64] | None = None
        if record["nulls"]:
            rows = np.arange(record["rows"])
            null = np.array(self._sidecar.read(rows, lambda c: c.to_pylist()))
            self._numbers = np.where(null, -1, np.cumsum(~null) - 1)

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
    """Reads a video file where it lies, by its stored index.

    Args:
        store: The store that holds the index.
        descriptor: The stream's, with the path.
    """

    def __init__(self, store: ObjectStore, descriptor: StreamDescriptor) -> None:
        folder = generation_key(descriptor.name, descriptor.generation)
        self.index = FrameIndex.from_bytes(store.read(f"{folder}/{INDEX_FILE}"))
        self.descriptor = descriptor
        assert descriptor.path is not None
        self._decoders = Decoders(descriptor.path, self.index)

    def __len__(self) -> int:
        return len(self.index)

    def read(self, rows: Sequence[int], cursor: int = 0) -> list[Any]:
        """See :meth:`RowReader.read`.

        Raises:
            VideoError: The file has changed, or a row cannot be decoded.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        check_rows(wanted, len(self), self.descriptor.name)
        return self._decoders.read(wanted, cursor)

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`RowReader.seconds`."""
        return self.index.seconds(rows)

    @property
    def entries(self) -> NDArray[np.int64]:
        """See :attr:`RowReader.entries`."""
        return self.index.entries

    @property
    def entry_bytes(self) -> NDArray[np.int64]:
        """See :attr:`RowReader.entry_bytes`."""
        return self.index.entry_bytes

    @property
    def frame_bytes(self) -> int:
        """See :attr:`RowReader.frame_bytes`."""
        return self.index.frame_bytes

    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""
        return self._decoders.counters()

    def close(self) -> None:
        """See :meth:`RowReader.close`."""
        self._decoders.close()
