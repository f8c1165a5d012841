"""Named streams: what graphs read and write by default.

A database is a folder; a named stream is a folder in it, with a descriptor
``stream.json`` and, below ``<generation>.segments/``, Parquet files that any tool
opens. Names may hold '/', spaces and any letters.
"""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    ScannerException,
    StreamNotFoundError,
)
from beam_scanner.rows.gops import load_rows
from beam_scanner.rows.row_numbers import row_numbers
from beam_scanner.storage import commit, garbage
from beam_scanner.storage.descriptor import (
    StreamDescriptor,
    check_database,
    list_descriptors,
    parse_descriptor,
    require_descriptor,
)
from beam_scanner.storage.segments.inferred_writer import (
    FOUND,
    InferringWriter,
    inferred_text,
)
from beam_scanner.storage.segments.parquet_writer import BlobSegmentWriter
from beam_scanner.storage.segments.stream_reader import StreamReader
from beam_scanner.storage.settle_type import pickled_text, pickled_why, settled_once
from beam_scanner.storage.stored_rows import (
    Publication,
    Record,
    RowReader,
    SegmentTask,
    SegmentWriter,
)
from beam_scanner.storage.stream_names import descriptor_key, stream_key
from beam_scanner.storage.streams.backend import StorageBackend, StoredStream, converter
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.stores.open import open_store
from beam_scanner.types.codecs.structured import StructuredCodec
from beam_scanner.types.element_types import ColumnType, FrameType, NullElement
from beam_scanner.types.type_info import (
    ScannerTypeInfo,
    get_type_info,
    get_type_info_cpp,
)
from beam_scanner.video.encoding import Encoding


class NamedStorage(StorageBackend):
    """A database of named streams.

    Args:
        storage_config: The database: a folder, a ``file://`` URL or an
            ``ObjectStore``. None: streams take that of their client.
        trusted: False: nothing that the database holds is ever unpickled, here or on
            workers, since that would run whatever code it names. Pickles are the
            elements of streams typed ``typing.Any``; all other types are read.

    Examples:
        >>> import tempfile
        >>> storage = NamedStorage(tempfile.mkdtemp())
        >>> NamedStream(storage, 'faces').committed()
        False
    """

    def __init__(
        self,
        storage_config: str | os.PathLike[str] | ObjectStore | None = None,
        trusted: bool = True,
    ) -> None:
        self.trusted = trusted
        if storage_config is None or isinstance(storage_config, ObjectStore):
            self._store = storage_config
        else:
            self._store = open_store(storage_config)
        self._checked = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._store!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedStorage) and other._store == self._store

    def __hash__(self) -> int:
        return hash(self._store)

    @property
    def bound(self) -> bool:
        """Whether it knows its database."""
        return self._store is not None

    @property
    def db_path(self) -> str:
        """The database's folder or URL."""
        return self.raw_store().url

    def raw_store(self) -> ObjectStore:
        """The object store, without a look at the format version.

        Raises:
            ArgumentError: No database was given.
        """
        if self._store is None:
            raise ArgumentError(
                "NamedStorage() has no database: pass a folder, or use it with a client"
            )
        return self._store

    def store(self, create: bool = False) -> ObjectStore:
        """The object store of the database.

        Args:
            create: Make the database if there is none.

        Raises:
            StorageError: The database has another format version.
        """
        store = self.raw_store()
        if create or not self._checked:
            check_database(store, create=create)
            self._checked = True
        return store

    def delete(self, sc: Any, streams: Sequence[StoredStream]) -> None:
        """Removes streams; does nothing for those that do not exist."""
        for stream in streams:
            stream.delete(sc)


def client_storage(sc: Any, storage: NamedStorage | None) -> NamedStorage:
    """The storage that a stream is to use.

    Args:
        sc: A client (anything with ``named_storage``), a ``NamedStorage``, or None.
        storage: Preferred, if it knows its database.

    Raises:
        ArgumentError: Neither leads to a database.
    """
    if storage is not None and not isinstance(storage, NamedStorage):
        raise ArgumentError(f"expected a NamedStorage, got {type(storage).__name__}")
    if storage is not None and storage.bound:
        return storage
    found = sc if isinstance(sc, NamedStorage) else getattr(sc, "named_storage", None)
    if not isinstance(found, NamedStorage) or not found.bound:
        raise ArgumentError(
            f"expected a client, or a storage with a database, got {sc!r} and {storage!r}"
        )
    return found


