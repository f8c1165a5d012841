"""Descriptors: the one small file that makes a stream exist.

A stream is committed if, and only if, its descriptor is there. It is written last
and replaced atomically, and says which files make up the stream.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError, StorageError, StreamNotFoundError
from beam_scanner.storage.sealed_files import is_sealed, seal, unseal
from beam_scanner.storage.stored_rows import Record
from beam_scanner.storage.stream_names import (
    DESCRIPTOR,
    MARKER,
    SEGMENTS,
    WORK,
    descriptor_key,
    generation_key,
    is_generation,
    stream_key,
)
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.stores.object_urls import folders_of

FORMAT_VERSION = 2
_READ = (1, 2)
"""Version 1 has no checksums; streams of it are read as they are."""


@dataclass(frozen=True)
class StreamDescriptor:
    """All that a database says about one committed stream.

    Attributes:
        name: The stream's name.
        kind: ``'blob'`` or ``'video'``.
        type_name: Name of the element type; ``''`` if no row was ever written. As in
            ``Any[list[float]]`` for values that a kernel gave as ``Any``, and that have
            one type.
        rows: How many rows.
        generation: Names the folder of the segment files.
        segments: One record for each segment, in row order.
        fingerprint: Of the graph, arguments and inputs; of the file, if in place.
        run: Which run published it.
        source: Fingerprint of the source.
        previous: The generation that this one replaced.
        published: When, in UTC: as in ``2031-05-01T12:30:00+00:00``; '' if unknown.
        path: The video file, for one that is read where it lies.
        width: In pixels; 0 where frames have no one size.
        height: In pixels; 0 where frames have no one size.
        copy: The video file's name in the generation's folder, for one that was
            copied into the database.
        copied_from: The path that such a file was copied from.
        verified: Whether every frame of a video file was decoded once.
        lost: How many rows of a salvaged video file cannot be decoded; they are null.
        format_version: Of the database.

    Examples:
        >>> stream = StreamDescriptor('a', 'blob', 'Bytes', 0, 'g1')
        >>> StreamDescriptor.from_json(stream.to_json()) == stream
        True
    """

    name: str
    kind: str
    type_name: str
    rows: int
    generation: str
    segments: tuple[Record, ...] = ()
    fingerprint: str = ""
    run: str = ""
    source: str = ""
    previous: str = ""
    published: str = ""
    path: str | None = None
    width: int = 0
    height: int = 0
    copy: str | None = None
    copied_from: str = ""
    verified: bool = False
    lost: int = 0
    format_version: int = FORMAT_VERSION

    @property
    def element_type(self) -> str:
        """Name of the type that graphs see: ``Any`` where values turned out to have one."""
        return "Any" if self.type_name.startswith("Any[") else self.type_name

    @property
    def inplace(self) -> bool:
        """Whether the rows are those of a video file outside the database."""
        return self.path is not None

    @property
    def ingested(self) -> bool:
        """Whether the rows are those of a video file, in place or copied."""
        return self.path is not None or self.copy is not None

    @property
    def size_bytes(self) -> int:
        """Size of all segment files together."""
        return sum(int(record.get("bytes", 0)) for record in self.segments)

    @property
    def value_bytes(self) -> int:
        """Bytes of an average serialized element; 0 for video."""
        total = sum(int(record.get("value_bytes", 0)) for record in self.segments)
        return total // max(1, self.rows)

    def file_keys(self) -> Iterator[str]:
        """Yields the keys of all segment files, in row order."""
        return self.files_in(stream_key(self.name))

    def files_in(self, folder: str) -> Iterator[str]:
        """Yields the same keys for a stream that lies in another folder."""
        for record in self.segments:
            for file in record.get("files", ()):
                yield f"{folder}/{self.generation}{SEGMENTS}/{file}"

    def starts(self) -> NDArray[np.int64]:
        """int64[segments + 1]: first row of each segment, then the row count."""
        firsts = [int(record["first"]) for record in self.segments]
        return np.array([*firsts, self.rows], dtype=np.int64)

    def to_json(self) -> bytes:
        """The descriptor as it is stored, with a checksum at its end."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return seal(values, indent=1)

    @classmethod
    def from_json(cls, data: bytes) -> StreamDescriptor:
        """Reads what ``to_json`` wrote, and what older releases wrote.

        Raises:
            StorageError: Another format version, or no descriptor at all.
        """
        values = _unsealed(data, "stream")
        version, what = values.get("format_version"), f"stream {values.get('name')!r}"
        check_version(version, what)
        if is_sealed(data) != (version != 1):
            raise StorageError(f"damaged descriptor of {what}: its checksum is gone")
        try:
            values["segments"] = tuple(values["segments"])
            found = cls(**values)
            _check_fields(found)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StorageError(f"damaged descriptor of {what}: {error}") from error
        return found


