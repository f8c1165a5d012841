"""Named video streams: videos of a database, and videos read where they lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from beam_scanner.errors import (
    Failure,
    JobFailure,
    ScannerException,
    StreamExistsError,
    VideoError,
)
from beam_scanner.storage import commit
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.named import NamedStorage, NamedStream
from beam_scanner.storage.names import INDEX, generation_key
from beam_scanner.types import ColumnType
from beam_scanner.video.index import index_video
from beam_scanner.video.source import fingerprint


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

    With a path, the file is read where it lies and never copied. Its first use
    indexes it, once for all runs; a file that has changed since is an error.

    Args:
        sc: The client (its ``named_storage`` is used), or a ``NamedStorage``. It is
            not kept.
        name: Any text; '/' makes folders.
        path: A video file; None for a stream that a graph writes or has written.
        inplace: Accepted for Scanner's programs; files are always read in place.
        storage: A database other than the client's.

    Raises:
        ArgumentError: The name is impossible.

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
    ) -> None:
        super().__init__(sc, name, storage)
        if not isinstance(self._storage, NamedVideoStorage):
            self._storage = NamedVideoStorage(self._storage.raw_store())
        self._path = None if path is None else _absolute(os.fspath(path))
        self._ingested = False

    @property
    def path(self) -> str | None:
        """The video file that was given, as an absolute path; None without one."""
        return self._path

    def ingest(self, force: bool = False) -> StreamDescriptor:
        """Indexes the video, unless it is indexed already.

        Args:
            force: Index a file anew that has changed since.

        Returns:
            The stream's descriptor.

        Raises:
            VideoError: The file cannot be read, or has changed since it was indexed.
            StreamExistsError: The name is that of a stream which a graph has written.
            StreamNotFoundError: Neither a path nor a committed stream.
        """
        if self._path is None:
            return self.descriptor()
        current = super().try_descriptor()
        if current is not None and not current.inplace:
            raise StreamExistsError(
                f"stream {self._name!r} was written by a graph and is not the video "
                f"{self._path!r}: delete() it, or choose another name"
            )
        if current is None or current.path != self._path or force:
            self._index(self._path)
        elif fingerprint(self._path) != current.fingerprint:
            raise VideoError(
                f"video {self._path!r} of stream {self._name!r} has changed since it "
                "was indexed: ingest(force=True) takes the new content"
            )
        self._ingested = True
        return self.descriptor()

    def _index(self, path: str) -> None:
        index = index_video(path)
        store = self._storage.store(create=True)
        folder = generation_key(self._name, index.fingerprint)
        data = index.to_bytes()
        store.put(f"{folder}/{INDEX}", data)
        record = {
            "first": 0,
            "rows": len(index),
            "bytes": len(data),
            "files": [INDEX],
            "kind": "video",
            "type": "FrameType",
        }
        new = StreamDescriptor(
            name=self._name,
            kind="video",
            type_name="FrameType",
            rows=len(index),
            generation=index.fingerprint,
            segments=(record,),
            fingerprint=index.fingerprint,
            source=index.fingerprint,
            path=path,
            width=index.width,
            height=index.height,
        )
        commit.publish(store, new)

    def try_descriptor(self) -> StreamDescriptor | None:
        """See :meth:`NamedStream.try_descriptor`; the first use indexes the video."""
        if self._path is not None and not self._ingested:
            return self.ingest()
        return super().try_descriptor()

    def column_type(self) -> ColumnType:
        """See :meth:`StoredStream.column_type`; known without looking at a file."""
        return ColumnType.Video if self._path is not None else super().column_type()

    def fingerprint(self) -> str:
        """What identifies the stored rows; that of the file, if in place."""
        found = self.descriptor()
        return found.fingerprint if found.inplace else super().fingerprint()

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


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)
