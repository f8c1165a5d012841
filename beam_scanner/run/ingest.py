"""Indexes videos before they are read, many at a time as a Beam pipeline.

Each is indexed by ``NamedVideoStream.ingest``, whose ``ensure_indexed`` alone decides
whether a stored index will do.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.beam_internals.file_systems import take_options
from beam_scanner.elements.constants import Constants
from beam_scanner.engine.containment import contained
from beam_scanner.errors import (
    ArgumentError,
    ScannerException,
    StorageError,
)
from beam_scanner.run.ingest_progress import IngestProgress
from beam_scanner.run.sent_file_systems import pack_file_systems, unpack_file_systems
from beam_scanner.runners.local.local_run import get_ready, is_local, pipeline_options
from beam_scanner.runners.start import preflight, run_pipeline
from beam_scanner.storage.sealed_files import read_sealed, seal
from beam_scanner.storage.stream_names import WORK
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.stores import is_remote
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.text.error_text import class_name, message_of
from beam_scanner.video.source import open_source

_READS = 8
"""Files of an object store that are read at once here. Files on disks are read one by
one: reading packets is short calls of FFmpeg, for which threads take turns in Python,
and two threads take longer than one."""

_LOCAL_SECONDS, _START_SECONDS = 3.0, 20.0
"""Work for which a pipeline is worth its start: of local workers, and of others."""

_READY_SECONDS = 1.0
"""Work beside which local workers are made ready for the run that comes after it."""

_FILE_SECONDS, _BYTES, _FETCHED_BYTES, _DECODED_BYTES = 0.05, 500e6, 50e6, 20e6
"""What indexing takes, about: a file, and bytes a second that are read from a disk,
fetched over a network, decoded."""

# Elsewhere the index needs every frame decoded.
_INDEXED_BY_PACKETS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")


@dataclass(frozen=True)
class Ingest:
    """How videos become streams.

    Attributes:
        verify: Decode every frame once.
        copy: Copy the files into the database.
        replace: Take the place of streams of the same names.
        force: Index files again that have changed since.
    """

    verify: bool = False
    copy: bool = False
    replace: bool = False
    force: bool = False

    def __call__(self, stream: NamedVideoStream) -> str | None:
        """Ingests one video; why it could not be, so that others are not disturbed."""
        try:
            with contained("indexing it"):
                try:
                    stream.ingest(**asdict(self))
                except StorageError:
                    # A file that cannot be read now may be whole: it is tried twice.
                    stream.ingest(**asdict(self))
        except ScannerException as error:
            return message_of(error)
        except Exception as error:
            return f"{class_name(error)}: {message_of(error)}"
        return None


def ingest_streams(
    streams: Sequence[StoredStream],
    storage: NamedStorage,
    options: PipelineOptions,
    damage: str | None = None,
    force: bool = False,
    show: bool = False,
) -> dict[str, str]:
    """Indexes every video that is read in place and has no index yet.

    Args:
        streams: Any streams; those that are not videos with a path are left alone.
        storage: The client's database.
        options: Where to run.
        damage: The policy of all of them from now on; None for that of each.
        force: Index those again that have changed since.
        show: Whether to say how far it is, in a terminal or notebook.

    Returns:
        Why videos could not be indexed, by name of the stream.
    """
    videos = [stream for stream in streams if isinstance(stream, NamedVideoStream)]
    for video in videos:
        video.with_damage(damage or video.damage)
    by_name = {video.name(): video for video in videos if video.path}
    new = [video for video in by_name.values() if force or _is_new(video)]
    return ingest_all(new, Ingest(force=force), storage, options, show)


@contextmanager
def damage_policy(
    streams: Sequence[StoredStream], damage: str | None
) -> Iterator[None]:
    """Lets videos have another policy for a while; None for that of each."""
    videos = [s for s in streams if isinstance(s, NamedVideoStream)]
    before = [video.damage for video in videos]
    try:
        for video in videos:
            video.with_damage(damage or video.damage)
        yield
    finally:
        for video, own in zip(videos, before, strict=True):
            video.with_damage(own)


def lost_rows(streams: Sequence[StoredStream]) -> dict[str, str]:
    """By name of each video with rows that cannot be decoded: which, and why."""
    videos = {s.name(): s for s in streams if isinstance(s, NamedVideoStream)}
    lost = {name: stream.describe_lost() for name, stream in videos.items()}
    return {name: text for name, text in lost.items() if text}


def _is_new(stream: NamedVideoStream) -> bool:
    found = NamedStream.try_descriptor(stream)
    return found is None or (stream.damage == "salvage" and not found.verified)


def ingest_all(
    streams: Sequence[NamedVideoStream],
    ingest: Ingest,
    storage: NamedStorage,
    options: PipelineOptions,
    show: bool = False,
) -> dict[str, str]:
    """Ingests videos, here or by workers.

    Args:
        streams: The videos.
        ingest: How.
        storage: The database.
        options: Where to run.
        show: Whether to say how far it is, in a terminal or notebook.

    Returns:
        Why some of them could not be ingested, by name of the stream.
    """
    take_options(options)
    if not streams:
        return {}
    sends = ingest.copy and is_remote(storage.db_path)
    enough = _LOCAL_SECONDS if is_local(options) else _START_SECONDS
    seconds = _seconds(streams, ingest, sends, enough)
    if len(streams) > 1 and seconds > enough:
        store = storage.store(create=True)
        return _ingest_by_workers(streams, ingest, store, options, show)
    if seconds > _READY_SECONDS:
        # Many videos are seldom indexed for their own sake.
        get_ready(options)
    remote = sends or any(is_remote(stream.path or "") for stream in streams)
    names = [stream.name() for stream in streams]

    def one(number: int) -> str | None:
        with progress.at(number):
            return ingest(streams[number])

    with (
        IngestProgress(names, show) as progress,
        ThreadPoolExecutor(_READS if remote else 1) as pool,
    ):
        reasons = pool.map(one, range(len(streams)))
        return {name: why for name, why in zip(names, reasons, strict=True) if why}


def _seconds(
    streams: Sequence[NamedVideoStream], ingest: Ingest, sends: bool, enough: float
) -> float:
    """How long ingesting videos without workers takes, about; or more than enough."""
    least = _FILE_SECONDS * len(streams)
    if least > enough:
        return least
    with ThreadPoolExecutor(_READS) as pool:
        sizes = list(pool.map(_size, streams))
    rates = (_bytes_a_second(stream, ingest) for stream in streams)
    takes = sum(size / rate for size, rate in zip(sizes, rates, strict=True))
    return least + takes + sends * sum(sizes) / _FETCHED_BYTES


def _bytes_a_second(stream: NamedVideoStream, ingest: Ingest) -> float:
    path = str(stream.path).lower()
    decodes = ingest.verify or stream.damage == "salvage"
    if decodes or not path.endswith(_INDEXED_BY_PACKETS):
        return _DECODED_BYTES
    return _FETCHED_BYTES if is_remote(path) else _BYTES


def _size(stream: NamedVideoStream) -> int:
    """Bytes of a video; 0 where that cannot be read, which ingesting it will explain."""
    try:
        with open_source(str(stream.path)) as file:
            return file.seek(0, os.SEEK_END)
    except (ScannerException, OSError):
        return 0


def _ingest_by_workers(
    streams: Sequence[NamedVideoStream],
    ingest: Ingest,
    store: ObjectStore,
    options: PipelineOptions,
    show: bool,
) -> dict[str, str]:
    """The same as a pipeline; workers leave failures in the database."""
    preflight(options)
    try:
        preflight(options, [store.url, *(str(stream.path) for stream in streams)])
    except ArgumentError:
        # Out of reach of workers elsewhere; it may be copied to where it is not.
        options = pipeline_options(None)
    folder = f"{WORK}ingest/{uuid.uuid4().hex}/"
    names = [stream.name() for stream in streams]
    done, counts = f"{folder}done/", store.is_local
    asked = partial(_noted, store, done)
    progress = IngestProgress(names, show, asked if counts else None, counts)
    notes = progress.shows and counts
    run = _noting_failures(ingest, store, folder, done if notes else "")
    try:
        with progress:
            run_pipeline(
                options,
                lambda pipeline: (
                    pipeline
                    | "Videos" >> Constants(enumerate(streams))
                    | "Ingest" >> beam.MapTuple(run)
                ),
            )
        keys = list(store.list(folder, lambda below: below == done))
        return dict(read_sealed(store, key, ["failure"])["failure"] for key in keys)
    finally:
        for key in list(store.list(folder)):
            store.delete(key)


def _noted(store: ObjectStore, folder: str) -> set[int]:
    """Which videos workers have noted as done."""
    return {int(key.removeprefix(folder)) for key in store.list(folder)}


def _noting_failures(
    ingest: Ingest, store: ObjectStore, folder: str, done: str
) -> Callable[[int, NamedVideoStream], None]:
    """Ingests videos on workers.

    Args:
        ingest: How.
        store: The database.
        folder: Where failures are noted.
        done: Where is noted which ones are done; '' if nobody looks.
    """
    file_systems = pack_file_systems()

    def run(number: int, stream: NamedVideoStream) -> None:
        unpack_file_systems(file_systems)
        reason = ingest(stream)
        if reason is not None:
            note = seal({"failure": [stream.name(), reason]})
            store.put(f"{folder}{number:08d}.json", note)
        if done:
            store.put(f"{done}{number}", b"")

    return run