_WHOLE_NUMBERS = ("first", "rows", "bytes", "nulls", "frame_bytes", "value_bytes")


def _check_fields(found: StreamDescriptor) -> None:
    """Refuses what no writer writes: format version 1 has no checksum.

    Raises:
        TypeError: A field has another type.
        ValueError: A number is impossible, or rows are missing.
        KeyError: A segment's record lacks a field.
    """
    for field in fields(found):
        value, default = getattr(found, field.name), field.default
        kind = {"rows": int, "segments": tuple, "path": str, "copy": str}.get(
            field.name, str if default is MISSING else type(default)
        )
        if type(value) is not kind and not (value is None and default is None):
            raise TypeError(f"{field.name} is {value!r}")
    if found.kind not in ("blob", "video"):
        raise ValueError(f"kind is {found.kind!r}")
    # They become names of files.
    generation_key(found.name, found.generation)
    if found.previous:
        generation_key(found.name, found.previous)
    if found.copy is not None:
        _check_file(found.copy)
    expected = 0
    for record in found.segments:
        for name in _WHOLE_NUMBERS:
            number = record.get(name, 0)
            if type(number) is not int or number < 0:
                raise ValueError(f"{name} of a segment is {number!r}")
        if record["first"] != expected:
            raise ValueError(f"rows from {expected} on are missing")
        expected += record["rows"]
        _check_record(record)
    if expected != found.rows:
        raise ValueError(f"{found.rows} rows, but segments of {expected}")


def _check_record(record: Record) -> None:
    parts = record.get("parts", [])
    files = [*record.get("files", []), *(part["file"] for part in parts)]
    files += [record[name] for name in ("sidecar", "exact") if name in record]
    for file in files:
        _check_file(file)
    if not isinstance(record.get("sums", {}), dict | None):
        raise TypeError(f"sums of a segment are {record['sums']!r}")
    for part in parts:
        numbers = [part["frames"], *part["entries"], *part["entry_bytes"]]
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError(f"numbers of {part['file']!r} are impossible")


def _check_file(file: object) -> None:
    if not isinstance(file, str) or not file or "/" in file or file in (".", ".."):
        raise ValueError(f"{file!r} cannot be the name of a file")


def check_version(version: object, what: str) -> None:
    """Refuses a format version that this release does not read.

    Raises:
        StorageError: Names the versions.
    """
    if type(version) is not int or version not in _READ:
        raise StorageError(
            f"{what} has database format version {version!r}, but this beam_scanner "
            f"reads version {' and '.join(map(str, _READ))}: use the release that wrote "
            "it, or another database folder"
        )


def _unsealed(data: bytes, what: str) -> dict[str, Any]:
    """The object in a file; what a later release wrote is refused as such.

    Raises:
        StorageError: It is damaged, or of another version.
    """
    try:
        return unseal(data, required=False)
    except StorageError:
        with suppress(ValueError, RecursionError):
            values = json.loads(data)
            version = values.get("format_version") if isinstance(values, dict) else None
            if type(version) is int and version > FORMAT_VERSION:
                check_version(version, what)
        raise


def check_database(store: ObjectStore, create: bool = False) -> object:
    """Checks the marker at the root of a database.

    Args:
        store: The database's store.
        create: Write the marker if there is none.

    Returns:
        The format version; None where there is no marker.

    Raises:
        StorageError: The database has another format version.
    """
    data = store.try_read(MARKER)
    if data is None and create:
        if store.put_if_absent(MARKER, seal(_marker())):
            return FORMAT_VERSION
        data = store.read(MARKER)
    if data is None:
        return None
    version = _version(store, data)
    check_version(version, f"database {store.url!r}")
    return version


