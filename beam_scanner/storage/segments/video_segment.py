"""Reads video segments.

See :mod:`beam_scanner.storage.segments.video_writer` for the format.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import StorageError
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.segments.chained_reader import ChainedReader
from beam_scanner.storage.segments.parquet_reader import ParquetRows, frame_segment
from beam_scanner.storage.segments.video_rows import VideoRows
from beam_scanner.storage.segments.video_writer import index_name
from beam_scanner.storage.stored_rows import Record, RowReader
from beam_scanner.types.element_types import NULL
from beam_scanner.video.display import Display
from beam_scanner.video.index import FrameIndex


class VideoSegment(RowReader):
    """Reads a segment of MP4 files.

    Its sidecar has the rows' times, and which are null. All others are frames: those of
    the MP4 files, then those of a Parquet file that has what did not fit into them.

    Args:
        files: The segment's files.
        record: Its record.
    """

    def __init__(self, files: SegmentFiles, record: Record) -> None:
        self._files = files
        self._record = record
        self._sidecar = ParquetRows(files, record["sidecar"], record["rows"])
        frames = record["rows"]
        self._numbers: NDArray[np.int64] | None = None
        if record["nulls"]:
            # The number of each row's frame, -1 for null.
            null = np.array(self._sidecar.read(range(frames)), dtype=np.bool_)
            self._numbers = np.where(null, -1, np.cumsum(~null) - 1)
            frames -= int(null.sum())
        counts = [part["frames"] for part in record["parts"]]
        if "exact" in record:
            counts.append(frames - sum(counts))
        if sum(counts) != frames or min(counts) < 0:
            raise StorageError(
                f"{self._sidecar.name} is damaged: it has {frames} frames, its video "
                f"files have {sum(counts)}"
            )
        starts = np.cumsum([0, *counts])
        self._frames = ChainedReader(files.stream, starts, self._open_part)

    def _open_part(self, number: int) -> RowReader:
        parts = self._record["parts"]
        if number == len(parts):
            return frame_segment(self._files, self._record)
        part = parts[number]
        index = part_index(self._sidecar, number)
        if len(index) != part["frames"]:
            raise StorageError(
                f"{self._sidecar.name} is damaged: it has an index of {len(index)} "
                f"frames for {part['file']!r}, which has {part['frames']}"
            )
        source = self._files.video(part["file"], index.fingerprint)
        return VideoRows(self._files.stream, len(index), source, lambda: index)

    def __len__(self) -> int:
        return len(self._sidecar)

    @property
    def display(self) -> Display | None:
        """See :attr:`RowReader.display`."""
        return self._frames.part(0).display

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See :meth:`RowReader.read`."""
        if self._numbers is None:
            return self._frames.read(rows)
        numbers = self._numbers[np.asarray(rows, dtype=np.int64)]
        given = iter(self._frames.read(numbers[numbers >= 0].tolist()))
        return [NULL if number < 0 else next(given) for number in numbers.tolist()]

    def nulls(self) -> NDArray[np.bool_]:
        """See :meth:`RowReader.nulls`."""
        return super().nulls() if self._numbers is None else self._numbers < 0

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`RowReader.seconds`."""
        return self._sidecar.seconds(rows)

    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""
        counts = self._frames.counters()
        counts["bytes_read"] += self._sidecar.counters()["bytes_read"]
        return counts

    def decode_on(self, decoder: str) -> None:
        """See :meth:`RowReader.decode_on`."""
        self._frames.decode_on(decoder)

    def rest(self) -> None:
        """See :meth:`RowReader.rest`."""
        self._frames.rest()

    def close(self) -> None:
        """See :meth:`RowReader.close`."""
        self._frames.close()
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
