"""Videos in formats of your own, as inputs.

Write a ``VideoFormat`` with two methods. ``index`` says what planning must know:
how many rows there are, when each is shown and, where one frame needs others to be
decoded, at which rows that may begin. ``open`` gives what reads frames by row number.
A ``FormatStream`` makes a stream of a path and a format::

    @dataclass(frozen=True)
    class Raw(VideoFormat):
        width: int
        height: int

        def index(self, path):
            return FormatIndex(os.path.getsize(path) // (self.width * self.height))

        def open(self, path):
            return RawFrames(np.memmap(path).reshape(-1, self.height, self.width, 1))

``ImageFolder`` and ``NumpyStack`` are two that are ready.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    ScannerException,
    VideoError,
)
from beam_scanner.kernels.digests.digest import code_digest
from beam_scanner.storage.stored_rows import NumberedReader, RowReader
from beam_scanner.storage.stream_names import stream_key
from beam_scanner.storage.streams.outside import (
    FileStorage,
    FileStream,
    combined_digest,
    content_digest,
)
from beam_scanner.stores.regular_files import NoFileError, open_regular
from beam_scanner.types.element_types import FrameType


@dataclass(frozen=True)
class FormatIndex:
    """What planning must know of a video.

    Attributes:
        rows: How many frames it has.
        seconds: float64[rows] of presentation times; None if they are unknown.
        entries: int64[k], ascending from 0: keyframes, rows at which decoding may
            begin. None where any frame can be decoded alone.
        frame_bytes: Bytes of a decoded frame, the largest; 0 to look at the first one.

    Examples:
        >>> FormatIndex(250, np.arange(250) / 25).rows
        250
    """

    rows: int
    seconds: NDArray[np.float64] | None = None
    entries: NDArray[np.int64] | None = None
    frame_bytes: int = 0


class FormatReader(ABC):
    """Reads frames of one video; used by one thread."""

    @abstractmethod
    def read(self, rows: Sequence[int]) -> Sequence[NDArray[Any]]:
        """The frames of some rows.

        Args:
            rows: Ascending, without duplicates, inside the video.

        Returns:
            For each an H x W x C array of any dtype; uint8 RGB where ops are to take
            it for a picture. The caller owns the arrays, unless they are views.
        """

    def close(self) -> None:
        """Releases what was opened."""
        return


class VideoFormat(ABC):
    """A format of videos. Make it a frozen dataclass: it travels to workers.

    Its class, code and fields are part of a stream's fingerprint, so that results are
    made again when they change.

    Attributes:
        folders: Whether a video is a folder of the files that a pattern matches.
    """

    folders: ClassVar[bool] = False

    @abstractmethod
    def index(self, path: str) -> FormatIndex:
        """What planning must know of the video at a path.

        Args:
            path: Absolute, or a URL.

        Raises:
            VideoError: It is not of this format.
        """

    @abstractmethod
    def open(self, path: str) -> FormatReader:
        """Opens a video for reading.

        It is asked once for each place that is read at by turns, so that a decoder
        need not go back and forth.
        """

    def fingerprint(self, path: str) -> str:
        """What changes with the content: by default, a digest of the files.

        Raises:
            ArgumentError: The path is a URL, of which only the format can know.
            StorageError: A file cannot be read.
        """
        if "://" in path:
            raise ArgumentError(
                f"format {type(self).__name__} needs a fingerprint(path) of its own for "
                f"{path!r}: only local files are looked at"
            )
        if not os.path.isdir(path):
            return content_digest(path)
        files = sorted(
            os.path.relpath(os.path.join(folder, name), path)
            for folder, _, names in os.walk(path)
            for name in names
        )
        digests = [content_digest(os.path.join(path, file)) for file in files]
        pairs = zip(map(os.fsencode, files), digests, strict=True)
        return combined_digest(*(value for pair in pairs for value in pair))


class FormatStorage(FileStorage):
    """Videos in formats of one's own, wherever they lie; they can be inputs only."""