class NamedStream(StoredStream):
    """A stream of elements in a database.

    Args:
        sc: The client (its ``named_storage`` is used), or a ``NamedStorage``. It is
            not kept.
        name: Any text; '/' makes folders.
        storage: A database other than the client's.

    Raises:
        ArgumentError: The name is impossible.

    Examples:
        >>> import tempfile
        >>> stream = NamedStream(NamedStorage(tempfile.mkdtemp()), 'words')
        >>> stream.save([b'to', b'be'])
        >>> stream.len(), list(stream.load(rows=[1, 0, 0]))
        (2, [b'be', b'to', b'to'])
    """

    _kind = "blob"

    def __init__(self, sc: Any, name: str, storage: NamedStorage | None = None) -> None:
        stream_key(name)
        self._name = name
        self._storage = client_storage(sc, storage)
        self._cached: tuple[bytes, StreamDescriptor] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cached": None}

    def name(self) -> str:
        """See ``StoredStream.name``."""
        return self._name

    def storage(self) -> NamedStorage:
        """See ``StoredStream.storage``."""
        return self._storage

    def places(self) -> Sequence[str]:
        """See ``StoredStream.places``: the database, and a file that it names."""
        known = self._cached[1].path if self._cached is not None else None
        return [self._storage.raw_store().url, *([] if known is None else [known])]

    def try_descriptor(self) -> StreamDescriptor | None:
        """The descriptor as it is stored now; None if not committed."""
        data = self._storage.store().try_read(descriptor_key(self._name))
        if data is None:
            self._cached = None
        elif self._cached is None or self._cached[0] != data:
            parsed = parse_descriptor(self._storage.raw_store(), self._name, data)
            self._cached = (data, parsed)
        return self._cached[1] if self._cached is not None else None

    def descriptor(self) -> StreamDescriptor:
        """The descriptor as it is stored now.

        Raises:
            StreamNotFoundError: The stream is not committed.
        """
        found = self.try_descriptor()
        if found is None:
            return require_descriptor(self._storage.store(), self._name)
        return found

    def exists(self) -> bool:
        """The same as ``committed``: nothing unfinished is ever visible."""
        return self.committed()

    def committed(self) -> bool:
        """See ``StoredStream.committed``: all that its descriptor lists is there.

        Sizes of files are looked at, their content is not.
        """
        found = self.try_descriptor()
        return found is not None and self.is_whole(found)

    def is_whole(self, found: StreamDescriptor) -> bool:
        """Whether all files of a descriptor of this stream are there."""
        return not self.missing_files(found)

    def missing_files(self, found: StreamDescriptor) -> list[str]:
        """The files of a descriptor of this stream that are not there, or cut off."""
        store = self._storage.store()
        return [store.describe(key) for key in commit.missing_files(store, found)]

    def len(self) -> int:
        """The number of rows.

        Raises:
            StreamNotFoundError: The stream is not committed.
        """
        return self.descriptor().rows

    def type(self) -> ScannerTypeInfo | None:
        """The stored element type; None if nothing is stored.

        Raises:
            ElementTypeError: It is not registered in this process.
        """
        found = self.try_descriptor()
        if found is not None and found.kind == "video":
            return get_type_info(FrameType)
        if found is None or not found.type_name:
            return None
        return get_type_info_cpp(found.element_type, load=self._storage.trusted)

    def column_type(self) -> ColumnType:
        """See ``StoredStream.column_type``."""
        found = self.try_descriptor()
        kind = self._kind if found is None else found.kind
        return ColumnType.Video if kind == "video" else ColumnType.Blob

    def fingerprint(self) -> str:
        """What identifies the stored rows; changes whenever they may have."""
        found = self.descriptor()
        return f"{found.fingerprint}:{found.generation}"

    def estimate_size(self) -> int:
        """About how many bytes an element takes in memory."""
        found = self.descriptor()
        if found.kind == "video":
            with self.reader() as reader:
                return reader.frame_bytes
        return found.value_bytes

    def files(self, suffix: str = "") -> list[str]:
        """The files that hold the rows, in row order: exactly these, no others.

        Args:
            suffix: Only those, as in ``'.parquet'``.

        Raises:
            StreamNotFoundError: The stream is not committed.
        """
        found = self.descriptor()
        if found.path is not None:
            files = [found.path]
        else:
            files = [self._storage.store().describe(k) for k in found.file_keys()]
        return [file for file in files if file.endswith(suffix)]

    def delete(self, sc: Any = None) -> None:
        """Removes the stream and all its files; does nothing if it does not exist.

        Args:
            sc: Ignored.
        """
        commit.remove_stream(self._storage.raw_store(), self._name)

    def load_bytes(self, rows: Sequence[int] | None = None) -> Iterator[Any]:
        """Yields serialized elements, in any order; see ``StoredStream.load``."""
        return self.load(fn=lambda element: element, rows=rows)

    def load(
        self,
        ty: Any = None,
        fn: Callable[[Any], Any] | None = None,
        rows: Iterable[int] | None = None,
    ) -> Iterator[Any]:
        """Yields values in order, lazily; frames as uint8 H x W x 3 RGB arrays.

        Args:
            ty: Type to deserialize with, instead of the stored one.
            fn: Called with each element's bytes (or frame) instead.
            rows: Row numbers in any order, also more than once; all for None.

        Raises:
            StreamNotFoundError: At the first ``next()``: not committed.
            RowError: A row lies outside the stream.
            ElementTypeError: The stored type is not registered in this process.
            UntrustedDataError: Values of an untrusted database would be unpickled.
            StorageError: A stored file is damaged.
        """
        found = self.try_descriptor()
        if found is None:
            raise StreamNotFoundError(
                f"Tried to load from uncommitted stream {self._name!r}"
            )
        numbers = row_numbers(rows, found.rows, self._name)
        with self.reader() as reader:
            if fn is None:
                self.check_trust(ty)
            read = reader.values if ty is None and fn is None else reader.read
            convert = converter(ty, fn)
            if fn is None and self._is_nested(ty, found):
                read, convert = reader.values, self._as_type(ty, found)
            size = reader.frame_bytes or found.value_bytes
            for element in load_rows(lambda w: read(w.tolist()), numbers, size):
                yield convert(element)

    def _is_nested(self, ty: Any, found: StreamDescriptor) -> bool:
        """Whether a caller's type is one whose layout must be that of what is stored."""
        own = hasattr(ty, "deserialize") and not isinstance(ty, ScannerTypeInfo)
        if ty is None or own or isinstance(ty, ColumnType) or found.kind == "video":
            return False
        nested = isinstance(get_type_info(ty).codec, StructuredCodec)
        return nested and found.type_name not in ("", "Bytes", "Any")

    def _as_type(self, ty: Any, found: StreamDescriptor) -> Callable[[Any], Any]:
        """Makes values of a caller's type of those of another one of the same layout."""
        name = inferred_text(found.type_name) or found.type_name
        have = get_type_info_cpp(name, load=self._storage.trusted)
        wanted = get_type_info(ty)
        to_arrow, from_arrow = have.to_arrow, wanted.from_arrow
        same = wanted.arrow_type == have.arrow_type
        if not same or to_arrow is None or from_arrow is None:
            raise ElementTypeError(
                f"stream {self._name!r} holds {have.label} ({have.arrow_type}), which "
                f"cannot be read as {wanted.label} ({wanted.arrow_type})"
            )
        return lambda value: (
            value if isinstance(value, NullElement) else from_arrow(to_arrow(value))
        )

    def reader(self) -> RowReader:
        """Opens the stream for reading.

        Raises:
            StreamNotFoundError: The stream is not committed.
        """
        store = self._storage.store()
        found = self.descriptor()
        if found.ingested:
            # Loads FFmpeg.
            from beam_scanner.storage.segments.video_rows import ingested_rows

            return ingested_rows(store, found)
        return StreamReader(store, found, self._storage.trusted)

    def segment_writer(self, segment: SegmentTask) -> SegmentWriter:
        """See ``StoredStream.segment_writer``.

        Frames (``type_info`` of ``FrameType``) become video.
        """
        store = self._storage.store(create=True)
        attempt, type_info = segment.attempt, segment.type_info
        if not attempt.replace("-", "").replace("_", "").isalnum():
            raise ArgumentError(
                f"impossible attempt {attempt!r}: expected letters, digits, '-', '_'"
            )
        is_video = self._kind == "video"
        if type_info is not None:
            is_video = type_info.type is FrameType
        if is_video:
            from beam_scanner.storage.segments.video_writer import VideoSegmentWriter

            return VideoSegmentWriter(store, self._name, segment)
        if segment.infer and type_info is not None and type_info.type is Any:
            return InferringWriter(store, self._name, segment)
        return BlobSegmentWriter(store, self._name, segment)

    def has_segment(self, generation: str, record: Record) -> bool:
        """Whether all files of a finished segment are there, in full size."""
        store = self._storage.store()
        return commit.has_segment(store, self._name, generation, record)

    def publish(self, publication: Publication) -> StreamDescriptor:
        """See ``StoredStream.publish``.

        Returns:
            The stream as it is stored now.

        Raises:
            StorageError: Rows or files are missing.
            StreamReplacedError: Another writer has published it meanwhile.
            ElementTypeError: Segments differ in type; lossy ones in frame size.
            StreamExistsError: Another source of the same run took the name.
        """
        kind, type_name = self._kind, publication.type_name
        if type_name:
            kind = "video" if type_name == get_type_info(FrameType).name else "blob"
        generation, segments = publication.generation, publication.segments
        store = self._storage.store(create=True)
        if any(FOUND in each for each in segments):
            current = partial(NamedStream.try_descriptor, self)
            segments = settled_once(self, current, store, generation, segments)
        new = commit.describe_segments(self._name, kind, generation, segments)
        new = replace(
            new,
            type_name=new.type_name or type_name,
            fingerprint=publication.fingerprint,
            run=publication.run,
            source=publication.source,
        )
        return commit.publish(store, new, publication.seen)

    def discard(self, generation: str) -> None:
        """Removes what was written of a generation that will not be published."""
        commit.discard(self._storage.raw_store(), self._name, generation)

    def tidy(self, run: str) -> None:
        """Removes what the publishing of a run, cut short by a crash, has left.

        Args:
            run: The run; where the stream is of another one, nothing is done.
        """
        found = self.try_descriptor()
        if found is not None and found.run == run:
            commit.tidy(self._storage.raw_store(), found)

    def unpublish(self) -> None:
        """Makes the stream uncommitted; its segment files stay until ``gc``."""
        commit.unpublish(self._storage.raw_store(), self._name)

    def save(
        self,
        values: Iterable[Any],
        ty: Any = bytes,
        seconds: Iterable[float] | None = None,
        encoding: Encoding | None = None,
    ) -> None:
        """Stores values as this stream, in place of what it held, from one process.

        Args:
            values: Values of type ``ty``, ``NullElement`` among them.
            ty: Their type: an annotation.
            seconds: Presentation times, as many as values; unknown for None.
            encoding: How frames are to be stored.

        Raises:
            ElementTypeError: A value is not of the type.
            ScannerException: Times and values differ in number.
            StreamReplacedError: Another writer has published the stream meanwhile.
        """
        seen = commit.generation_of(NamedStream.try_descriptor(self))
        self.save_over(seen, values, get_type_info(ty), seconds, encoding)

    def save_over(
        self,
        seen: str,
        values: Iterable[Any],
        info: ScannerTypeInfo,
        seconds: Iterable[float] | None = None,
        encoding: Encoding | None = None,
    ) -> None:
        """Like ``save``, in place of a generation that was seen; '' for none."""
        generation, store = uuid.uuid4().hex, self._storage.store(create=True)
        with commit.new_generation(store, self._name, generation):
            record = self._written(generation, values, info, seconds, encoding)
            found = self.publish(
                Publication(generation, [record], type_name=info.name, seen=seen)
            )
        why = pickled_why(found)
        if why:
            warnings.warn(pickled_text("", [self._name], why), stacklevel=3)

    def _written(
        self,
        generation: str,
        values: Iterable[Any],
        info: ScannerTypeInfo,
        seconds: Iterable[float] | None,
        encoding: Encoding | None,
    ) -> Record:
        """Writes values as one segment."""
        task = SegmentTask(generation, 0, "0", 0, encoding, info, infer=True)
        writer = self.segment_writer(task)
        times = None if seconds is None else iter(seconds)
        try:
            for row, value in enumerate(values):
                time = np.nan if times is None else next(times, None)
                if time is None:
                    raise ScannerException(
                        f"stream {self._name!r}: no time for row {row}"
                    )
                element = _stored(info, value, row, self._name)
                writer.write(row, [element], np.array([time]))
            if times is not None and any(True for _ in times):
                raise ScannerException(f"stream {self._name!r}: more times than rows")
            return writer.finish()
        except BaseException:
            writer.abort()
            raise


