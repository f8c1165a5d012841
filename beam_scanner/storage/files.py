"""Streams in which each element is a file of its own.

As an output, rows are written beside their files under hidden names and renamed when
all of them are there. While that goes on a hidden *mark* lies beside the first file,
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
from beam_scanner.storage.backend import StorageBackend, StoredStream
from beam_scanner.storage.base import Record, SegmentWriter, check_next
from beam_scanner.storage.commit import tiled
from beam_scanner.storage.outside import (
    NumberedReader,
    absolute,
    combined_digest,
    content_digest,
)
from beam_scanner.storage.store import storage_errors
from beam_scanner.types import NullElement, ScannerTypeInfo
from beam_scanner.video.encoding import Encoding

_PART = ".part"


class FilesStorage(StorageBackend):
    """Files of this machine, or of a file system that all workers see.

    Args:
        storage_type: Must be 'posix'.
        bucket: Must be None, as the others: of Scanner's cloud storage.
        region: Must be None.
        endpoint: Must be None.

    Raises:
        ArgumentError: Another storage was asked for.

    Example:
        >>> FilesStorage('gcs', bucket='frames')
        Traceback (most recent call last):
        ...
        beam_scanner.errors.ArgumentError: FilesStorage has storage_type 'posix' only ...
    """

    def __init__(
        self,
        storage_type: str = "posix",
        bucket: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        if storage_type != "posix" or bucket or region or endpoint:
            raise ArgumentError(
                f"FilesStorage has storage_type 'posix' only (folders, mounted buckets "
                f"among them), got {storage_type!r}"
                + (f" and bucket {bucket!r}" if bucket else "")
            )

    def sink(self, sc: Any, op: Any, streams: Sequence[StoredStream]) -> Any:
        """See :meth:`StorageBackend.sink`.

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
        """See :meth:`StorageBackend.delete`."""
        for stream in streams:
            stream.delete(sc)


