"""Video files become streams: here, and nowhere else.

A video is indexed once; the index lies in the database, and everything that reads the video
uses it. :func:`ensure_indexed` says whether the stored index will do.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from beam_scanner.errors import (
    StorageError,
    StreamExistsError,
    StreamReplacedError,
    VideoError,
)
from beam_scanner.storage import commit
from beam_scanner.storage.checked_files import Checksums
from beam_scanner.storage.descriptor import StreamDescriptor, read_descriptor
from beam_scanner.storage.segments.index_cache import stored_index
from beam_scanner.storage.stream_names import INDEX, generation_key
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.object_store import ObjectStore, storage_errors
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import (
    VideoSource,
    fingerprint,
    open_source,
    source_name,
)

_TRIES = 3
_NOT_STORED = "none"
"""Generation of a descriptor that is not stored."""


@dataclass(frozen=True)
class VideoFile:
    """A video file that is a stream, or is to be one.

    Attributes:
        storage: The database.
        name: The stream's name.
        path: The file's absolute path, or its URL.
        damage: What to do about rows that cannot be decoded: ``'strict'`` or
            ``'salvage'``.
    """

    storage: NamedStorage
    name: str
    path: str
    damage: str

    def is_file_of(self, current: StreamDescriptor) -> bool:
        """Whether a stored stream is this file, or a copy of it."""
        if current.path is not None:
            return current.path == self.path
        return current.copied_from == self.path


def ensure_indexed(
    video: VideoFile,
    *,
    stores: bool = True,
    force: bool = False,
    verify: bool = False,
    copy: bool = False,
    replaces: bool = False,
) -> tuple[StreamDescriptor, FrameIndex] | None:
    """Indexes a video, unless its stored index will do.

    Args:
        video: The file.
        stores: False: the database stays as it is, and what would be stored is given.
        force: Index a file that has changed since, in place of an error.
        verify: Decode every frame once, unless that was done already.
        copy: Copy the file into the database, so that the original may go.
        replaces: Take the place of any stream of that name.

    Returns:
        The stream's descriptor and index, if they are not stored; None if the stored
        index is that of the video.

    Raises:
        VideoError: The file cannot be read, has changed since it was indexed, or has
            rows that cannot be decoded (for ``'strict'``: where that is known).
        StreamExistsError: The name is that of a stream which a graph has written.
        StreamReplacedError: Others keep publishing a stream of that name.
    """
    for left in reversed(range(_TRIES)):
        current = read_descriptor(video.storage.store(), video.name)
        found = _to_index(video, current, force, verify, replaces)
        if found is None:
            return None
        source, copied = found
        index = index_video(source, verify, video.damage)
        if not stores:
            new = _of_index(video, index)
            if copied and current is not None:
                new = replace(current, verified=new.verified, lost=new.lost)
            return new, index
        try:
            _publish(video, source, index, copy if copied is None else copied, current)
            return None
        except StreamReplacedError:
            # The other writer may have stored just this index.
            if not left:
                raise
    raise AssertionError


def _to_index(
    video: VideoFile,
    current: StreamDescriptor | None,
    force: bool,
    verify: bool,
    replaces: bool,
) -> tuple[VideoSource, bool | None] | None:
    """The file to be indexed; None if its stored index will do.

    With it, whether it is the database's own copy; None for a file that is new.
    """
    store = video.storage.store()
    if current is not None and not current.ingested and not replaces:
        raise StreamExistsError(
            f"stream {video.name!r} was written by a graph and is not the video "
            f"{video.path!r}: delete() it, or choose another name"
        )
    if (
        current is None
        or replaces
        or not video.is_file_of(current)
        or not commit.is_whole(store, current)
    ):
        return video.path, None
    if _has_changed(video.path, current):
        if force:
            return video.path, None
        raise VideoError(
            f"video {video.path!r} of stream {video.name!r} has changed since it was "
            "indexed: ingest(force=True) takes the new content"
        )
    if not current.verified and (verify or video.damage == "salvage"):
        # Loads FFmpeg.
        from beam_scanner.storage.segments.video_rows import video_file

        return video_file(store, current), current.copy is not None
    if current.lost and video.damage == "strict":
        index = stored_index(store, current)
        raise VideoError(
            f"video {video.path!r} is damaged: {index.describe_lost()}; "
            "damage='salvage' takes the other rows, and nulls for these"
        )
    return None


def _has_changed(path: str, current: StreamDescriptor) -> bool:
    """Whether the file is another one now; of a copied one it may be gone."""
    try:
        return fingerprint(path) != current.fingerprint
    except (VideoError, StorageError):
        if current.copy is None:
            raise
        return False


def _publish(
    video: VideoFile,
    source: VideoSource,
    index: FrameIndex,
    copy: bool,
    current: StreamDescriptor | None,
) -> None:
    """Stores the index of a video, and publishes it in place of ``current``."""
    store = video.storage.store(create=True)
    data = index.to_bytes()
    digest = hashlib.blake2b(data, digest_size=20, person=b"copy" if copy else b"")
    # Others may publish the same and replace it: no two share their files.
    generation = f"{digest.hexdigest()}-{uuid.uuid4().hex[:12]}"
    folder = generation_key(video.name, generation)
    sums = {INDEX: Checksums.of(data)}
    with commit.new_generation(store, video.name, generation):
        if copy:
            file = f"video{_extension(video.path)}"
            key = f"{folder}/{file}"
            sums[file] = _copy_file(source, index.fingerprint, store, key)
        store.put(f"{folder}/{INDEX}", data)
        new = _of_index(video, index, generation, sums)
        commit.publish(store, new, commit.generation_of(current))


def _of_index(
    video: VideoFile,
    index: FrameIndex,
    generation: str = _NOT_STORED,
    sums: Mapping[str, Checksums] | None = None,
) -> StreamDescriptor:
    """The descriptor of a video file.

    Args:
        video: The file.
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
        name=video.name,
        kind="video",
        type_name="FrameType",
        rows=len(index),
        generation=generation,
        segments=(record,),
        fingerprint=index.fingerprint,
        source=index.fingerprint,
        path=None if copied else video.path,
        copy=copied,
        copied_from=video.path if copied else "",
        width=index.width,
        height=index.height,
        verified=index.verified,
        lost=len(index.lost_rows),
    )


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
