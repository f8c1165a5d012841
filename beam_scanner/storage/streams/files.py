"""Streams in which each element is a file of its own.

As an output, rows are written beside their files under hidden names and renamed when
all of them are there. Meanwhile a hidden *mark* lies beside the first file,
so that the stream is the old one, or uncommitted, or the new one, never a mixture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    RowError,
    StorageError,
)
from beam_scanner.storage.commit import tiled
from beam_scanner.storage.stored_rows import (
    NumberedReader,
    Publication,
    Record,
    SegmentTask,
    SegmentWriter,
)
from beam_scanner.storage.streams.backend import StorageBackend, StoredStream
from beam_scanner.storage.streams.outside import combined_digest, content_digest
from beam_scanner.stores.paths import (
    absolute,
    delete_file,
    each,
    hidden_files,
    is_file,
    move_file,
    read_file,
    write_file,
)
from beam_scanner.stores.s3 import use_service
from beam_scanner.types.element_types import NullElement

_PART = ".part"
_PREFIXES = {"posix": "", "gcs": "gs://{}/", "s3": "s3://{}/"}


class FilesStorage(StorageBackend):
    """Files of a file system that all workers see, or of an object store.

    Args:
        storage_type: 'posix'; or 'gcs' or 's3', for paths within a bucket. (A
            ``FilesStream`` takes URLs, too.)
        bucket: Its name.
        region: Of S3; None for that of the environment, which workers elsewhere need
            in any case, as the endpoint.
        endpoint: Of S3, or of a service like it; None likewise. That of Google's own
            service may be given for 'gcs'.

    Raises:
        ArgumentError: The kind of storage is unknown, or the environment names
            another region or endpoint.

    Examples:
        >>> FilesStream(['tv/a.png'], FilesStorage('gcs', bucket='frames')).paths
        ('gs://frames/tv/a.png',)
    """

    def __init__(
        self,
        storage_type: str = "posix",
        bucket: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        if storage_type not in _PREFIXES:
            raise ArgumentError(
                f"storage_type of a FilesStorage must be one of "
                f"{', '.join(map(repr, _PREFIXES))}, got {storage_type!r}"
            )
        if (bucket is None) is not (storage_type == "posix"):
            raise ArgumentError(
                f"FilesStorage({storage_type!r}) "
                + ("needs a bucket" if bucket is None else "has no bucket")
            )
        if storage_type == "s3":
            use_service("a FilesStorage", region=region, endpoint=endpoint)
        elif endpoint and not (storage_type == "gcs" and "googleapis.com" in endpoint):
            raise ArgumentError(
                f"FilesStorage({storage_type!r}) has no endpoint, got {endpoint!r}; an "
                "emulator is that of the environment variable STORAGE_EMULATOR_HOST"
            )
        self._prefix = _PREFIXES[storage_type].format(bucket)

    def place(self, path: Any) -> str:
        """Where a path of a stream leads: absolute, or a URL.

        Raises:
            ArgumentError: It is not a path.
        """
        text = os.fspath(path) if isinstance(path, os.PathLike) else path
        if self._prefix and isinstance(text, str) and text and "://" not in text:
            text = self._prefix + text.lstrip("/")
        return absolute(text, "a path of a FilesStream")

    def sink(self, sc: Any, op: Any, streams: Sequence[StoredStream]) -> Any:
        """See ``StorageBackend.sink``.

        Raises:
            ElementTypeError: The column holds frames.
            ArgumentError: Two rows would be written to one file.
        """
        super().sink(sc, op, streams)
        if op is not None and op.type is None:
            raise ElementTypeError(
                f"a FilesStream holds bytes, but the column of {op.node.label} holds "
                "frames: encode them, as with sc.ops.ImageEncoder(frame=...)"
            )
        seen: set[str] = set()
        for stream in streams:
            for path in stream.paths if isinstance(stream, FilesStream) else ():
                if path in seen:
                    raise ArgumentError(f"two rows would be written to file {path!r}")
                seen.add(path)

    def delete(self, sc: Any, streams: Sequence[StoredStream]) -> None:
        """See ``StorageBackend.delete``."""
        for stream in streams:
            stream.delete(sc)


class FilesStream(StoredStream):
    """A stream whose row ``i`` is the content of file ``i``.

    As an output it needs a path for each row, takes bytes and no nulls, and replaces
    files that are there once all rows are written.

    Args:
        paths: The files, or their ``gs://`` or ``s3://`` URLs.
        storage: Where paths lead.

    Attributes:
        paths: The files, absolute, and URLs.

    Raises:
        ArgumentError: No list of paths.

    Examples:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.txt')
        >>> with open(path, 'w') as file:
        ...     _ = file.write('abc')
        >>> list(FilesStream([path]).load())
        [b'abc']
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        storage: FilesStorage | None = None,
    ) -> None:
        if not isinstance(paths, (list, tuple)):
            raise ArgumentError(
                f"paths of a FilesStream must be a list of paths, got {paths!r}"
            )
        self._storage = storage or FilesStorage()
        self.paths = tuple(map(self._storage.place, paths))

    def name(self) -> str:
        """The only path, or the first, how many there are and a digest of all."""
        if len(self.paths) == 1:
            return self.paths[0]
        first = self.paths[0] if self.paths else ""
        return f"{first}[{len(self.paths)} files, {self._digest()}]"

    def _digest(self) -> str:
        return combined_digest(*self.paths)[:12]

    def storage(self) -> FilesStorage:
        """See ``StoredStream.storage``."""
        return self._storage

    def places(self) -> Sequence[str]:
        """See ``StoredStream.places``."""
        return sorted({os.path.dirname(path) for path in self.paths})

    def exists(self) -> bool:
        """Whether any of the files is there."""
        return any(is_file(path) for path in self.paths)

    def committed(self) -> bool:
        """Whether all files are there, and no run has stopped while replacing them."""
        there = all(each(is_file, self.paths))
        return there and not (self.paths and is_file(self._mark()))

    def len(self) -> int:
        """The number of files."""
        return len(self.paths)

    def fingerprint(self) -> str:
        """Changes with the content of any file (of a large one with pieces and dates).

        All files are read.
        """
        return combined_digest("files", *each(content_digest, self.paths))

    def load_bytes(self, rows: Sequence[int] | None = None) -> Iterator[bytes]:
        """See ``StoredStream.load_bytes``."""
        for row in range(len(self.paths)) if rows is None else rows:
            yield read_file(self.paths[row])

    def reader(self) -> FilesReader:
        """See ``StoredStream.reader``."""
        return FilesReader(self)

    def delete(self, sc: Any = None) -> None:
        """Removes the files, and what interrupted runs have left beside them."""
        each(delete_file, [*self.paths, *self._parts("")])
        if self.paths:
            delete_file(self._mark())

    def segment_writer(self, segment: SegmentTask) -> FilesWriter:
        """See ``StoredStream.segment_writer``."""
        return FilesWriter(self, segment)

    def publish(self, publication: Publication) -> None:
        """See ``StoredStream.publish``."""
        ordered = tiled(self.name(), publication.segments)
        rows = sum(int(record["rows"]) for record in ordered)
        if rows != len(self.paths):
            raise ArgumentError(
                f"stream {self.name()!r} has {len(self.paths)} paths, but {rows} rows "
                "are to be written: give a path for each row"
            )
        parts = [
            part_path(self.paths[int(record["first"]) + i], record["part"])
            for record in ordered
            for i in range(int(record["rows"]))
        ]
        if not self._begin(parts):
            return
        # Those that are gone were moved by a publisher that was cut short, or is as far
        # as we are.
        each(move_file, parts, self.paths)
        there = each(is_file, self.paths)
        if not all(there):
            raise self._gone(self.paths[there.index(False)])
        delete_file(self._mark())
        with suppress(StorageError):
            each(delete_file, list(self._parts(publication.generation)))

    def _begin(self, parts: Sequence[str]) -> bool:
        """Sets the mark; False if all has been done before."""
        there = each(is_file, parts)
        if not all(there):
            marked = bool(parts) and is_file(self._mark())
            if not marked:
                there = each(is_file, parts)
                if not any(there) and self.committed():
                    return False
                raise self._gone(parts[there.index(False)])
        if parts:
            write_file(self._mark(), b"")
        return bool(parts)

    def _gone(self, lost: str) -> StorageError:
        return StorageError(f"cannot commit stream {self.name()!r}: {lost!r} is gone")

    def _mark(self) -> str:
        """The file that is there while files are replaced."""
        folder, base = os.path.split(self.paths[0])
        return os.path.join(folder, f".{base}.{self._digest()}.incomplete")

    def _parts(self, generation: str) -> Iterator[str]:
        """Rows that wait to be renamed, of one generation or of all."""
        names: dict[str, set[str]] = {}
        for path in self.paths:
            folder, base = os.path.split(path)
            names.setdefault(folder, set()).add(base)
        for folder, bases in names.items():
            for path in hidden_files(folder):
                stem, _, kind = os.path.basename(path)[1:].rpartition(".")
                stem, _, attempt = stem.rpartition(".")
                base, _, its = stem.rpartition(".")
                part = f".{kind}" == _PART and attempt and base in bases
                if part and generation in ("", its):
                    yield path