class FilesStream(StoredStream):
    """A stream whose row ``i`` is the content of file ``i``.

    As an output it needs a path for each row, takes bytes and no nulls, and replaces
    files that are there once all rows are written.

    Args:
        paths: The files.
        storage: Only for Scanner's programs.

    Attributes:
        paths: The files, absolute.

    Raises:
        ArgumentError: No list of paths.

    Example:
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
        self.paths = tuple(absolute(path, "a path of a FilesStream") for path in paths)
        self._storage = storage or FilesStorage()

    def name(self) -> str:
        """The only path, or the first, how many there are and a digest of all."""
        if len(self.paths) == 1:
            return self.paths[0]
        first = self.paths[0] if self.paths else ""
        return f"{first}[{len(self.paths)} files, {self._digest()}]"

    def _digest(self) -> str:
        return combined_digest(*self.paths)[:12]

    def storage(self) -> FilesStorage:
        """See :meth:`StoredStream.storage`."""
        return self._storage

    def exists(self) -> bool:
        """Whether any of the files is there."""
        return any(os.path.isfile(path) for path in self.paths)

    def committed(self) -> bool:
        """Whether all files are there, and no run has stopped while replacing them."""
        there = all(os.path.isfile(path) for path in self.paths)
        return there and not (self.paths and os.path.exists(self._mark()))

    def len(self) -> int:
        """The number of files."""
        return len(self.paths)

    def fingerprint(self) -> str:
        """Changes with the content of any file (of pieces of a large one).

        All files are read.
        """
        return combined_digest("files", *map(content_digest, self.paths))

    def load_bytes(self, rows: Sequence[int] | None = None) -> Iterator[bytes]:
        """See :meth:`StoredStream.load_bytes`."""
        for row in range(len(self.paths)) if rows is None else rows:
            path = self.paths[row]
            with storage_errors("read", path), open(path, "rb") as file:
                data = file.read()
            yield data

    def reader(self) -> FilesReader:
        """See :meth:`StoredStream.reader`."""
        return FilesReader(self)

    def delete(self, sc: Any = None) -> None:
        """Removes the files, and what interrupted runs have left beside them."""
        for path in (*self.paths, *self._parts("")):
            with storage_errors("delete", path), suppress(FileNotFoundError):
                os.unlink(path)
        if self.paths:
            with suppress(FileNotFoundError):
                os.unlink(self._mark())

    def segment_writer(
        self,
        generation: str,
        task: int,
        attempt: str,
        first_row: int,
        encoding: Encoding | None,
        type_info: ScannerTypeInfo | None,
    ) -> FilesWriter:
        """See :meth:`StoredStream.segment_writer`."""
        kind = type_info.name if type_info is not None else ""
        return FilesWriter(self, f"{generation}.{attempt}", first_row, kind)

    def publish(
        self,
        generation: str,
        segments: Sequence[Record],
        fingerprint: str,
        run: str,
        source: str,
    ) -> None:
        """See :meth:`StoredStream.publish`."""
        ordered = tiled(self.name(), segments)
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
        for part, path in zip(parts, self.paths, strict=True):
            with storage_errors("write", path):
                # Gone: renamed by a publisher that was cut short, or is as far as we.
                with suppress(FileNotFoundError):
                    os.replace(part, path)
                os.stat(path)
        with suppress(FileNotFoundError):
            os.unlink(self._mark())
        for path in self._parts(generation):
            with suppress(OSError):
                os.unlink(path)

    def _begin(self, parts: Sequence[str]) -> bool:
        """Sets the mark; False if all has been done before."""
        there = [os.path.exists(part) for part in parts]
        if not all(there):
            marked = bool(parts) and os.path.exists(self._mark())
            if not marked:
                there = [os.path.exists(part) for part in parts]
                if not any(there) and self.committed():
                    return False
                lost = parts[there.index(False)]
                raise StorageError(
                    f"cannot commit stream {self.name()!r}: {lost!r} is gone"
                )
        if parts:
            with storage_errors("write", self._mark()):
                open(self._mark(), "wb").close()
        return bool(parts)

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
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    base, _, rest = entry.name[1:].rpartition(".")[0].rpartition(".")
                    base, _, its = base.rpartition(".")
                    if (
                        entry.name.startswith(".")
                        and entry.name.endswith(_PART)
                        and rest
                        and base in bases
                        and generation in ("", its)
                    ):
                        yield entry.path


def part_path(path: str, part: str) -> str:
    """Where a row waits that is to become a file.

    Args:
        path: The file.
        part: '<generation>.<attempt>', of letters, digits, '-' and '_'.

    Example:
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
        self._bytes_read = 0

    def read(self, rows: Sequence[int], cursor: int = 0) -> list[Any]:
        """See :meth:`RowReader.read`."""
        elements = list(self._stream.load_bytes(self.checked(rows)))
        self._bytes_read += sum(map(len, elements))
        return elements

    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""
        return {**super().counters(), "bytes_read": self._bytes_read}


class FilesWriter(SegmentWriter):
    """Writes rows beside the files that they are to become.

    Args:
        stream: The stream.
        part: Tells what this writer writes from what others do.
        first_row: Number of the segment's first row.
        kind: Name of the element type.
    """

    def __init__(
        self, stream: FilesStream, part: str, first_row: int, kind: str
    ) -> None:
        self._stream = stream
        self._part = part
        self._first = self._next = first_row
        self._kind = kind
        self._bytes = 0

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See :meth:`SegmentWriter.write`.

        Raises:
            RowError: There is no path for a row, or rows are left out.
            ElementTypeError: An element is no bytes.
        """
        name, paths = self._stream.name(), self._stream.paths
        check_next(self._next, first_row, name)
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
            self._write(part_path(paths[row], self._part), element)
            self._next += 1
            self._bytes += len(element)

    def _write(self, path: str, data: bytes) -> None:
        with storage_errors("write", path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)

    def finish(self) -> Record:
        """See :meth:`SegmentWriter.finish`."""
        return {
            "first": self._first,
            "rows": self._next - self._first,
            "bytes": self._bytes,
            "files": [],
            "kind": "blob",
            "type": self._kind,
            "part": self._part,
        }

    def abort(self) -> None:
        """See :meth:`SegmentWriter.abort`."""
        for path in self._stream.paths[self._first : self._next + 1]:
            with suppress(OSError):
                os.unlink(part_path(path, self._part))
