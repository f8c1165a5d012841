"""A video cut into clips, one for each shot."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from beam_scanner.exports.shot_ranges import Shots
from beam_scanner.storage.segments.video_rows import ingested_rows, video_file
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.stores.object_store import storage_errors
from beam_scanner.stores.part_names import part_of
from beam_scanner.video.clips import cut_clips
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import VideoSource


def write_clips(shots: Shots, paths: Sequence[str]) -> None:
    """Writes each shot to an MP4 file of its own.

    Clips that begin with a keyframe and end before one are copied, others encoded.
    Null rows have no frame in a clip, and shots of null rows alone no file.

    Args:
        shots: The shots.
        paths: A path for each, which ends in ``.mp4``.

    Raises:
        StorageError: A file cannot be written.
        VideoError: The video cannot be read, or rows of a shot cannot be decoded.
    """
    with _single_file(shots.video) as (source, index, frames):
        ranges = [(frames[shot.first], frames[shot.end]) for shot in shots.ranges]
        shown = [number for number, (first, end) in enumerate(ranges) if first < end]
        parts = [part_of(paths[number]) for number in shown]
        try:
            made = cut_clips(source, index, [ranges[number] for number in shown], parts)
            for number, part, _ in zip(shown, parts, made, strict=True):
                with storage_errors("write", paths[number]):
                    os.replace(part, paths[number])
        finally:
            for part in parts:
                if os.path.exists(part):
                    os.remove(part)


@contextmanager
def _single_file(
    video: NamedVideoStream,
) -> Iterator[tuple[VideoSource, FrameIndex, list[int]]]:
    """The video as one file, its index, and how many frames lie before each row."""
    found, store = video.descriptor(), video.storage().store()
    if found.ingested:
        with ingested_rows(store, found) as rows:
            yield video_file(store, found), rows.index, list(range(found.rows + 1))
        return
    with video.reader() as reader:
        before = np.cumsum([0, *~reader.nulls()]).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path = video.save_mp4(os.path.join(folder, "whole.mp4"))
        yield path, index_video(path), before
