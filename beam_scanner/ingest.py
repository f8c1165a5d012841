"""Indexes videos before they are read, many at a time as a Beam pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.errors import ArgumentError, ScannerException, StreamExistsError
from beam_scanner.runners.local import run_pipeline
from beam_scanner.storage.backend import StoredStream
from beam_scanner.storage.named import NamedStorage, NamedStream
from beam_scanner.storage.named_video import NamedVideoStream
from beam_scanner.table import Tables
from beam_scanner.video.index import index_video

_FEW = 48
"""As many are indexed by threads before worker processes would have started."""


def ingest_streams(
    streams: Sequence[StoredStream], storage: NamedStorage, options: PipelineOptions
) -> dict[str, str]:
    """Indexes every video that is read in place and has no index yet.

    Args:
        streams: Any streams; those that are not videos with a path are left alone.
        storage: The client's database.
        options: Where to run.

    Returns:
        Why videos could not be indexed, by name of the stream.
    """
    videos = {
        s.name(): s for s in streams if isinstance(s, NamedVideoStream) and s.path
    }
    new = [
        stream
        for stream in videos.values()
        if NamedStream.try_descriptor(stream) is None
    ]
    if len(new) > _FEW:
        run_pipeline(
            options,
            lambda pipeline: (
                pipeline
                | "Videos" >> beam.Create(new)
                | "Spread videos" >> beam.Reshuffle()
                | "Index" >> beam.Map(_index)
            ),
        )
    # Behind a pipeline this finds the indexes there, and says why others are not.
    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(_index, new))
    return {
        stream.name(): reason
        for stream, reason in zip(new, reasons, strict=True)
        if reason is not None
    }


def _index(stream: NamedVideoStream) -> str | None:
    """Indexes one video; a bad one does not disturb the others."""
    try:
        stream.ingest()
    except ScannerException as error:
        return str(error)
    return None


def _unreadable(path: str) -> str | None:
    """Why a video cannot be indexed; None if it can."""
    try:
        index_video(path)
    except ScannerException as error:
        return str(error)
    return None


def ingest_videos(
    videos: Sequence[tuple[str, str]],
    storage: NamedStorage,
    options: PipelineOptions,
    force: bool,
) -> tuple[list[str], list[tuple[str, str]]]:
    """Makes streams of videos; see ``Client.ingest_videos``.

    Returns:
        Names of the good ones, and ``(path, reason)`` of the others.
    """
    if not videos:
        raise ArgumentError("Must ingest at least one video.")
    names = [name for name, _ in videos]
    twice = next((name for name, n in Counter(names).items() if n > 1), None)
    if twice is not None:
        raise ArgumentError(f"Duplicate table name {twice} in ingest video set.")
    tables = Tables(storage)
    taken = [name for name in names if tables.has(name)]
    if taken and not force:
        raise StreamExistsError(
            f"Attempted to ingest over existing table {taken[0]}; force=True replaces it"
        )
    # A table is replaced only by a video that can be read.
    paths = dict(videos)
    reasons = {n: why for n in taken if (why := _unreadable(paths[n])) is not None}
    tables.delete([name for name in taken if name not in reasons])
    streams = [
        NamedVideoStream(storage, name, path=path)
        for name, path in videos
        if name not in reasons
    ]
    reasons |= ingest_streams(streams, storage, options)
    failures = [(path, reasons[name]) for name, path in videos if name in reasons]
    if len(failures) == len(videos):
        raise ScannerException(
            "All videos failed to ingest properly: "
            + "; ".join(f"{path}: {reason}" for path, reason in failures)
        )
    return [name for name in names if name not in reasons], failures
