"""Packed files: one file of many elements, as Scanner's programs write them.

Little-endian: the number of elements (uint64), the size of each (uint64), and then
their bytes, one after another.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import StorageError
from beam_scanner.storage.stored_rows import NumberedReader
from beam_scanner.storage.streams.outside import (
    FileStorage,
    FileStream,
    combined_digest,
    content_digest,
)
from beam_scanner.stores import open_file
from beam_scanner.stores.object_store import storage_errors

_NUMBER = 8


class PackedFileStorage(FileStorage):
    """Packed files, wherever they lie; they can be inputs only."""


class PackedFileStream(FileStream):
    r"""The elements of a packed file, as bytes.

    Args:
        path: The file, or its ``gs://`` or ``s3://`` URL: the number of elements and
            the size of each as little-endian uint64, then their bytes.
        storage: Only for Scanner's programs.

    Raises:
        ArgumentError: The path is not one.

    Examples:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.packed')
        >>> with open(path, 'wb') as file:
        ...     _ = file.write(np.array([2, 3, 1], '<u8').tobytes() + b'abcd')
        >>> list(PackedFileStream(path).load())
        [b'abc', b'd']
    """

    _storage_kind = PackedFileStorage

    def len(self) -> int:
        """The number of elements."""
        return len(_offsets(self._path)) - 1

    def estimate_size(self) -> int:
        """Bytes of an element, on average."""
        with open_file(self._path) as file:
            size = file.seek(0, os.SEEK_END)
        return size // max(1, self.len())

    def fingerprint(self) -> str:
        """Changes with the file's content (of a large one with its pieces and dates)."""
        return combined_digest("packed", content_digest(self._path))

    def reader(self) -> PackedFileReader:
        """See ``StoredStream.reader``.

        Raises:
            StorageError: The file is missing, or no packed file.
        """
        return PackedFileReader(self._path)


class PackedFileReader(NumberedReader):
    """Reads elements of a packed file.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self._offsets = _offsets(path)
        super().__init__(path, len(self._offsets) - 1)
        self._file = open_file(path)

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See ``RowReader.read``."""
        return [self._element(row) for row in self.checked(rows).tolist()]

    def _element(self, row: int) -> bytes:
        start, stop = int(self._offsets[row]), int(self._offsets[row + 1])
        with storage_errors("read", self._name):
            self._file.seek(start)
            data = self._file.read(stop - start)
        if len(data) != stop - start:
            raise StorageError(f"cannot read {self._name!r}: it became shorter")
        self._counts["bytes_read"] += len(data)
        return data

    def close(self) -> None:
        """See ``RowReader.close``."""
        self._file.close()


def _offsets(path: str) -> NDArray[np.uint64]:
    """Where each element begins, and where the last one ends."""
    with storage_errors("read", path), open_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        count = int.from_bytes(file.read(_NUMBER), "little")
        head = _NUMBER * (1 + count)
        if size < _NUMBER or head > size:
            raise StorageError(
                f"{path!r} is not a packed file: {size} bytes cannot hold the sizes of "
                f"{count} elements"
            )
        sizes = np.frombuffer(file.read(head - _NUMBER), dtype="<u8")
    if (sizes > size).any() or head + sum(sizes.tolist()) > size:
        raise StorageError(
            f"packed file {path!r} is cut short: it has {size} bytes, its elements "
            f"would take {head + sum(sizes.tolist())}"
        )
    ends = head + np.cumsum(sizes, dtype=np.uint64)
    return np.concatenate((np.array([head], dtype=np.uint64), ends))
