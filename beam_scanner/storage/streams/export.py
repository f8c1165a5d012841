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
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.remux import concatenate
from beam_scanner.video.soundtrack import Sound
from beam_scanner.video.source import VideoSource, source_name

_SAME_TIME = 1e-3
"""Seconds by which the times of a row may differ: files round them."""


def save_mp4(
    store: ObjectStore,
    descriptor: StreamDescriptor,
    name: str | os.PathLike[str],
    fps: float | None = None,
    scale: tuple[int, int] | None = None,
    sound: VideoSource | None = None,
) -> str:
    """Writes a stored video as one MP4 file, which appears when it is complete.

    Args:
        store: The database's store.
        descriptor: The stream's.
        name: Path of the file; '.mp4' is added if it is not there.
        fps: Frames a second; None keeps the frames' times.
        scale: (width, height) in pixels; None keeps the size.
        sound: The video of which these rows are a range, whose sound is kept.

    Returns:
        The file's path.

    Raises:
        ArgumentError: ``scale`` is not a pair of numbers above 0, or ``fps`` is given
            with ``sound``.
        VideoError: The stream has no frame, or not all of it is stored as video. With
            ``sound``, its rows are no range of the video's, or that has no sound then.
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
    if sound is not None and fps is not None:
        raise ArgumentError(
            "sound keeps its speed, so save_mp4 takes no fps with it: frames keep their "
            "times"
        )
    sources = video_sources(store, descriptor)
    if not sources:
        raise VideoError(f"stream {descriptor.name!r} has no frame to save")
    times = None if descriptor.ingested else _frame_times(store, descriptor)
    heard = None
    if sound is not None:
        shown = index_video(sources[0]) if times is None else None
        heard = _sound_of(descriptor.name, sound, times, shown)
    with storage_errors("write", path):
        concatenate(sources, times, path, fps=fps, scale=scale, sound=heard)
    return path


def _sound_of(
    name: str,
    source: VideoSource,
    times: NDArray[np.float64] | None,
    shown: FrameIndex | None,
) -> Sound:
    """The span of a video's sound that belongs to the rows of a stream.

    Args:
        name: Of the stream.
        source: The video.
        times: Of the stream's rows, in seconds; None for those of ``shown``.
        shown: Index of the stream's own video.
    """
    index = index_video(source)
    every = index.seconds(np.arange(len(index)))
    if times is None:
        assert shown is not None
        times = shown.seconds(np.arange(len(shown)))
    first = int(np.argmin(np.abs(every - times[0]))) if np.isfinite(times[0]) else 0
    expected = every[first : first + len(times)]
    same = len(expected) == len(times) and np.allclose(
        expected, times, rtol=0, atol=_SAME_TIME
    )
    if not same or not index.monotonic:
        raise VideoError(
            f"the sound of {source_name(source)!r} does not fit stream {name!r}: its "
            "rows must be one range of the rows of that video, each once, in order and "
            f"at their times{_difference(every, times, first)}"
        )
    last = first + len(times)
    end = every[last] if last < len(every) else every[0] + index.duration_seconds
    return Sound(source, float(times[0]), float(end))


def _difference(
    every: NDArray[np.float64], times: NDArray[np.float64], first: int
) -> str:
    """Where rows are first not those of the video, for errors."""
    expected = every[first : first + len(times)]
    near = np.abs(expected - times[: len(expected)]) <= _SAME_TIME
    row = int(np.argmin(near)) if not near.all() else len(expected)
    if row >= len(times):
        return ""
    if not np.isfinite(times[row]):
        return f"; of row {row} no time is known"
    there = f"{expected[row]:.3f} s" if row < len(expected) else "no frame"
    return f"; row {row} is at {times[row]:.3f} s, where the video has {there}"


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
