"""Digests of files by their size and pieces of their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import BinaryIO

Pieces = Callable[[int], Iterable[tuple[int, int]]]
"""Gives the pieces ``(start, length)`` of a file of so many bytes."""


def sampled_digest(size: int, pieces: Pieces, read: Callable[[int, int], bytes]) -> str:
    """A digest of a file's size and of pieces of its content.

    Args:
        size: The file's bytes.
        pieces: Which pieces.
        read: Gives the bytes ``[start, stop)``.

    Returns:
        40 hexadecimal digits.
    """
    digest = hashlib.blake2b(str(size).encode(), digest_size=20)
    for start, length in pieces(size):
        digest.update(read(start, start + length))
    return digest.hexdigest()


def file_size(file: BinaryIO) -> int:
    """The bytes of an open file; moves its position."""
    return file.seek(0, os.SEEK_END)


def reader_of(file: BinaryIO) -> Callable[[int, int], bytes]:
    """Reads the bytes ``[start, stop)`` of an open file."""

    def read(start: int, stop: int) -> bytes:
        file.seek(start)
        return file.read(stop - start)

    return read
