"""Named video streams: videos of a database, and videos read where they lie."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import (
    Failure,
    JobFailure,
    OutcomeUnknownError,
    ScannerException,
    StorageError,
    StreamExistsError,
    StreamReplacedError,
    Tally,
    VideoError,
)
from beam_scanner.storage import commit
from beam_scanner.storage.checked_files import Checksums
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.segments.index_cache import stored_index
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.storage.stream_names import INDEX, generation_key
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.writer_marks import writing
from beam_scanner.stores.object_store import ObjectStore, storage_errors
from beam_scanner.stores.paths import absolute, is_file
from beam_scanner.types.element_types import ColumnType
from beam_scanner.video.index import FrameIndex, check_damage
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import (
    VideoSource,
    fingerprint,
    open_source,
    source_name,
)

_TRIES = 3


class NamedVideoStorage(NamedStorage):
    """A database of named streams of frames; see :class:`NamedStorage`."""

    def ingest(
        self, sc: Any, streams: Sequence[NamedVideoStream], batch: int = 500
    ) -> None:
        """Indexes videos that are read where they lie.

        All are tried, also after one fails.

        Args:
            sc: Ignored; Scanner's programs pass their client.
            streams: Streams with a path; others are left alone.
            batch: Ignored.

        Raises:
            JobFailure: Lists the videos that cannot be read.
        """
        failures = []
        for stream in streams:
            try:
                stream.ingest()
            except ScannerException as error:
                failures.append(Failure(stream.name(), str(error), kind="input"))
        if failures:
            good = len(streams) - len(failures)
            raise JobFailure(failures, tally=Tally(committed=good))


_NOT_STORED = "none"
"""Generation of a descriptor that was only made to be looked at."""


class NamedVideoStream(NamedStream):
    """A stream of frames in a database, or a video file outside it.

    With a path, the file is read where it lies. A run, or :meth:`ingest`, indexes it
    once for all runs; a file that has changed since is an error. Before that, questions
    such as :meth:`len` index it for themselves, and store nothing.

    Args:
        sc: The client (its ``named_storage`` is used), or a ``NamedStorage``. It is
            not kept.
        name: Any text; '/' makes folders.
        path: A video file, or its ``file://``, ``gs://`` or ``s3://`` URL; None for a
            stream that a graph writes or has written.
        inplace: Accepted for Scanner's programs; this never copies the file, which
            ``Client.ingest_videos`` does.
        storage: A database other than the client's.
        damage: What to do about rows that cannot be decoded. ``'strict'``: the video
            is an error that names them. ``'salvage'``: they are null; all of the
            video is decoded once to know which they are.

    Raises:
        ArgumentError: The name is impossible, or there is no such policy.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from beam_scanner.types.element_types import FrameType
        >>> database = NamedVideoStorage(tempfile.mkdtemp())
        >>> clip = NamedVideoStream(database, 'clip')
        >>> clip.save([np.full((48, 64, 3), i, np.uint8) for i in range(5)], FrameType)
        >>> path = clip.save_mp4(os.path.join(tempfile.mkdtemp(), 'clip'))
        >>> video = NamedVideoStream(database, 'films/clip', path=path)
        >>> video.len(), [frame.shape for frame in video.load(rows=[4, 0])]
        (5, [(48, 64, 3), (48, 64, 3)])
    """

    _kind = "video"

    def __init__(
        self,
        sc: Any,
        name: str,
        path: str | os.PathLike[str] | None = None,
        inplace: bool = False,
        storage: NamedStorage | None = None,
        damage: str = "strict",
    ) -> None:
        super().__init__(sc, name, storage)
        self._damage = check_damage(damage)
        if not isinstance(self._storage, NamedVideoStorage):
            trusted = self._storage.trusted
            self._storage = NamedVideoStorage(self._storage.raw_store(), trusted)
        self._path = None if path is None else absolute(path, "path of a video")
        self._ingested = False
        self._seen: tuple[StreamDescriptor, FrameIndex] | None = None

    def __getstate__(self) -> dict[str, Any]:
        ingested = self._ingested and self._seen is None
        return {**super().__getstate__(), "_ingested": ingested, "_seen": None}

    @property
    def path(self) -> str | None:
        """The video file that was given, as an absolute path; None without one."""
        return self._path

    def places(self) -> Sequence[str]:
        """See :meth:`StoredStream.places`; of a copy, the original may be gone."""
        if self._path is None or self._cached is not None:
            return super().places()
        return [*super().places(), self._path]

    @property
    def damage(self) -> str:
        """What is done about rows that cannot be decoded: ``'strict'`` or not."""
        return self._damage

    def with_damage(self, damage: str) -> None:
        """Changes the policy, for the uses from now on.

        Raises:
            ArgumentError: There is no such policy.
        """
        if check_damage(damage) != self._damage:
            self._damage = damage
            self._ingested, self._seen = False, None

    def ingest(
        self,
        force: bool = False,
        verify: bool = False,
        copy: bool = False,
        replace: bool = False,
    ) -> StreamDescriptor:
        """Indexes the video, unless it is indexed already.

        Args:
            force: Index a file anew that has changed since.
            verify: Decode every frame once, unless that was done already.
            copy: Copy the file into the database, so that the original may go.
            replace: Take the place of any stream of that name, if the video is good.

        Returns:
            The stream's descriptor.

        Raises:
            VideoError: The file cannot be read, has changed since it was indexed, or
                has rows that cannot be decoded (for ``'strict'``: where that is
                known).
            StreamExistsError: The name is that of a stream which a graph has written.
            StreamNotFoundError: Neither a path nor a committed stream.
            StreamReplacedError: Others keep publishing a stream of that name.
        """
        for left in reversed(range(_TRIES)):
            try:
                return self._ingest(force, verify, copy, replace)
            except StreamReplacedError:
                # What is there now may be what is wanted.
                if not left:
                    raise
        raise AssertionError

    def _ingest(
        self, force: bool, verify: bool, copy: bool, replace: bool
    ) -> StreamDescriptor:
        if self._path is None:
            return self.descriptor()
        current = super().try_descriptor()
        found = self._unindexed(self._path, current, force, verify, replace)
        if found is not None:
            source, copied = found
            self._index(source, verify, copy if copied is None else copied, current)
        self._ingested, self._seen = True, None
        return self.descriptor()

    def preview(self, force: bool = False) -> StreamDescriptor:
        """What :meth:`ingest` would return; stores nothing.

        What this object is asked from then on, it answers by that.

        Args:
            force: Take a file that has changed since it was indexed.

        Raises:
            ScannerException: As :meth:`ingest`.
        """
        if self._path is None:
            return self.descriptor()
        current = super().try_descriptor()
        found = self._unindexed(self._path, current, force)
        if found is not None:
            source, copied = found
            index = index_video(source, False, self._damage)
            new = self._of_index(self._path, index)
            if copied and current is not None:
                lost = len(index.lost_rows)
                new = replace(current, verified=index.verified, lost=lost)
            self._seen = new, index
        self._ingested = True
        return self.descriptor()

    def _unindexed(
        self,
        path: str,
        current: StreamDescriptor | None,
        force: bool = False,
        verify: bool = False,
        replaces: bool = False,
    ) -> tuple[VideoSource, bool | None] | None:
        """The file to be indexed; None if its stored index will do.

        With it, whether it is the database's own copy; None for a file that is new.
        """
        if current is not None and not current.ingested and not replaces:
            raise StreamExistsError(
                f"stream {self._name!r} was written by a graph and is not the video "
                f"{path!r}: delete() it, or choose another name"
            )
        if (
            current is None
            or force
            or replaces
            or not self._is_of_path(current)
            or not self.is_whole(current)
        ):
            return path, None
        if self._has_changed(path, current):
            raise VideoError(
                f"video {path!r} of stream {self._name!r} has changed since it was "
                "indexed: ingest(force=True) takes the new content"
            )
        if not current.verified and (verify or self._damage == "salvage"):
            return self._file(current), current.copy is not None
        if current.lost and self._damage == "strict":
            index = stored_index(self._storage.store(), current)
            raise VideoError(
                f"video {path!r} is damaged: {index.describe_lost()}; "
                "damage='salvage' takes the other rows, and nulls for these"
            )
        return None

    def _is_of_path(self, current: StreamDescriptor) -> bool:
        """Whether the stream is the file at the path, or a copy of it."""
        if current.path is not None:
            return current.path == self._path
        return current.copied_from == self._path

    def _has_changed(self, path: str, current: StreamDescriptor) -> bool:
        """Whether the file is another one now; of a copied one it may be gone."""
        try:
            return fingerprint(path) != current.fingerprint
        except (VideoError, StorageError):
            if current.copy is None:
                raise
            return False

    def _file(self, current: StreamDescriptor) -> VideoSource:
        # Loads FFmpeg.
        from beam_scanner.storage.segments.frame_reader import video_file

        return video_file(self._storage.store(), current)

    def _index(
        self,
        source: VideoSource,
        verify: bool,
        copy: bool,
        current: StreamDescriptor | None,
    ) -> None:
        """Indexes a video, and publishes it in place of ``current``."""
        index = index_video(source, verify, self._damage)
        store = self._storage.store(create=True)
        data = index.to_bytes()
        digest = hashlib.blake2b(data, digest_size=20, person=b"copy" if copy else b"")
        # Others may publish the same and replace it: no two share their files.
        generation = f"{digest.hexdigest()}-{uuid.uuid4().hex[:12]}"
        with writing(store, generation):
            try:
                new = self._stored_index(source, index, generation, copy)
                commit.publish(store, new, commit.generation_of(current))
            except OutcomeUnknownError:
                raise
            except ScannerException:
                self.discard(generation)
                raise

    def _stored_index(
        self, source: VideoSource, index: FrameIndex, generation: str, copy: bool
    ) -> StreamDescriptor:
        """Stores the files of a generation; gives their descriptor."""
        assert self._path is not None
        store, data = self._storage.store(), index.to_bytes()
        folder = generation_key(self._name, generation)
        sums = {INDEX: Checksums.of(data)}
        if copy:
            file = f"video{_extension(self._path)}"
            key = f"{folder}/{file}"
            sums[file] = _copy_file(source, index.fingerprint, store, key)
        store.put(f"{folder}/{INDEX}", data)
        return self._of_index(self._path, index, generation, sums)

    def _of_index(
        self,
        path: str,
        index: FrameIndex,
        generation: str = _NOT_STORED,
        sums: Mapping[str, Checksums] | None = None,
    ) -> StreamDescriptor:
        """The descriptor of a video file.

        Args:
            path: The file.
            index: Of the file.
            generation: Of the stored files.
            sums: The stored files, the index first.
        """
        stored = sums or {}
        copied = next((file for file in stored if file != INDEX), None)
        record = {
            "first": 0,
            "rows": len(index),
            "bytes": sum(each.size for each in stored.values()),
            "files": list(stored),
            "sums": {file: each.to_json() for file, each in stored.items()},
            "kind": "video",
            "type": "FrameType",
        }
        return StreamDescriptor(
            name=self._name,
            kind="video",
            type_name="FrameType",
            rows=len(index),
            generation=generation,
            segments=(record,),
            fingerprint=index.fingerprint,
            source=index.fingerprint,
            path=None if copied else path,
            copy=copied,
            copied_from=path if copied else "",
            width=index.width,
            height=index.height,
            verified=index.verified,
            lost=len(index.lost_rows),
        )

    def lost_rows(self) -> NDArray[np.int64]:
        """int64[k], ascending: rows of a salvaged video that cannot be decoded.

        Raises:
            StreamNotFoundError: The stream is not committed.
            VideoError: See :meth:`ingest`.
        """
        index = self._lossy_index(self.descriptor())
        return np.zeros(0, dtype=np.int64) if index is None else index.lost_rows

    def describe_lost(self) -> str:
        """Which stored rows cannot be had, and why, for people; '' for none."""
        found = self._seen[0] if self._seen else super().try_descriptor()
        index = None if found is None else self._lossy_index(found)
        return "" if index is None else index.describe_lost()

    def _lossy_index(self, found: StreamDescriptor) -> FrameIndex | None:
        if not found.ingested or not found.lost:
            return None
        if self._seen is not None:
            return self._seen[1]
        return stored_index(self._storage.store(), found)

    def try_descriptor(self) -> StreamDescriptor | None:
        """See :meth:`NamedStream.try_descriptor`.

        Of a video that is not indexed yet, what ingesting it would store.
        """
        if self._path is not None and not self._ingested:
            return self.preview()
        return self._seen[0] if self._seen else super().try_descriptor()

    def exists(self) -> bool:
        """Whether the file at the path, or its copy in the database, is there.

        Without a path, the same as :meth:`committed`.
        """
        if self._path is None or (self._copied() and self.committed()):
            return self.committed()
        return is_file(self._path)

    def committed(self) -> bool:
        """Whether it stands in the database; a video, whether it is indexed there."""
        found = super().try_descriptor()
        if self._path is None or found is None:
            return found is not None
        return found.ingested and self._is_of_path(found)

    def delete(self, sc: Any = None) -> None:
        """See :meth:`NamedStream.delete`; the file at the path stays."""
        super().delete(sc)
        self._ingested, self._seen = False, None

    def _copied(self) -> bool:
        found = super().try_descriptor()
        return found is not None and found.copy is not None

    def reader(self) -> RowReader:
        """See :meth:`NamedStream.reader`."""
        if self.try_descriptor() is None or self._seen is None:
            return super().reader()
        # Loads FFmpeg.
        from beam_scanner.storage.segments.frame_reader import VideoFileReader

        return VideoFileReader(self._storage.store(), *self._seen)

    def column_type(self) -> ColumnType:
        """See :meth:`StoredStream.column_type`; known without looking at a file."""
        return ColumnType.Video if self._path is not None else super().column_type()

    def fingerprint(self) -> str:
        """What identifies the stored rows: of a whole video, those of its file."""
        found = self.descriptor()
        if found.ingested and not found.lost:
            return found.fingerprint
        if found.ingested:
            # The same index of the same file, whoever made it.
            return f"{found.fingerprint}:{found.generation.partition('-')[0]}"
        return super().fingerprint()

    def save_mp4(
        self,
        name: str | os.PathLike[str],
        fps: float | None = None,
        scale: tuple[int, int] | None = None,
    ) -> str:
        """Writes the stream as one MP4 file.

        Without ``fps`` and ``scale`` the stored video is not encoded again, and
        frames keep their times.

        Args:
            name: Path of the file; '.mp4' is added if it is not there.
            fps: Frames a second.
            scale: (width, height) in pixels.

        Returns:
            The file's path.

        Raises:
            StreamNotFoundError: The stream is not committed.
            VideoError: Not all of it is stored as video.
            StorageError: The file cannot be written.
        """
        # Loads FFmpeg.
        from beam_scanner.storage.streams.export import save_mp4

        return save_mp4(self._storage.store(), self.descriptor(), name, fps, scale)


def _extension(path: str) -> str:
    """A path's extension, where it is a plain one."""
    extension = os.path.splitext(path)[1].lower()
    return extension if re.fullmatch(r"\.[a-z0-9]{1,8}", extension) else ""


def _copy_file(
    source: VideoSource, expected: str, store: ObjectStore, key: str
) -> Checksums:
    """Copies a video into a database; returns what it consists of."""
    scratch = store.scratch()
    try:
        with (
            open_source(source) as file,
            storage_errors("write", scratch),
            open(scratch, "wb") as target,
        ):
            shutil.copyfileobj(file, target, 1 << 20)
        if fingerprint(scratch) != expected:
            raise VideoError(
                f"video {source_name(source)!r} has changed while it was copied"
            )
        sums = Checksums.of_file(scratch)
        with storage_errors("write", store.describe(key)):
            store.put(key, Path(scratch))
    finally:
        Path(scratch).unlink(missing_ok=True)
    return sums