class FormatStream(FileStream):
    """A video in a format of your own, as an input.

    Args:
        name: Of the stream.
        path: A file, a folder or a URL: whatever the format takes.
        format: The format.

    Raises:
        ArgumentError: The name is impossible, or the format is not a ``VideoFormat``.

    Examples:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), 'stack.npy')
        >>> np.save(path, np.zeros((5, 48, 64, 3), np.uint8))
        >>> stream = FormatStream('stack', path, NumpyStack(rate=25))
        >>> stream.len(), next(stream.load(rows=[4])).shape
        (5, (48, 64, 3))
    """

    def __init__(
        self, name: str, path: str | os.PathLike[str], format: VideoFormat
    ) -> None:
        stream_key(name)
        if not isinstance(format, VideoFormat):
            raise ArgumentError(
                f"format of stream {name!r} must be a VideoFormat, got {format!r}"
            )
        text = os.fspath(path)
        self._name = name
        self._path = text if "://" in text else os.path.abspath(text)
        self._format = format
        self._storage = FormatStorage()
        self._index: FormatIndex | None = None

    def __repr__(self) -> str:
        return f"FormatStream({self._name!r}, {self._path!r}, {self._format!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_index": None}

    @property
    def path(self) -> str:
        """The absolute path, or URL."""
        return self._path

    def name(self) -> str:
        """See ``StoredStream.name``."""
        return self._name

    def exists(self) -> bool:
        """Whether there is a file; of a URL, whether the format can index it."""
        if "://" not in self._path:
            return os.path.exists(self._path)
        try:
            self.index()
        except ScannerException:
            return False
        return True

    def type(self) -> Any:
        """Frames."""
        return FrameType

    def index(self) -> FormatIndex:
        """What the format says of the video; asked once in each process.

        Raises:
            VideoError: The video cannot be read, or the index contradicts itself.
        """
        if self._index is None:
            found = self._told("index", lambda: self._format.index(self._path))
            _check_index(found, self._name, self._format)
            if found.rows and not found.frame_bytes:
                with _FormatRows(self, found) as reader:
                    first = reader.read([0])[0]
                found = replace(found, frame_bytes=first.nbytes)
            self._index = found
        return self._index

    def len(self) -> int:
        """The number of frames."""
        return self.index().rows

    def fingerprint(self) -> str:
        """What identifies the frames: content, format, and how that is set."""
        content = self._told("look at", lambda: self._format.fingerprint(self._path))
        return combined_digest(content, code_digest(self._format, home=""))

    def estimate_size(self) -> int:
        """Bytes of a frame."""
        return self.index().frame_bytes

    def reader(self) -> RowReader:
        """Opens the video for reading by row number."""
        return _FormatRows(self, self.index())

    def open(self) -> FormatReader:
        """The format's own reader.

        Raises:
            VideoError: The video cannot be opened.
        """
        found: FormatReader = self._told("open", lambda: self._format.open(self._path))
        return found

    def _told(self, action: str, call: Any) -> Any:
        return _format_errors(f"cannot {action} stream {self._name!r}", call)


def _format_errors(what: str, call: Any) -> Any:
    """Gives the errors of a user's code a name and a place."""
    try:
        return call()
    except ScannerException:
        raise
    except Exception as error:
        raise VideoError(f"{what}: {type(error).__name__}: {error}") from error


def _check_index(index: Any, stream: str, format: VideoFormat) -> None:
    def refuse(reason: str) -> VideoError:
        name = type(format).__name__
        return VideoError(f"index of format {name} for stream {stream!r}: {reason}")

    if not isinstance(index, FormatIndex):
        raise refuse(f"expected a FormatIndex, got {index!r}")
    if not isinstance(index.rows, int | np.integer) or index.rows < 0:
        raise refuse(f"rows must be a whole number from 0, got {index.rows!r}")
    if index.seconds is not None and np.shape(index.seconds) != (index.rows,):
        raise refuse(
            f"seconds must be {index.rows} numbers, got shape {np.shape(index.seconds)}"
        )
    if index.entries is None or index.rows == 0:
        return
    entries = np.asarray(index.entries)
    rising = entries.ndim == 1 and len(entries) and (np.diff(entries) > 0).all()
    if not rising or entries[0] != 0 or entries[-1] >= index.rows:
        raise refuse(f"entries must rise from 0 to at most {index.rows - 1}")


