"""Named video streams: videos of a database, and videos read where they lie."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Sequence
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
    VideoError,
)
from beam_scanner.storage import commit
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.indexes import stored_index
from beam_scanner.storage.named import NamedStorage, NamedStream
from beam_scanner.storage.names import INDEX, generation_key
from beam_scanner.storage.paths import absolute
from beam_scanner.storage.store import ObjectStore, storage_errors
from beam_scanner.storage.writers import writing
from beam_scanner.types import ColumnType
from beam_scanner.video.index import FrameIndex, check_damage, index_video
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
                failures.append(Failure(stream.name(), str(error)))
        if failures:
            raise JobFailure(failures)


class NamedVideoStream(NamedStream):
    """A stream of frames in a database, or a video file outside it.

    With a path, the file is read where it lies. Its first use indexes it, once for
    all runs; a file that has changed since is an error.

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
            is an error that names them. ``'salvage'``: they are null; the first use
            decodes all of the video to know which they are.

    Raises:
        ArgumentError: The name is impossible, or there is no such policy.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from beam_scanner.types import FrameType
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
            self._storage = NamedVideoStorage(self._storage.raw_store())
        self._path = None if path is None else absolute(path, "path of a video")
        self._ingested = False

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
            self._ingested = False

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
        if current is not None and not current.ingested and not replace:
            raise StreamExistsError(
                f"stream {self._name!r} was written by a graph and is not the video "
                f"{self._path!r}: delete() it, or choose another name"
            )
        if (
            current is None
            or force
            or replace
            or not self._is_of_path(current)
            or not self.is_whole(current)
        ):
            self._index(self._path, verify, copy, current)
        elif self._has_changed(self._path, current):
            raise VideoError(
                f"video {self._path!r} of stream {self._name!r} has changed since it "
                "was indexed: ingest(force=True) takes the new content"
            )
        elif not current.verified and (verify or self._damage == "salvage"):
            is_copy = current.copy is not None
            self._index(self._file(current), verify, is_copy, current)
        elif current.lost and self._damage == "strict":
            index = stored_index(self._storage.store(), current)
            raise VideoError(
                f"video {self._path!r} is damaged: {index.describe_lost()}; "
                "damage='salvage' takes the other rows, and nulls for these"
            )
        self._ingested = True
        return self.descriptor()

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
        from beam_scanner.storage.frame_reader import video_file

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
        path, store, data = self._path, self._storage.store(), index.to_bytes()
        folder = generation_key(self._name, generation)
        files, size = [INDEX], len(data)
        if copy:
            files.append(f"video{_extension(path)}")
            key = f"{folder}/{files[-1]}"
            size += _copy_file(source, index.fingerprint, store, key)
        store.put(f"{folder}/{INDEX}", data)
        record = {
            "first": 0,
            "rows": len(index),
            "bytes": size,
            "files": files,
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
            path=None if copy else path,
            copy=files[-1] if copy else None,
            copied_from=path if copy else "",
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
        found = super().try_descriptor()
        index = None if found is None else self._lossy_index(found)
        return "" if index is None else index.describe_lost()

    def _lossy_index(self, found: StreamDescriptor) -> FrameIndex | None:
        if not found.ingested or not found.lost:
            return None
        return stored_index(self._storage.store(), found)

    def try_descriptor(self) -> StreamDescriptor | None:
        """See :meth:`NamedStream.try_descriptor`; the first use indexes the video."""
        if self._path is not None and not self._ingested:
            return self.ingest()
        return super().try_descriptor()

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
        from beam_scanner.storage.export import save_mp4

        return save_mp4(self._storage.store(), self.descriptor(), name, fps, scale)


def _extension(path: str) -> str:
    """A path's extension, where it is a plain one."""
    extension = os.path.splitext(path)[1].lower()
    return extension if re.fullmatch(r"\.[a-z0-9]{1,8}", extension) else ""


def _copy_file(source: VideoSource, expected: str, store: ObjectStore, key: str) -> int:
    """Copies a video into a database; returns how many bytes it has."""
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
        size = os.path.getsize(scratch)
        with storage_errors("write", store.describe(key)):
            store.put(key, Path(scratch))
    finally:
        Path(scratch).unlink(missing_ok=True)
    return size
