"""Named video streams: videos of a database, and videos read where they lie."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import (
    ArgumentError,
    Failure,
    JobFailure,
    ScannerException,
    Tally,
    VideoError,
)
from beam_scanner.rows.row_numbers import row_numbers
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.segments.index_cache import stored_index
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.video_ingest import VideoFile, ensure_indexed
from beam_scanner.stores.paths import absolute, is_file
from beam_scanner.types.element_types import ColumnType
from beam_scanner.video.index import FrameIndex, check_damage

if TYPE_CHECKING:
    from beam_scanner.video.frame_list import FrameList
    from beam_scanner.video.hwang import Decoder
    from beam_scanner.video.source import VideoSource


class NamedVideoStorage(NamedStorage):
    """A database of named streams of frames; see ``NamedStorage``."""

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


class NamedVideoStream(NamedStream):
    """A stream of frames in a database, or a video file outside it.

    With a path, the file is read where it lies. A run, or ``ingest``, indexes it
    once for all runs; a file that has changed since is an error. Before that, questions
    such as ``len`` index it for themselves, and store nothing.

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
        ArgumentError: The name is impossible, or the policy is unknown.

    Examples:
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
        """See ``StoredStream.places``; of a copy, the original may be gone."""
        if self._path is None or self._cached is not None:
            return super().places()
        return [*super().places(), self._path]

    @property
    def damage(self) -> str:
        """The policy for rows that cannot be decoded: ``'strict'`` or ``'salvage'``."""
        return self._damage

    def with_damage(self, damage: str) -> None:
        """Changes the policy, for the uses from now on.

        Raises:
            ArgumentError: The policy is unknown.
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
            force: Index a file again that has changed since.
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
        if self._path is not None:
            ensure_indexed(
                self._file(self._path),
                force=force,
                verify=verify,
                copy=copy,
                replaces=replace,
            )
            self._ingested, self._seen = True, None
        return self.descriptor()

    def preview(self, force: bool = False) -> StreamDescriptor:
        """What ``ingest`` would return; stores nothing.

        What this object is asked from then on, it answers by that.

        Args:
            force: Take a file that has changed since it was indexed.

        Raises:
            ScannerException: As ``ingest``.
        """
        if self._path is not None:
            file = self._file(self._path)
            self._seen = ensure_indexed(file, stores=False, force=force)
            self._ingested = True
        return self.descriptor()

    def _file(self, path: str) -> VideoFile:
        return VideoFile(self._storage, self._name, path, self._damage)

    def lost_rows(self) -> NDArray[np.int64]:
        """int64[k], ascending: rows of a salvaged video that cannot be decoded.

        Raises:
            StreamNotFoundError: The stream is not committed.
            VideoError: See ``ingest``.
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
        """See ``NamedStream.try_descriptor``.

        Of a video that is not indexed yet, what ingesting it would store.
        """
        if self._path is not None and not self._ingested:
            return self.preview()
        return self._seen[0] if self._seen else super().try_descriptor()

    def exists(self) -> bool:
        """Whether the file at the path, or its copy in the database, is there.

        Without a path, the same as ``committed``.
        """
        if self._path is None:
            return self.committed()
        found = super().try_descriptor()
        copied = found is not None and found.copy is not None
        return (copied and self.committed()) or is_file(self._path)

    def committed(self) -> bool:
        """Whether it stands in the database; a video, whether it is indexed there."""
        found = super().try_descriptor()
        if self._path is None or found is None:
            return found is not None
        return found.ingested and self._file(self._path).is_file_of(found)

    def delete(self, sc: Any = None) -> None:
        """See ``NamedStream.delete``; the file at the path stays."""
        super().delete(sc)
        self._ingested, self._seen = False, None

    def reader(self) -> RowReader:
        """See ``NamedStream.reader``."""
        if self.try_descriptor() is None or self._seen is None:
            return super().reader()
        # Loads FFmpeg.
        from beam_scanner.storage.segments.video_rows import ingested_rows

        return ingested_rows(self._storage.store(), *self._seen)

    def column_type(self) -> ColumnType:
        """See ``StoredStream.column_type``; known without looking at a file."""
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

    def frames(self, rows: Iterable[int] | None = None) -> FrameList:
        """Frames with their rows and times, as a list that notebooks show.

        Args:
            rows: Row numbers in any order; all for None.

        Returns:
            A list whose ``show()`` is a clip, and whose ``montage()`` is one picture.

        Raises:
            StreamNotFoundError: The stream is not committed.
            RowError: A row lies outside the stream.
        """
        from beam_scanner.video.frame_list import FrameList

        numbers = row_numbers(rows, self.descriptor().rows, self._name)
        with self.reader() as reader:
            seconds = reader.seconds(numbers)
        return FrameList(self.load(rows=numbers), numbers.tolist(), seconds, self._name)

    def as_hwang(self) -> Decoder:
        """The video file as hwang has it: its frames by row, where its samples lie.

        Returns:
            ``retrieve(rows)`` gives frames; ``video_index`` has ``keyframe_indices()``,
            ``sample_offsets()`` and ``sample_sizes()``.

        Raises:
            StreamNotFoundError: Neither a path nor a committed stream.
            VideoError: A graph has made the stream, so that it is no single file; or
                the file is no MP4 or MOV.
        """
        # Loads FFmpeg.
        from beam_scanner.storage.segments.video_rows import ingested_rows, video_file
        from beam_scanner.video.hwang import Decoder

        found = self.descriptor()
        if not found.ingested:
            raise VideoError(
                f"stream {self._name!r} was made by a graph and is no single file; "
                "save_mp4 makes one"
            )
        store, seen = self._storage.store(), self._seen and self._seen[1]
        with ingested_rows(store, found, seen) as rows:
            return Decoder(video_file(store, found), rows.index)

    def save_mp4(
        self,
        output_name: str | os.PathLike[str],
        fps: float | None = None,
        scale: tuple[int, int] | None = None,
        sound: bool | str | os.PathLike[str] | NamedVideoStream = False,
    ) -> str:
        """Writes the stream as one MP4 file.

        Without ``fps`` and ``scale`` the stored video is not encoded again, and
        frames keep their times.

        Args:
            output_name: Path of the file; '.mp4' is added if it is not there.
            fps: Frames a second.
            scale: (width, height) in pixels.
            sound: True to keep the sound of a video that was given by its path. For what
                a graph has made of it: that video, as a path or a stream. The rows must
                be one range of its rows, since the sound keeps its speed.

        Returns:
            The file's path.

        Raises:
            StreamNotFoundError: The stream is not committed.
            ArgumentError: ``fps`` with ``sound``; ``sound=True`` for what a graph has
                made.
            VideoError: Not all of it is stored as video, its rows are no range of the
                rows of the video that ``sound`` is, or that has no sound then.
            StorageError: The file cannot be written.
        """
        # Loads FFmpeg.
        from beam_scanner.storage.streams.export import save_mp4

        store = self._storage.store()
        heard = self._source_of_sound(sound)
        return save_mp4(store, self.descriptor(), output_name, fps, scale, heard)

    def _source_of_sound(
        self, sound: bool | str | os.PathLike[str] | NamedVideoStream
    ) -> VideoSource | None:
        # Loads FFmpeg.
        from beam_scanner.storage.segments.video_rows import video_file

        if sound is False:
            return None
        if not isinstance(sound, bool | NamedVideoStream):
            return absolute(sound, "sound of save_mp4")
        stream = self if sound is True else sound
        found = stream.descriptor()
        if not found.ingested:
            raise ArgumentError(
                f"stream {stream.name()!r} was made by a graph and has no sound: say "
                "which video it was made of, as in save_mp4(..., sound='film.mp4')"
            )
        return video_file(stream.storage().store(), found)