def part_path(path: str, part: str) -> str:
    """Where a row waits that is to become a file.

    Args:
        path: The file.
        part: '<generation>.<attempt>', of letters, digits, '-' and '_'.

    Examples:
        >>> part_path('/data/a.png', 'g1.x')
        '/data/.a.png.g1.x.part'
    """
    folder, base = os.path.split(path)
    return os.path.join(folder, f".{base}.{part}{_PART}")


class FilesReader(NumberedReader):
    """Reads files by number.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: FilesStream) -> None:
        super().__init__(stream.name(), stream.len())
        self._stream = stream

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See ``RowReader.read``."""
        elements = list(self._stream.load_bytes(self.checked(rows).tolist()))
        self._counts["bytes_read"] += sum(map(len, elements))
        return elements


class FilesWriter(SegmentWriter):
    """Writes rows beside the files that they are to become.

    Args:
        stream: The stream.
        segment: The segment to write.
    """

    def __init__(self, stream: FilesStream, segment: SegmentTask) -> None:
        super().__init__(stream.name(), segment.first_row, segment.type_name)
        self._paths = stream.paths
        # Distinguishes the files of this writer from those of others.
        self._part = f"{segment.generation}.{segment.attempt}"
        self._bytes = 0

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See ``SegmentWriter.write``.

        Raises:
            RowError: A row has no path, or rows are left out.
            ElementTypeError: An element is not bytes.
        """
        name, paths = self._stream, self._paths
        self._check_next(first_row)
        for row, element in enumerate(elements, first_row):
            if row >= len(paths):
                raise RowError(
                    f"row {row} of stream {name!r} has no file: it has {len(paths)} "
                    "paths, and needs one for each row"
                )
            if not isinstance(element, bytes):
                what = "null" if isinstance(element, NullElement) else type(element)
                raise ElementTypeError(
                    f"row {row} of stream {name!r} is {what}: a file holds bytes"
                )
        self._next += len(elements)
        parts = [part_path(path, self._part) for path in paths[first_row : self._next]]
        each(write_file, parts, elements)
        self._bytes += sum(map(len, elements))

    def finish(self) -> Record:
        """See ``SegmentWriter.finish``."""
        return {**self._record(), "bytes": self._bytes, "part": self._part}

    def abort(self) -> None:
        """See ``SegmentWriter.abort``."""
        for path in self._paths[self._first : self._next]:
            with suppress(StorageError):
                delete_file(part_path(path, self._part))
