"""Columns of tables, and what is known of those that hold video."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from beam_scanner.errors import ElementTypeError
from beam_scanner.rows.row_numbers import row_numbers
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.segments.parquet_reader import ParquetRows
from beam_scanner.storage.streams.backend import converter
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.types.element_types import ColumnType
from beam_scanner.video.index import FrameIndex

if TYPE_CHECKING:
    from beam_scanner.scannerpy.table import Table


class Column:
    """One column of a table.

    Args:
        table: The table.
        name: Its name.

    Raises:
        ArgumentError: The table has no such column.
    """

    def __init__(self, table: Table, name: str) -> None:
        self._table = table.name()
        self._name = name
        self._number, self._rows, self._stream = table.find_column(name)

    def __repr__(self) -> str:
        return f"Column({self._table!r}, {self._name!r})"

    def id(self) -> int:
        """Its place among the table's columns."""
        return self._number

    def name(self) -> str:
        """Its name."""
        return self._name

    def type(self) -> ColumnType:
        """Whether it holds frames or blobs."""
        return ColumnType.Blob if self._stream is None else self._stream.column_type()

    def stream(self) -> NamedStream | None:
        """The stream that holds it; None for the row numbers of a video."""
        return self._stream

    def keyframes(self) -> list[int]:
        """Rows at which decoding may start; all rows where nothing is decoded.

        Raises:
            StreamNotFoundError: It is not committed.
        """
        if self._stream is None:
            return list(range(self._rows))
        with self._stream.reader() as reader:
            keyframes = reader.keyframes
            return list(range(len(reader))) if keyframes is None else keyframes.tolist()

    def video(self) -> VideoMetadata:
        """Codec, size, rate, duration, rotation and more of a column of frames.

        Raises:
            ElementTypeError: The column holds no frames.
            StreamNotFoundError: It is not committed.
        """
        if not isinstance(self._stream, NamedVideoStream):
            raise ElementTypeError(
                f"column {self._name!r} of table {self._table!r} holds no frames"
            )
        return video_metadata(self._stream)

    def load(
        self,
        ty: Any = None,
        fn: Callable[[Any], Any] | None = None,
        rows: Iterable[int] | None = None,
        workers: int = 16,
    ) -> Iterator[Any]:
        """Yields values in order, lazily; frames as uint8 H x W x 3 RGB arrays.

        Row numbers of a video are 8 bytes each, as ``struct.unpack('=Q', ...)`` reads.

        Args:
            ty: Type to deserialize with, instead of the stored one.
            fn: Called with each element's bytes (or frame) instead.
            rows: Row numbers in any order, also more than once; all for None.
            workers: Ignored.

        Raises:
            StreamNotFoundError: At the first ``next()``: not committed.
            RowError: A row lies outside the table.
        """
        if self._stream is not None:
            return self._stream.load(ty, fn, rows)
        return self._load_numbers(ty, fn, rows)

    def _load_numbers(
        self, ty: Any, fn: Callable[[Any], Any] | None, rows: Iterable[int] | None
    ) -> Iterator[Any]:
        convert = converter(ty, fn)
        for row in row_numbers(rows, self._rows, self._table).tolist():
            yield convert(struct.pack("=Q", row))

    def save_mp4(
        self,
        output_name: str | os.PathLike[str],
        fps: float | None = None,
        scale: tuple[int, int] | None = None,
    ) -> str:
        """Writes a column of frames as one MP4 file.

        Args:
            output_name: Path of the file; '.mp4' is added if it is not there.
            fps: Frames a second; None keeps the frames' times.
            scale: (width, height) in pixels; None keeps the size.

        Returns:
            The file's path.

        Raises:
            ElementTypeError: The column holds no frames.
            VideoError: Not all of it is stored as video.
        """
        stream = self._stream
        if not isinstance(stream, NamedVideoStream):
            raise ElementTypeError(
                f"Attempted to save column {self._name!r} of table {self._table!r} as "
                "an mp4: it holds no frames"
            )
        return stream.save_mp4(output_name, fps, scale)