class _FormatRows(NumberedReader):
    """Reads by a format's own reader, which is opened when it is first needed."""

    keyframes: NDArray[np.int64] | None = None
    frame_bytes = 0

    def __init__(self, stream: FormatStream, index: FormatIndex) -> None:
        super().__init__(stream.name(), int(index.rows))
        self._stream = stream
        self._index = index
        self._opened: FormatReader | None = None
        self.frame_bytes = int(index.frame_bytes)
        if index.entries is not None:
            self.keyframes = np.asarray(index.entries, np.int64)

    def decode_on(self, decoder: str) -> None:
        """See ``RowReader.decode_on``; formats decode for themselves."""
        if decoder != "cpu" and self.keyframes is not None:
            raise VideoError(
                f"stream {self._name!r} is read by a format, which decodes on the CPU: "
                f"leave out decoder={decoder!r}"
            )

    def reopen(self) -> RowReader:
        """See ``RowReader.reopen``."""
        if self.keyframes is None:
            return self
        return _FormatRows(self._stream, self._index)

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See ``RowReader.read``."""
        wanted = self.checked(rows).tolist()
        if not wanted:
            return []
        if self._opened is None:
            self._opened = self._stream.open()
        reader = self._opened
        what = f"cannot read rows {wanted[0]} to {wanted[-1]} of stream {self._name!r}"
        frames = list(_format_errors(what, lambda: reader.read(wanted)))
        if len(frames) != len(wanted):
            raise VideoError(f"{what}: got {len(frames)} frames for {len(wanted)} rows")
        self._counts["frames_decoded"] += len(frames)
        return [self._frame(r, f) for r, f in zip(wanted, frames, strict=True)]

    def _frame(self, row: int, frame: Any) -> NDArray[Any]:
        if not isinstance(frame, np.ndarray) or frame.ndim != 3:
            got = f"shape {frame.shape}" if isinstance(frame, np.ndarray) else frame
            raise ElementTypeError(
                f"row {row} of stream {self._name!r}: expected an H x W x C array, got "
                f"{got!r:.60}"
            )
        # A view may be of a file, or of what the format will use again.
        plain = type(frame) is np.ndarray
        if plain and frame.flags.owndata and frame.flags.writeable:
            return frame
        return np.array(frame)

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See ``RowReader.seconds``."""
        if self._index.seconds is None:
            return super().seconds(rows)
        times: NDArray[np.float64] = np.asarray(self._index.seconds, np.float64)[rows]
        return times

    def close(self) -> None:
        """See ``RowReader.close``."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _times(rows: int, rate: float | None) -> NDArray[np.float64] | None:
    return None if rate is None else np.arange(rows) / rate


def _check_rate(rate: float | None) -> None:
    if rate is not None and not 0 < rate < float("inf"):
        raise ArgumentError(f"rate must be positive, in frames a second, got {rate!r}")


@dataclass(frozen=True)
class ImageFolder(VideoFormat):
    """A folder of PNG and JPEG files as a video.

    Files are in order of their names, numbers in them by their value: ``frame2.png``
    comes before ``frame10.png``. Other files are left out. A frame has what its file
    has: C is 1 for gray, 3 for RGB, 4 for RGBA; uint8, or uint16 from PNGs of 16 bits.

    Args:
        rate: Frames a second; None for a sequence without times.

    Examples:
        >>> FormatStream('scan', '/scans/1', ImageFolder(rate=25)).name()
        'scan'
    """

    rate: float | None = None
    folders: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_rate(self.rate)

    def index(self, path: str) -> FormatIndex:
        """Counts the files."""
        rows = len(_image_files(path))
        return FormatIndex(rows, _times(rows, self.rate))

    def open(self, path: str) -> FormatReader:
        """Reads one file a frame."""
        return _ImageReader(path)


_IMAGES = (".png", ".jpg", ".jpeg")


def _image_files(path: str) -> list[str]:
    try:
        names = os.listdir(path)
    except OSError as error:
        raise VideoError(f"no folder of images {path!r}: {error.strerror}") from error
    found = [name for name in names if name.lower().endswith(_IMAGES)]
    if not found:
        raise VideoError(f"folder {path!r} has no PNG or JPEG file")
    return [os.path.join(path, name) for name in sorted(found, key=_natural)]


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Numbers by value, all else by letters; the name itself where both are equal."""
    parts = re.findall(r"(\d+)|(\D+)", name, re.ASCII)
    return [(0, int(n), "") if n else (1, 0, text) for n, text in parts], name


class _ImageReader(FormatReader):
    def __init__(self, path: str) -> None:
        self._files = _image_files(path)

    def read(self, rows: Sequence[int]) -> Sequence[NDArray[Any]]:
        return [self._picture(self._files[row]) for row in rows]

    def _picture(self, file: str) -> NDArray[Any]:
        from beam_scanner.types.image_files import decode_image

        try:
            with open_regular(file) as opened:
                data = opened.read()
        except NoFileError as error:
            raise VideoError(f"image {file!r} {error.strerror}") from error
        try:
            return decode_image(data)
        except ElementTypeError as error:
            raise VideoError(f"image {file!r}: {error}") from error


@dataclass(frozen=True)
class NumpyStack(VideoFormat):
    """A ``.npy`` file with an array N x H x W (x C) as a video of N frames.

    The file is mapped into memory: only what is read is loaded.

    Args:
        rate: Frames a second; None for a sequence without times.

    Examples:
        >>> NumpyStack(rate=0)
        Traceback (most recent call last):
        ...
        beam_scanner.errors.ArgumentError: rate must be positive, in frames a second, got 0
    """

    rate: float | None = None

    def __post_init__(self) -> None:
        _check_rate(self.rate)

    def index(self, path: str) -> FormatIndex:
        """Reads the file's header."""
        stack = _stack(path)
        each = int(np.prod(stack.shape[1:])) * stack.itemsize
        return FormatIndex(len(stack), _times(len(stack), self.rate), None, each)

    def open(self, path: str) -> FormatReader:
        """Maps the file."""
        return _StackReader(_stack(path))


def _stack(path: str) -> NDArray[Any]:
    try:
        stack: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise VideoError(f"no array can be read from {path!r}: {error}") from error
    if not isinstance(stack, np.ndarray) or stack.ndim not in (3, 4):
        shape = getattr(stack, "shape", None)
        raise VideoError(
            f"the array in {path!r} has shape {shape}: expected N x H x W (x C)"
        )
    return stack if stack.ndim == 4 else stack[..., np.newaxis]


class _StackReader(FormatReader):
    def __init__(self, stack: NDArray[Any]) -> None:
        self._stack = stack

    def read(self, rows: Sequence[int]) -> Sequence[NDArray[Any]]:
        return [np.array(self._stack[row]) for row in rows]
