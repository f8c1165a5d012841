"""A video file as a sequence of frames, without a graph.

::

    with beam_scanner.video.open('film.mp4') as video:
        first, last = video[0], video[-1]
        for frame in video.read(range(0, len(video), 30)):
            ...

It reads with the same index and the same decoder as graphs do: every row is what a
decode from the start gives, whatever was read before.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cached_property
from operator import index as as_integer
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, RowError, VideoError
from beam_scanner.rows.gops import load_rows
from beam_scanner.rows.row_numbers import as_row_numbers, check_rows
from beam_scanner.stores.range_file import RangeFile
from beam_scanner.text.cards import never_raises
from beam_scanner.types.element_types import NULL
from beam_scanner.video.frame_list import FrameList
from beam_scanner.video.index import FrameIndex, Int64Array
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import VideoSource, source_name
from beam_scanner.video.timing import interval_seconds

if TYPE_CHECKING:
    from beam_scanner.video.decoder import VideoDecoder


def open(
    source: VideoSource | BinaryIO, *, damage: str = "strict", verify: bool = False
) -> VideoReader:
    """Opens a video for reading by row.

    Indexing reads the file once, and decodes it only where that is needed to know
    what the rows are.

    Args:
        source: A path, a URL, a callable that opens the file each time it is called, or an
            open, seekable binary file, which stays the caller's to close.
        damage: ``'strict'``: a row that cannot be decoded is an error.
            ``'salvage'``: it is ``NullElement()``, in all reads alike; everything is
            decoded once to know which rows these are.
        verify: Decode everything once, so that damage is an error now.

    Returns:
        The reader; closing it is up to the caller.

    Raises:
        VideoError: The file is missing, no video, encrypted or damaged.
        ArgumentError: The policy is unknown, or an open file cannot seek.

    Examples:
        >>> import tempfile
        >>> from beam_scanner.video.encoder import Encoding, VideoEncoder
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.mp4')
        >>> encoding = Encoding('lossless', keyframe_distance=10)
        >>> with VideoEncoder(path, encoding) as encoder:
        ...     for i in range(25):
        ...         encoder.write(np.full((16, 32, 3), i, np.uint8), i / 25)
        >>> with open(path) as video:
        ...     print(len(video), video.width, video.height, video.codec)
        ...     video[-1].shape, int(video.at(0.41)[0, 0, 0])
        25 32 16 h264
        ((16, 32, 3), 10)
    """
    chosen: Any = source
    if hasattr(source, "read"):
        chosen = _Reopened(cast(BinaryIO, source))
    return VideoReader(chosen, index_video(chosen, verify, damage))


class VideoReader:
    """The frames of a video by row: ``len``, ``[i]``, slices, iteration.

    A frame is uint8[height, width, 3], RGB, rotation applied, and the caller's own.
    Threads may share a reader, and take turns; each reads faster with a reader of its
    own. A pickled reader opens its file again where it is used.

    Args:
        source: The file.
        index: Its index.

    Attributes:
        index: All that is known of the video without decoding it.

    Examples:
        >>> import tempfile
        >>> from beam_scanner.video.encoder import Encoding, VideoEncoder
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.mp4')
        >>> encoding = Encoding('lossless', keyframe_distance=10)
        >>> with VideoEncoder(path, encoding) as encoder:
        ...     for i in range(25):
        ...         encoder.write(np.full((16, 32, 3), i, np.uint8), i / 25)
        >>> video = VideoReader(path, encoder.index)
        >>> [int(frame[0, 0, 0]) for frame in video[20:3:-8]]
        [20, 12, 4]
        >>> [int(frame[0, 0, 0]) for frame in video.read([7, 0, 7])]
        [7, 0, 7]
        >>> video.pts_seconds[:3].tolist()
        [0.0, 0.04, 0.08]
        >>> video.close()
    """

    def __init__(self, source: VideoSource, index: FrameIndex) -> None:
        self.index = index
        self._source = source
        self._decoder: VideoDecoder | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self._source, "index": self.index}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["source"], state["index"])  # type: ignore[misc]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; a later read opens it again."""
        with self._lock:
            if self._decoder is not None:
                self._decoder.close()
                self._decoder = None

    def __repr__(self) -> str:
        rate = "" if self.rate is None else f", {float(self.rate):.6g} fps"
        turned = f", turned by {self.rotation} degrees" if self.rotation else ""
        mirrored = ", mirrored" if self.index.mirrored else ""
        lost = len(self.lost)
        return (
            f"VideoReader({source_name(self._source)!r}: {len(self)} frames, "
            f"{self.width}x{self.height}{rate}, {self.duration:.3f} s, {self.codec}"
            f"{turned}{mirrored}" + (f", {lost} lost" if lost else "") + ")"
        )

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[Any]:
        return self.read(range(len(self)))

    def __getitem__(self, row: int | slice) -> Any:
        """One frame, or those of a slice as a ``FrameList``.

        Raises:
            RowError: The video has no such row.
            VideoError: It cannot be decoded.
        """
        if isinstance(row, slice):
            return self.frames(range(*row.indices(len(self))))
        number = as_integer(row)
        if not -len(self) <= number < len(self):
            raise RowError(
                f"row {number} is not in video {source_name(self._source)!r} of "
                f"{len(self)} rows"
            )
        return self._read(np.array([number % len(self)]))[0]

    def read(self, rows: Iterable[int]) -> Iterator[Any]:
        """Yields frames in the order that is asked for.

        Rows that ascend are decoded one after the other as they are taken; others in
        the order of the file, some 256 MB of frames at a time.

        Args:
            rows: Row numbers from 0, in any order, also more than once.

        Yields:
            For each row its frame, or ``NullElement()`` where a salvaged video has
            lost it.

        Raises:
            ArgumentError: A value is not a row number.
            RowError: One is negative or past the end.
            VideoError: A row cannot be decoded; names it and its time.
        """
        numbers = as_row_numbers(rows, "expected row numbers")
        check_rows(numbers, len(self), f"not in video {source_name(self._source)!r}")
        return load_rows(self._read, numbers, self.index.frame_bytes)

    def frames_at(self, rows: Iterable[int]) -> list[Any]:
        """The frames that ``read`` yields, as a list."""
        return list(self.read(rows))

    def frames(self, rows: Iterable[int]) -> FrameList:
        """Frames with their rows and times, as a list that notebooks show.

        ``video.frames([0, 99]).montage()`` is one picture, ``video[100:200].show()`` a
        clip.

        Raises:
            ScannerException: As ``read``.
        """
        numbers = as_row_numbers(rows, "expected row numbers")
        frames = self.frames_at(numbers)
        seconds = self.pts_seconds[numbers]
        return FrameList(frames, numbers.tolist(), seconds, source_name(self._source))

    @never_raises
    def _repr_html_(self) -> str:
        from beam_scanner.video.reader_view import video_card

        return video_card(self, source_name(self._source))

    def at(self, seconds: float | Fraction) -> Any:
        """The frame that is shown at a time.

        Where the clock goes back (see ``index.monotonic``), several may be: it is the
        first of them.

        Args:
            seconds: By the container's clock, as in ``pts_seconds``.

        Raises:
            RowError: Nothing is shown then: it is before the first frame, or behind
                the end of the last.
        """
        when, ends = float(seconds), self._ends
        shown = (self.pts_seconds <= when) & (when < ends)
        if not shown.any():
            begin, end = float(self.pts_seconds.min()), float(ends.max())
            raise RowError(
                f"video {source_name(self._source)!r} shows nothing at {when} s: it "
                f"lasts from {begin:.3f} to {end:.3f} s"
            )
        return self[int(shown.argmax())]

    def _read(self, rows: Int64Array) -> list[Any]:
        """Reads rows that ascend without duplicates."""
        # FFmpeg is loaded when the first frame is.
        from beam_scanner.video.decoder import VideoDecoder

        lost = self.index.is_lost(rows)
        with self._lock:
            if self._decoder is None:
                self._decoder = VideoDecoder(self._source, self.index)
            frames = self._decoder.read(rows[~lost])
            return [NULL if gone else next(frames) for gone in lost.tolist()]

    @property
    def source(self) -> VideoSource:
        """What it reads: a path, a URL, or a callable that opens the file."""
        return self._source

    @cached_property
    def pts_seconds(self) -> NDArray[np.float64]:
        """float64[rows]: when each is shown, in seconds by the container's clock."""
        times = self.index.seconds(np.arange(len(self)))
        times.setflags(write=False)
        return times

    @cached_property
    def _ends(self) -> NDArray[np.float64]:
        """When each row ends: where the next begins, if that is later."""
        steps = np.diff(self.pts_seconds)
        usual = interval_seconds(self.pts_seconds)
        steps[steps < 0] = usual
        last = usual
        if self.index.monotonic:
            last = (
                float(self.pts_seconds[0]) + self.duration - float(self.pts_seconds[-1])
            )
        ends: NDArray[np.float64] = self.pts_seconds + np.append(steps, last)
        ends[-1] = max(ends[-1], float(np.nextafter(self.pts_seconds[-1], np.inf)))
        return ends

    @property
    def times(self) -> NDArray[np.float64]:
        """The same as ``pts_seconds``."""
        return self.pts_seconds

    @property
    def keyframes(self) -> Int64Array:
        """int64[k], ascending: rows at which decoding may start."""
        return self.index.keyframes

    @property
    def lost(self) -> Int64Array:
        """int64[k], ascending: rows of a salvaged video that cannot be decoded."""
        return self.index.lost_rows

    @property
    def width(self) -> int:
        """Of a frame in pixels, after rotation."""
        return self.index.width

    @property
    def height(self) -> int:
        """Of a frame in pixels, after rotation."""
        return self.index.height

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec."""
        return self.index.codec

    @property
    def rate(self) -> Fraction | None:
        """Frames a second, on average; None where the file does not say."""
        return self.index.average_rate

    @property
    def duration(self) -> float:
        """Seconds from the time of the first frame to the end of the last."""
        return self.index.duration_seconds

    @property
    def rotation(self) -> int:
        """Degrees that frames were turned counterclockwise: 0, 90, 180 or 270."""
        return self.index.rotation

    @property
    def sample_aspect_ratio(self) -> Fraction:
        """Width of a pixel over its height; frames are not stretched by it."""
        return self.index.sample_aspect_ratio


class _Reopened:
    """Opens an open file again and again, each time with a position of its own."""

    def __init__(self, file: BinaryIO) -> None:
        if not file.seekable():
            raise ArgumentError(f"expected a file that can seek, got {file!r}")
        self._file = file
        self._lock = threading.Lock()
        self.name = str(getattr(file, "name", None) or repr(file))

    def __call__(self) -> BinaryIO:
        return cast(
            BinaryIO, io.BufferedReader(_Window(self._file, self.name, self._lock))
        )

    def __reduce__(self) -> Any:
        raise VideoError(
            f"video {self.name!r} is an open file, which cannot be sent elsewhere: "
            "open it by its path"
        )


class _Window(RangeFile):
    """A file of its own position, on a file that others use in turn."""

    def __init__(self, file: BinaryIO, name: str, lock: threading.Lock) -> None:
        with lock:
            size = file.seek(0, os.SEEK_END)
        super().__init__(name, size)
        self._file, self._lock = file, lock

    def _range(self, start: int, stop: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(stop - start)