@dataclass(frozen=True)
class VideoMetadata:
    """What is known of a video without decoding it.

    Attributes:
        name: The table's name.
        codec: FFmpeg's name of the codec; '' where frames are stored exactly.
        width: In pixels, as shown; 0 where frames have no one size.
        height: In pixels, as shown; 0 where frames have no one size.
        frames: How many rows.
        fps: Frames a second, on average; None where unknown.
        duration_seconds: From the first row's time to the last one's end; None where
            unknown.
        keyframes: At how many rows decoding may start; ``Column.keyframes`` says
            which.
        rotation: Degrees that frames were turned counterclockwise to be shown.
        mirrored: Whether they were flipped left to right before that.
        sample_aspect_ratio: Width of a pixel over its height; frames are not
            stretched by it.
        pix_fmt: FFmpeg's name of the coded pixel format; '' where frames are stored
            exactly.
        verified: Whether every frame was decoded once to see that it can be.
        lost: How many rows of a salvaged video cannot be decoded.
    """

    name: str
    codec: str
    width: int
    height: int
    frames: int
    fps: float | None
    duration_seconds: float | None
    keyframes: int
    rotation: int = 0
    mirrored: bool = False
    sample_aspect_ratio: Fraction = Fraction(1)
    pix_fmt: str = ""
    verified: bool = False
    lost: int = 0

    @property
    def time_base_num(self) -> int:
        """With ``time_base_denom``, the mean time of a frame, as Scanner has it.

        Examples:
            >>> video = VideoMetadata('a', 'h264', 64, 48, 90, 30000 / 1001, 3.003, 1)
            >>> video.time_base_num, video.time_base_denom
            (1001, 30000)
        """
        return self._rate().denominator if self.fps else 0

    @property
    def time_base_denom(self) -> int:
        """See ``time_base_num``; both are 0 where the rate is unknown."""
        return self._rate().numerator if self.fps else 0

    def _rate(self) -> Fraction:
        # Rates of NTSC have this denominator, others have smaller ones.
        return Fraction(self.fps or 0).limit_denominator(1001)


def video_metadata(stream: NamedVideoStream) -> VideoMetadata:
    """What is known of a stream of frames without decoding it.

    Raises:
        StreamNotFoundError: It is not committed.
    """
    descriptor = stream.descriptor()
    with stream.reader() as reader:
        if isinstance(index := getattr(reader, "index", None), FrameIndex):
            return _of_index(stream.name(), index)
        ends = np.array([0, descriptor.rows - 1][: descriptor.rows], np.int64)
        first, last = reader.seconds(ends) if len(ends) == 2 else (np.nan, np.nan)
        keyframes = reader.keyframes
    took = float(last - first)
    gaps = descriptor.rows - 1
    known = took > 0
    coded = _coded(stream)
    return VideoMetadata(
        stream.name(),
        "" if coded is None else coded.codec,
        descriptor.width,
        descriptor.height,
        descriptor.rows,
        gaps / took if known else None,
        took * (gaps + 1) / gaps if known else None,
        descriptor.rows if keyframes is None else len(keyframes),
        pix_fmt="" if coded is None else coded.pix_fmt,
    )


def _of_index(name: str, index: FrameIndex) -> VideoMetadata:
    rate = index.average_rate
    return VideoMetadata(
        name,
        index.codec,
        index.width,
        index.height,
        len(index),
        None if rate is None else float(rate),
        index.duration_seconds,
        len(index.keyframes),
        index.rotation,
        index.mirrored,
        index.sample_aspect_ratio,
        index.pix_fmt,
        index.verified,
        len(index.lost_rows),
    )


def _coded(stream: NamedVideoStream) -> FrameIndex | None:
    """The index of the first MP4 file of a stored stream; None without one."""
    # Loads FFmpeg.
    from beam_scanner.storage.segments.video_segment import part_index

    descriptor = stream.descriptor()
    record = next((r for r in descriptor.segments if r.get("parts")), None)
    if record is None:
        return None
    store = stream.storage().store()
    files = SegmentFiles(store, descriptor.name, descriptor.generation, record)
    rows = ParquetRows(files, record["sidecar"])
    try:
        return part_index(rows, 0)
    finally:
        rows.close()