def begin_writing(store: ObjectStore) -> None:
    """Sets the marker to the format version that will be written.

    Older releases then refuse the database, in which they could read only some
    streams. Streams that are there stay as they are.

    Raises:
        StorageError: The database has another format version.
    """
    if check_database(store, create=True) != FORMAT_VERSION:
        store.put(MARKER, seal(_marker()))


def _marker() -> dict[str, Any]:
    return {"format": "beam_scanner database", "format_version": FORMAT_VERSION}


def _version(store: ObjectStore, data: bytes) -> object:
    try:
        version = _unsealed(data, f"database {store.url!r}")["format_version"]
        if version in _READ and is_sealed(data) == (version == 1):
            raise StorageError("damaged: its checksum is gone")
    except (StorageError, KeyError) as error:
        raise StorageError(
            f"{store.describe(MARKER)!r} is not the marker of a beam_scanner database: "
            f"{error}"
        ) from error
    return version


def read_descriptor(store: ObjectStore, name: str) -> StreamDescriptor | None:
    """The descriptor of a stream; None if it is not committed.

    Raises:
        StorageError: It cannot be read, or is that of another stream whose name
            this file system takes for the same.
    """
    data = store.try_read(descriptor_key(name))
    return None if data is None else parse_descriptor(store, name, data)


def parse_descriptor(store: ObjectStore, name: str, data: bytes) -> StreamDescriptor:
    """Reads a descriptor's bytes; see ``read_descriptor``."""
    found = parse_at(store, descriptor_key(name), data)
    if found.name != name:
        raise StorageError(
            f"the folder of stream {name!r} holds stream {found.name!r}: it was moved or "
            "copied to here, or the names are the same folder on this file "
            f"system: {store.describe(descriptor_key(name))!r}"
        )
    return found


def parse_at(store: ObjectStore, key: str, data: bytes) -> StreamDescriptor:
    """Reads the descriptor that lies under a key.

    Raises:
        StorageError: It is damaged, or of another version; names the file.
    """
    try:
        return StreamDescriptor.from_json(data)
    except StorageError as error:
        raise StorageError(f"{store.describe(key)!r}: {error}") from error


def require_descriptor(store: ObjectStore, name: str) -> StreamDescriptor:
    """The descriptor of a stream.

    Raises:
        StreamNotFoundError: The stream is not committed.
    """
    found = read_descriptor(store, name)
    if found is None:
        raise StreamNotFoundError(
            f"stream {name!r} does not exist or is not committed in {store.url!r}"
        )
    return found


def own_keys(store: ObjectStore, skip: Callable[[str], bool]) -> list[str]:
    """The keys of a database, without those of databases in its folders.

    Args:
        store: The database's store.
        skip: See ``ObjectStore.list``.
    """
    # In a bucket, asking for each folder costs a request; the listing shows them all.
    is_local = store.is_local

    def leave_out(folder: str) -> bool:
        return skip(folder) or (is_local and store.exists(f"{folder}{MARKER}"))

    keys = list(store.list("", leave_out))
    others = {key.removesuffix(MARKER) for key in keys if key.endswith(f"/{MARKER}")}
    if not others:
        return keys
    return [key for key in keys if others.isdisjoint(folders_of(key))]


def stream_keys(store: ObjectStore) -> list[str]:
    """The keys of a database outside the folders of segments, in order."""
    return own_keys(store, lambda f: f == WORK or is_generation(f))


def list_descriptors(store: ObjectStore) -> Iterator[StreamDescriptor]:
    """Yields the descriptors of all committed streams, in order of their keys.

    One that lies elsewhere than its name says was moved or copied there: nothing finds
    it under its name, so it is left out.
    """
    for key in stream_keys(store):
        if key.endswith(f"/{DESCRIPTOR}"):
            data = store.try_read(key)
            if data is not None:
                found = parse_at(store, key, data)
                if is_in_place(found, key.removesuffix(f"/{DESCRIPTOR}")):
                    yield found


def is_in_place(stream: StreamDescriptor, folder: str) -> bool:
    """Whether a stream lies where its name says."""
    # Some file systems give names back in another form of Unicode.
    here, named = (unicodedata.normalize("NFC", k) for k in (folder, _key_of(stream)))
    return here == named


def _key_of(stream: StreamDescriptor) -> str:
    try:
        return stream_key(stream.name)
    except ArgumentError:
        return ""