def _stored(info: ScannerTypeInfo, value: Any, row: int, stream: str) -> Any:
    if isinstance(value, NullElement) or info.type is FrameType:
        return value
    try:
        return info.serialize(value)
    except ElementTypeError as error:
        raise ElementTypeError(f"row {row} of stream {stream!r}: {error}") from error


def list_streams(
    storage: NamedStorage | ObjectStore, prefix: str = ""
) -> Iterator[StreamDescriptor]:
    """Yields the descriptors of all committed streams, in order of their keys.

    Args:
        storage: The database.
        prefix: Only streams whose name begins so.

    Examples:
        >>> import tempfile
        >>> storage = NamedStorage(tempfile.mkdtemp())
        >>> for name in ('b', 'a/1'):
        ...     NamedStream(storage, name).save([b'x'])
        >>> [(found.name, found.rows) for found in list_streams(storage)]
        [('a/1', 1), ('b', 1)]
    """
    store = storage.store() if isinstance(storage, NamedStorage) else storage
    for found in list_descriptors(store):
        if found.name.startswith(prefix):
            yield found


def gc(
    storage: NamedStorage | ObjectStore,
    live: Callable[[], Collection[str]] = tuple,
    dry_run: bool = False,
) -> garbage.Garbage:
    """Removes files that no committed stream, no writer and no live run needs.

    Args:
        storage: The database.
        live: Gives the generations that runs are still writing, or may resume.
        dry_run: Only report the files that would be removed.
    """
    store = storage.raw_store() if isinstance(storage, NamedStorage) else storage
    return garbage.gc(store, live, dry_run)
