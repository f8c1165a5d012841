"""What streams of files that lie outside a database have in common."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from beam_scanner.errors import ArgumentError
from beam_scanner.storage.streams.backend import StorageBackend, StoredStream
from beam_scanner.stores import open_file
from beam_scanner.stores.object_file import ObjectFile
from beam_scanner.stores.object_store import storage_errors
from beam_scanner.stores.paths import absolute, is_file
from beam_scanner.stores.sampled_digest import sampled_digest

_WHOLE = 64 << 20
_WHOLE_OBJECT = 1 << 20
_PIECE = 64 << 10
_PIECES = 8
_LARGEST_DENOMINATOR = 1_000_000


class FileStorage(StorageBackend):
    """Files wherever they lie; they can be inputs only."""


class FileStream(StoredStream):
    """A stream that is read from one file outside a database.

    Args:
        path: The file, or its ``gs://`` or ``s3://`` URL.
        storage: Only for Scanner's programs.
    """

    _storage_kind: type[StorageBackend] = FileStorage

    def __init__(
        self, path: str | os.PathLike[str], storage: StorageBackend | None = None
    ) -> None:
        kind = type(self).__name__
        article = "an" if kind[0] in "AEIOU" else "a"
        self._path = absolute(path, f"path of {article} {kind}")
        self._storage = storage or self._storage_kind()

    def name(self) -> str:
        """The file's path."""
        return self._path

    def storage(self) -> StorageBackend:
        """See :meth:`StoredStream.storage`."""
        return self._storage

    def places(self) -> Sequence[str]:
        """See :meth:`StoredStream.places`."""
        return [self._path]

    def exists(self) -> bool:
        """Whether the file is there."""
        return is_file(self._path)

    def committed(self) -> bool:
        """Whether the file is there."""
        return self.exists()

    def load_bytes(self, rows: Sequence[int] | None = None) -> Iterator[Any]:
        """See :meth:`StoredStream.load_bytes`."""
        with self.reader() as reader:
            for row in range(len(reader)) if rows is None else rows:
                yield from reader.read([row])


def exact_seconds(value: Any, what: str) -> Fraction:
    """A positive number of seconds as the fraction that was meant by it.

    A float is the nearest fraction with a denominator of at most a million: 0.1 is
    1/10 and 1 / 30 is 1/30, so that rows neither drift nor get lost by rounding.

    Raises:
        ArgumentError: It is not a number, not positive or not finite.

    Examples:
        >>> exact_seconds(0.1, 'window'), exact_seconds(1 / 30, 'window')
        (Fraction(1, 10), Fraction(1, 30))
    """
    number = isinstance(value, (int, float, np.number)) and math.isfinite(value)
    seconds = value if isinstance(value, Fraction) else Fraction(0)
    if number and not isinstance(value, bool):
        seconds = Fraction(float(value)).limit_denominator(_LARGEST_DENOMINATOR)
    if seconds <= 0:
        raise ArgumentError(
            f"{what} must be a positive number of seconds, got {value!r}"
        )
    return seconds


def content_digest(path: str) -> str:
    """A digest of a file's size and content.

    Of a file of more than 64 MiB, time of change and pieces count; of an object of more
    than 1 MiB, version and pieces.

    Returns:
        40 hexadecimal digits.

    Raises:
        StorageError: The file cannot be read.
    """
    with storage_errors("read", path), open_file(path) as file:
        if isinstance(file, ObjectFile):
            return _digest(file, _WHOLE_OBJECT, file.version)
        found = os.fstat(file.fileno())
        changed = found.st_mtime_ns
        key = found.st_dev, found.st_ino, found.st_size, changed, found.st_ctime_ns
        if key not in _known:
            if len(_known) >= _KNOWN:
                _known.clear()
            _known[key] = _digest(file, _WHOLE, changed)
        return _known[key]


_known: dict[tuple[int, ...], str] = {}
_KNOWN = 100_000


def _digest(file: BinaryIO, whole: int, changed: object) -> str:
    if file.seek(0, os.SEEK_END) <= whole:
        return sampled_digest(file, _all)
    return combined_digest(sampled_digest(file, _pieces), changed)


def _all(size: int) -> list[tuple[int, int]]:
    return [(start, _WHOLE_OBJECT) for start in range(0, size, _WHOLE_OBJECT)]


def _pieces(size: int) -> list[tuple[int, int]]:
    room = size - _PIECE
    return [(number * room // (_PIECES - 1), _PIECE) for number in range(_PIECES)]


def combined_digest(*values: object) -> str:
    """A digest of some values, in order: of bytes as they are, and of ``str()`` of others.

    Examples:
        >>> combined_digest('ab', 'c') == combined_digest('a', 'bc')
        False
    """
    digest = hashlib.blake2b(digest_size=20)
    for value in values:
        kind, data = b"b", value
        if not isinstance(data, bytes):
            kind, data = b"t", str(value).encode(errors="surrogatepass")
        digest.update(b"%s%d:" % (kind, len(data)))
        digest.update(data)
    return digest.hexdigest()
