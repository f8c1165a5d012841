"""Playlists: a video that is a list of video files, one after the other.

A video is one file everywhere else, and a list in its place is refused. Here somebody
asks for it, and what results are made from is all of the files::

    ReadFromVideo('channels/*/day.m3u8', format=Playlist())
    FormatStream('day', 'channels/1/day.m3u8', Playlist())
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import VideoError
from beam_scanner.storage.streams.formats import FormatIndex, FormatReader, VideoFormat
from beam_scanner.storage.streams.outside import combined_digest
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import fingerprint, open_source, reading
from beam_scanner.video.timing import joined_seconds

_LARGEST = 16 << 20
_KNOWN_INDEXES = 4096
_REFUSED_TAGS = {
    "#EXT-X-STREAM-INF": "names further playlists: give one of those",
    "#EXT-X-MEDIA": "names further playlists: give one of those",
    "#EXT-X-I-FRAME-STREAM-INF": "names further playlists: give one of those",
    "#EXT-X-BYTERANGE": "takes pieces of files",
    "#EXT-X-MAP": "cuts the head off its files",
    "#EXT-X-GAP": "has gaps",
    "#EXT-X-PART": "takes pieces of files",
    "#EXT-X-SKIP": "is an update of another one",
}


@dataclass(frozen=True)
class Playlist(VideoFormat):
    r"""An M3U or HLS playlist (``.m3u8``), or a list as FFmpeg's ``concat`` reads it.

    The rows are those of its files, in the order of the list; each file is read as it
    would be alone. Times begin at 0, and each file follows the end of the one before.
    Results depend on the list and the content of all its files: when one of them changes,
    they are made again.

    The files lie beside the list or below it, by relative names, so that a list cannot
    make other files be read. Whole video files only: no encryption, byte ranges, nested
    lists, and no list that is still being written.

    Examples:
        >>> import tempfile
        >>> from beam_scanner.storage.streams.formats import FormatStream
        >>> from beam_scanner.video.encoder import Encoding, VideoEncoder
        >>> folder = tempfile.mkdtemp()
        >>> for name in ('a.mp4', 'b.mp4'):
        ...     with VideoEncoder(os.path.join(folder, name), Encoding()) as encoder:
        ...         for i in range(10):
        ...             encoder.write(np.zeros((16, 16, 3), np.uint8), i / 25)
        >>> path = os.path.join(folder, 'both.m3u8')
        >>> with open(path, 'w') as file:
        ...     _ = file.write('#EXTM3U\na.mp4\nb.mp4\n')
        >>> FormatStream('both', path, Playlist()).len()
        20
    """

    def index(self, path: str) -> FormatIndex:
        """Indexes the files.

        Raises:
            VideoError: It is not such a list, or one of its files cannot be read.
        """
        indexes = [_index(file) for file in listed_files(path)]
        starts = _starts(indexes)
        entries = [
            start + i.keyframes for start, i in zip(starts, indexes, strict=False)
        ]
        return FormatIndex(
            rows=int(starts[-1]),
            seconds=joined_seconds(indexes),
            entries=np.concatenate(entries),
            frame_bytes=max(index.frame_bytes for index in indexes),
        )

    def open(self, path: str) -> FormatReader:
        """Opens a file when a row of it is read."""
        return _PlaylistReader(listed_files(path))

    def fingerprint(self, path: str) -> str:
        """Of the list and of all its files; see ``video.source.fingerprint``."""
        files = listed_files(path)
        return combined_digest(*files, *map(fingerprint, [path, *files]))


def listed_files(path: str) -> list[str]:
    """The files of a playlist, in its order.

    Args:
        path: The playlist.

    Returns:
        Paths, or URLs where the list lies in a bucket.

    Raises:
        VideoError: It is not a playlist, names no file, or needs a feature that is
            refused.
    """
    text = _text(path)
    if re.match(r"\s*#EXTM3U\b", text):
        names = _of_m3u(path, text)
    elif re.match(r"\s*ffconcat\s+version\s+1\.0\s", text):
        names = _of_ffconcat(path, text)
    else:
        raise _refusal(path, "begins with neither '#EXTM3U' nor 'ffconcat version 1.0'")
    if not names:
        raise _refusal(path, "names no file")
    folder = path.rpartition("/")[0]
    return [f"{folder}/{_inside(path, name)}" for name in names]


def _text(path: str) -> str:
    with open_source(path, "playlist") as file, reading(path):
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise _refusal(path, f"has more than {_LARGEST} bytes")
    # Names of files need not be UTF-8.
    return os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))


def _refusal(path: str, reason: str) -> VideoError:
    return VideoError(f"playlist {path!r} {reason}")


def _of_m3u(path: str, text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    tags = [line.partition(":") for line in lines if line.startswith("#EXT")]
    for tag, _, value in tags:
        if tag in _REFUSED_TAGS:
            raise _refusal(path, f"{_REFUSED_TAGS[tag]} ({tag})")
        if tag in ("#EXT-X-KEY", "#EXT-X-SESSION-KEY") and "METHOD=NONE" not in value:
            raise _refusal(path, f"is encrypted ({tag})")
    names = {tag for tag, _, _ in tags}
    hls = any(tag.startswith("#EXT-X-") for tag in names)
    if hls and "#EXT-X-ENDLIST" not in names:
        raise _refusal(path, "is still being written: #EXT-X-ENDLIST is missing")
    files = [line for line in lines if line and not line.startswith("#")]
    return [unquote(file, errors="surrogateescape") for file in files] if hls else files


def _of_ffconcat(path: str, text: str) -> list[str]:
    names = []
    for line in text.splitlines()[1:]:
        word, _, rest = line.strip().partition(" ")
        if word == "file":
            names.append(_unquoted(path, rest.strip()))
        # A duration says when the next file begins, which the files say themselves.
        elif word and not word.startswith("#") and word not in ("duration", "ffconcat"):
            raise _refusal(path, f"asks for {word!r}, and only whole files are read")
    return names


def _unquoted(path: str, text: str) -> str:
    r"""A name as FFmpeg quotes it.

    Examples:
        >>> _unquoted('', r"'it is'\''nt it.mp4'")
        "it is'nt it.mp4"
    """
    pieces = re.fullmatch(r"(?:'[^']*'|\\.|[^'\\\s])+", text, re.S)
    if not pieces:
        raise _refusal(path, f"has a file name that cannot be read: {text!r}")
    return "".join(
        piece[1:-1] if piece[0] == "'" else piece[-1]
        for piece in re.findall(r"'[^']*'|\\.|[^'\\]", text, re.S)
    )


def _inside(path: str, name: str) -> str:
    parts = name.split("/")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", name):
        raise _refusal(path, f"names {name!r}: an address, not a file beside it")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise _refusal(
            path, f"names {name!r}: a file must lie beside the list, or below it"
        )
    return name


@lru_cache(_KNOWN_INDEXES)
def _known_index(path: str, digest: str) -> FrameIndex:
    return index_video(path)


def _index(path: str) -> FrameIndex:
    """A file's index, which is made once in a process."""
    return _known_index(path, fingerprint(path))


def _starts(indexes: Sequence[FrameIndex]) -> NDArray[np.int64]:
    """The first row of each file, and the end of the last."""
    return np.cumsum([0, *map(len, indexes)], dtype=np.int64)


class _PlaylistReader(FormatReader):
    """Keeps the decoder of the file that was read last."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self._indexes = [_index(file) for file in files]
        self._starts = _starts(self._indexes)
        self._number = -1
        self._decoder: Any = None

    def read(self, rows: Sequence[int]) -> Sequence[NDArray[Any]]:
        wanted = np.asarray(rows, dtype=np.int64)
        owners = np.searchsorted(self._starts, wanted, side="right") - 1
        frames: list[NDArray[Any]] = []
        for number in np.unique(owners).tolist():
            self._turn_to(number)
            inside = wanted[owners == number] - self._starts[number]
            frames.extend(self._decoder.read(inside))
        return frames

    def _turn_to(self, number: int) -> None:
        from beam_scanner.video.decoder import VideoDecoder

        if number != self._number:
            self.close()
            self._decoder = VideoDecoder(self._files[number], self._indexes[number])
            self._number = number

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
            self._decoder, self._number = None, -1
