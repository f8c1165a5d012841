"""Stored video as one file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, StorageError, VideoError
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.segments.stream_reader import StreamReader
from beam_scanner.storage.segments.video_rows import video_file
from beam_scanner.stores.object_store import ObjectStore, storage_errors
from beam_scanner.video.remux import concatenate
from beam_scanner.video.source import VideoSource


def save_mp4(
    store: ObjectStore,
    descriptor: StreamDescriptor,
    name: str | os.PathLike[str],
    fps: float | None = None,
    scale: tuple[int, int] | None = None,
) -> str:
    """Writes a stored video as one MP4 file, which appears when it is complete.

    Args:
        store: The database's store.
        descriptor: The stream's.
        name: Path of the file; '.mp4' is added if it is not there.
        fps: Frames a second; None keeps the frames' times.
        scale: (width, height) in pixels; None keeps the size.

    Returns:
        The file's path.

    Raises:
        ArgumentError: ``scale`` is not a pair of numbers above 0.
        VideoError: The stream has no frame, or not all of it is stored as video.
        StorageError: The file cannot be written.
    """
    path = os.fspath(name)
    if not path.lower().endswith(".mp4"):
        path += ".mp4"
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise StorageError(f"cannot write {path!r}: there is no folder {folder!r}")
    if scale is not None and not _is_size(scale):
        raise ArgumentError(
            f"scale must be (width, height) in pixels, each 1 or more; got {scale!r}"
        )
    sources = video_sources(store, descriptor)
    if not sources:
        raise VideoError(f"stream {descriptor.name!r} has no frame to save")
    times = None if descriptor.ingested else _frame_times(store, descriptor)
    with storage_errors("write", path):
        concatenate(sources, times, path, fps=fps, scale=scale)
    return path


def _is_size(scale: Any) -> bool:
    return (
        isinstance(scale, (list, tuple))
        and len(scale) == 2
        and all(hasattr(side, "__index__") and side > 0 for side in scale)
    )


def video_sources(
    store: ObjectStore, descriptor: StreamDescriptor
) -> list[VideoSource]:
    """The video files that hold a stream's rows, in row order.

    Raises:
        VideoError: Not all rows are stored as video.
    """
    if descriptor.lost:
        raise VideoError(
            f"stream {descriptor.name!r} has {descriptor.lost} rows that cannot be "
            "decoded, and a copy of its video would show them: save what a graph "
            "makes of it"
        )
    if descriptor.ingested:
        return [video_file(store, descriptor)]
    files: list[VideoSource] = []
    for record in descriptor.segments:
        exact = record["kind"] == "blob" or "exact" in record
        if exact and record.get("nulls", 0) < record["rows"]:
            raise VideoError(
                f"rows of stream {descriptor.name!r} from {record['first']} on are not "
                "stored as video: only uint8 frames of 3 channels and one size are"
            )
        opened = SegmentFiles(store, descriptor.name, descriptor.generation, record)
        files.extend(opened.video(part["file"]) for part in record.get("parts", ()))
    return files


def _frame_times(
    store: ObjectStore, descriptor: StreamDescriptor
) -> NDArray[np.float64]:
    """float64 seconds of all rows that hold a frame, nan where unknown."""
    with StreamReader(store, descriptor) as reader:
        times = reader.seconds(np.arange(descriptor.rows))
        if any(record.get("nulls") for record in descriptor.segments):
            times = times[~reader.nulls()]
    return times
