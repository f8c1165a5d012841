"""The videos that frames are asked of, and how worker processes get to them."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.stores.paths import absolute
from beam_scanner.types.element_types import ColumnType
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import VideoSource, source_name
from beam_scanner.video.video_reader import VideoReader

Video = str | os.PathLike[str] | VideoReader | StoredStream
"""A path or URL, a ``VideoReader`` or a stream of frames."""


@dataclass(frozen=True)
class OpenedVideo:
    """What planning must know of a video.

    Attributes:
        name: What errors call it.
        length: Its number of rows.
        keyframes: int64[k], ascending from 0; None where any row can be decoded alone.
        lost: bool[length]: rows that are null.
        frame_bytes: Of one decoded frame, the largest.
        shape: (height, width, 3) of its frames; None where that is not known.
        fingerprint: Changes with its content.
        reader: Opens it for reading, here or, pickled, in another process.
    """

    name: str
    length: int
    keyframes: NDArray[np.int64] | None
    lost: NDArray[np.bool_]
    frame_bytes: int
    shape: tuple[int, ...] | None
    fingerprint: str
    reader: Callable[[], RowReader]


def open_video(video: Video) -> OpenedVideo:
    """Opens a video; one that is given by its path is indexed.

    Raises:
        ArgumentError: It is none, or a stream of something else than frames.
        VideoError: The file is missing, no video, encrypted or damaged.
        StreamNotFoundError: The stream is not committed.
    """
    if isinstance(video, VideoReader):
        return _of_file(source_name(video.source), video.source, video.index)
    if isinstance(video, StoredStream):
        return _of_stream(video)
    path = absolute(video, "a video, unless it is a VideoReader or a stream,")
    return _of_file(path, path, index_video(path))


def _of_file(name: str, source: VideoSource, index: FrameIndex) -> OpenedVideo:
    return OpenedVideo(
        name,
        len(index),
        index.keyframes,
        index.is_lost(np.arange(len(index))),
        index.frame_bytes,
        (index.height, index.width, 3),
        index.fingerprint,
        partial(_file_rows, name, source, index),
    )


def _file_rows(name: str, source: VideoSource, index: FrameIndex) -> RowReader:
    # Loads FFmpeg.
    from beam_scanner.storage.segments.video_rows import VideoRows

    return VideoRows(name, len(index), source, lambda: index)


def _of_stream(stream: StoredStream) -> OpenedVideo:
    from beam_scanner.storage.segments.video_rows import VideoRows

    name = stream.name()
    if stream.column_type() is not ColumnType.Video:
        raise ArgumentError(f"stream {name!r} has no frames, but other elements")
    with stream.reader() as rows:
        if isinstance(rows, VideoRows):
            # Its index need not be looked for, or made, again.
            return _of_file(name, rows.source, rows.index)
        size = rows.frame_bytes
        if not size and len(rows):
            size = int(np.asarray(rows.read([0])[0]).nbytes)
        fingerprint = getattr(stream, "fingerprint", lambda: "")
        return OpenedVideo(
            name,
            len(rows),
            rows.keyframes,
            rows.nulls(),
            size,
            None,
            fingerprint(),
            stream.reader,
        )


def pickled_reader(reader: Callable[[], RowReader]) -> tuple[bool, bytes]:
    """A video's ``reader`` for another process, and whether it has code of the user's.

    Code of the user's goes by value: the other process has no main module.
    """
    found = io.BytesIO()
    pickler = _Noting(found)
    pickler.dump(reader)
    if pickler.has_users_code:
        # Loads Beam, whose pickler it is.
        from beam_scanner.kernels.pickling import dumps_graph

        return True, dumps_graph(reader)
    return False, found.getvalue()


def unpickled_reader(pickled: tuple[bool, bytes]) -> Callable[[], RowReader]:
    """What ``pickled_reader`` was given."""
    has_users_code, data = pickled
    load: Callable[[bytes], Callable[[], RowReader]] = pickle.loads
    if has_users_code:
        from beam_scanner.kernels.pickling import loads_graph

        load = loads_graph
    return load(data)


class _Noting(pickle.Pickler):
    """Notes whether what it pickles has classes or functions of the user's."""

    has_users_code = False

    def reducer_override(self, obj: Any) -> Any:
        """See ``pickle.Pickler``; changes nothing."""
        if isinstance(obj, (type, FunctionType)) and _is_users(obj.__module__):
            self.has_users_code = True
        return NotImplemented


def _is_users(module: str) -> bool:
    if module.partition(".")[0] in ("beam_scanner", "builtins", "functools", "numpy"):
        return False
    # Loads all that kernels need.
    from beam_scanner.kernels.digests.installed_code import is_library

    return not is_library(module)
