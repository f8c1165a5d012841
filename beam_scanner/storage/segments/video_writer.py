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
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from beam_scanner.errors import ElementTypeError, VideoError
from beam_scanner.measure.spans import part as timed
from beam_scanner.storage.checked_files import Checksums
from beam_scanner.storage.segments.parquet_writer import (
    ParquetTable,
    frame_to_arrow,
    frame_type,
)
from beam_scanner.storage.stored_rows import Record, SegmentTask, SegmentWriter
from beam_scanner.storage.stream_names import generation_key
from beam_scanner.stores.object_store import ObjectStore, storage_errors
from beam_scanner.types.element_types import NullElement
from beam_scanner.video.display import Display
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.index import FrameIndex

# Frames of a new size begin another MP4 only if the last one has so many frames.
_MIN_PART_FRAMES = 16
_MAX_SIDE = 16384


def index_name(part: int) -> str:
    """Where the metadata of a segment's rows have the index of its n-th MP4."""
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
        display: Display | None,
    ) -> None:
        self.stream = stream
        self.file = file
        self.shape = shape
        self.path = store.scratch(".mp4")
        self.rows = array("q")
        self.index: FrameIndex | None = None
        self.sums = Checksums(0, b"")
        with storage_errors("write", self.path):
            self._encoder = VideoEncoder(self.path, encoding, display)

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
                self.sums = Checksums.of_file(self.path)

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
            # Readers of all releases know keyframes by this name.
            "entries": rows[self.index.keyframes].tolist(),
            "entry_bytes": self.index.gop_bytes.tolist(),
        }


class VideoSegmentWriter(SegmentWriter):
    """Writes frames as one segment.

    The first frame decides the format: MP4 if it is uint8 H x W x 3, else Parquet.

    Args:
        store: The database's store.
        stream: Name of the stream.
        segment: The segment to write.
    """

    def __init__(self, store: ObjectStore, stream: str, segment: SegmentTask) -> None:
        super().__init__(stream, segment.first_row, "FrameType")
        self._store = store
        self._folder = generation_key(stream, segment.generation)
        self._stem = segment.stem
        self._encoding = segment.encoding or Encoding()
        self._display: Display | None = None
        self._sizes: set[tuple[int, int]] = set()
        self._frame_bytes = 0
        self._nulls = 0
        # Rows before the first frame, all null; what holds them is not yet known.
        self._leading: list[float] = []
        self._parts: list[_Part] = []
        self._sidecar: ParquetTable | None = None
        self._exact: ParquetTable | None = None
        self._exact_rows = array("q")

    def keep_display(self, display: Display) -> None:
        """See :meth:`SegmentWriter.keep_display`."""
        self._display = display

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See :meth:`SegmentWriter.write`.

        Raises:
            ElementTypeError: An element is not a frame; or, in lossy video, a frame
                differs in size from those before.
            RowError: The rows do not follow those already written.
        """
        self._check_next(first_row)
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
        part = _Part(
            self._store,
            self._stream,
            file,
            self._encoding,
            frame.shape,
            self._display,
        )
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
            **self._record("video"),
            "sums": {},
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
            indexes[index_name(number)] = packed
            with timed("store"):
                self._store.put(f"{self._folder}/{part.file}", Path(part.path))
            _add_file(record, part.file, part.sums)
        assert self._sidecar is not None
        record["sidecar"] = f"{self._stem}.rows.parquet"
        _add_file(record, record["sidecar"], self._sidecar.finish(indexes))
        record["parts"] = [part.record(self._first) for part in self._parts]
        # Nulls before the first frame are decoded from where that begins.
        record["parts"][0]["entries"][0] = 0

    def _finish_exact(self, record: Record) -> None:
        assert self._exact is not None
        whole = self._sidecar is None
        file = f"{self._stem}.parquet" if whole else f"{self._stem}-rest.parquet"
        _add_file(record, file, self._exact.finish())
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


def _add_file(record: Record, file: str, sums: Checksums) -> None:
    record["bytes"] += sums.size
    record["files"].append(file)
    record["sums"][file] = sums.to_json()


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
