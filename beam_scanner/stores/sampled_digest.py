"""Digests of files by their size and pieces of their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import BinaryIO

from beam_scanner.stores.object_file import ObjectFile

Pieces = Callable[[int], Iterable[tuple[int, int]]]
"""Gives the pieces ``(start, length)`` of a file of so many bytes."""


def sampled_digest(file: BinaryIO, pieces: Pieces) -> str:
    """A digest of a file's size and of pieces of its content.

    Args:
        file: Seekable; its position is moved.
        pieces: Which pieces.

    Returns:
        40 hexadecimal digits.
    """
    size = file.seek(0, os.SEEK_END)
    digest = hashlib.blake2b(str(size).encode(), digest_size=20)
    for start, length in pieces(size):
        if isinstance(file, ObjectFile):
            # Reading would fetch more around each piece, and keep it.
            digest.update(file.fetch(start, start + length))
        else:
            file.seek(start)
            digest.update(file.read(length))
    return digest.hexdigest()
