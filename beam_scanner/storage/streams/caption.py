"""Captions as streams: SubRip (.srt) and WebVTT (.vtt) files, by windows of time."""

from __future__ import annotations

import codecs
import json
import math
import os
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ElementTypeError
from beam_scanner.storage.stored_rows import NumberedReader
from beam_scanner.storage.streams.outside import (
    FileStorage,
    FileStream,
    combined_digest,
    content_digest,
    exact_seconds,
)
from beam_scanner.stores import open_file
from beam_scanner.stores.object_store import storage_errors

Caption = dict[str, Any]
"""``index``, ``start`` and ``end`` in seconds, and ``line``, the text."""

_TIME = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_NUMBER = re.compile(r"\d{1,18}")
_LARGEST = 64 << 20
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")


class CaptionStorage(FileStorage):
    """Caption files, wherever they lie; they can be inputs only."""


class CaptionStream(FileStream):
    r"""Captions of a file, as windows of time.

    Row ``i`` has the captions that begin in ``[i * window_size, (i + 1) *
    window_size)`` seconds, so that its rows can be joined with those of any other
    stream of equal windows, such as an ``AudioStream``. There are ``floor(max_time /
    window_size)`` rows; captions that begin later are left out.

    An element is a JSON list (bytes, UTF-8), which may be empty, of objects with
    ``index``, ``start`` and ``end`` in seconds, and ``line``; the lines of a caption
    are joined by a space, markup is kept.

    Args:
        path: A file in SubRip or WebVTT format, in UTF-8 (or UTF-16 with a mark), or
            its ``gs://`` or ``s3://`` URL.
        window_size: Seconds of a row.
        max_time: Seconds of the whole stream.
        storage: Only for Scanner's programs.

    Raises:
        ArgumentError: A number is not positive, or the path is not one.

    Examples:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.srt')
        >>> with open(path, 'w') as file:
        ...     _ = file.write('1\n00:00:01,500 --> 00:00:02,000\nHello\nworld\n')
        >>> list(CaptionStream(path, window_size=1, max_time=3).load(fn=json.loads))
        [[], [{'end': 2.0, 'index': 1, 'line': 'Hello world', 'start': 1.5}], []]
    """

    _storage_kind = CaptionStorage

    def __init__(
        self,
        path: str | os.PathLike[str],
        window_size: float,
        max_time: float,
        storage: CaptionStorage | None = None,
    ) -> None:
        super().__init__(path, storage)
        self._window = exact_seconds(window_size, "window_size of a CaptionStream")
        self._max_time = exact_seconds(max_time, "max_time of a CaptionStream")

    def len(self) -> int:
        """The number of windows."""
        return math.floor(self._max_time / self._window)

    def fingerprint(self) -> str:
        """Changes with the file's content and the windows."""
        digest = content_digest(self._path)
        return combined_digest("captions", digest, self._window, self._max_time)

    def reader(self) -> CaptionReader:
        """See ``StoredStream.reader``.

        Raises:
            ElementTypeError: The file holds no captions, or its text is not UTF-8.
            StorageError: It cannot be read.
        """
        return CaptionReader(self, self._window)


class CaptionReader(NumberedReader):
    """Reads windows of captions.

    Args:
        stream: The stream.
        window: Seconds of a row.
    """

    def __init__(self, stream: CaptionStream, window: Fraction) -> None:
        super().__init__(stream.name(), stream.len())
        self._window = window
        self._rows: dict[int, list[Caption]] = {}
        for caption in read_captions(stream.name()):
            start = Fraction(round(caption["start"] * 1000), 1000)
            self._rows.setdefault(math.floor(start / window), []).append(caption)

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See ``RowReader.read``."""
        found = [self._rows.get(row, []) for row in self.checked(rows).tolist()]
        return [_ENCODER.encode(captions).encode() for captions in found]

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See ``RowReader.seconds``: when the windows begin."""
        return np.array([float(int(row) * self._window) for row in rows])


def read_captions(path: str) -> list[Caption]:
    """All captions of a SubRip or WebVTT file, in its order.

    Raises:
        ElementTypeError: Its text has no captions, a time that cannot be read, or
            is not UTF-8.
        StorageError: It cannot be read.
    """
    with storage_errors("read", path), open_file(path) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ElementTypeError(
            f"{path!r} is not a file of captions: it has more than {_LARGEST} bytes"
        )
    lines = [line.strip() for line in _text(data, path).splitlines()]
    webvtt = bool(lines) and lines[0].split()[:1] == ["WEBVTT"]
    timings = [number for number, line in enumerate(lines) if _is_timing(line)]
    heads = [_head(lines, number, webvtt) for number in timings]
    before = [line for line in lines[: heads[0] if heads else None] if line]
    if before and not webvtt:
        raise ElementTypeError(
            f"{path!r} is not a file of captions (SubRip or WebVTT): it begins with "
            f"{before[0][:40]!r}"
        )
    captions: list[Caption] = []
    ends = [*heads[1:], len(lines)]
    for number, head, end in zip(timings, heads, ends, strict=False):
        text = lines[number + 1 : end]
        if webvtt:
            text = text[: text.index("")] if "" in text else text
        start, stop = _times(lines[number], path, number + 1)
        own = lines[head]
        captions.append(
            {
                "index": int(own) if _NUMBER.fullmatch(own) else len(captions) + 1,
                "start": start,
                "end": stop,
                "line": " ".join(line for line in text if line),
            }
        )
    return captions


def _text(data: bytes, path: str) -> str:
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ElementTypeError(
            f"captions {path!r} are not in UTF-8 (byte {error.start}): convert the file"
        ) from error


def _is_timing(line: str) -> bool:
    """Whether a line is meant to give times: text may have arrows, too."""
    return "-->" in line and line[:1].isdigit()


def _head(lines: list[str], timing: int, webvtt: bool) -> int:
    """The line that a caption begins with: its number or name, else its times."""
    if timing == 0 or not lines[timing - 1]:
        return timing
    alone = timing == 1 or not lines[timing - 2]
    named = lines[timing - 1].isdecimal() or (webvtt and alone)
    return timing - 1 if named else timing


def _times(line: str, path: str, number: int) -> tuple[float, float]:
    match = _TIMING.match(line)
    if match is None:
        raise ElementTypeError(
            f"line {number} of captions {path!r} has no times such as "
            f"'00:00:01,000 --> 00:00:02,000': {line[:60]!r}"
        )
    parts = match.groups()
    start, stop = (
        ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000
        + int(fraction.ljust(3, "0"))
        for hours, minutes, seconds, fraction in (parts[:4], parts[4:])
    )
    return start / 1000, stop / 1000
