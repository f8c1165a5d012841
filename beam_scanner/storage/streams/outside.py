"""What streams of files that lie outside a database have in common."""

from __future__ import annotations

import hashlib
import math
import os
from fractions import Fraction
from typing import Any

import numpy as np

from beam_scanner.errors import ArgumentError
from beam_scanner.stores import open_file
from beam_scanner.stores.object_store import storage_errors

_WHOLE = 1 << 20
_PIECE = 64 << 10
_PIECES = 8
_LARGEST_DENOMINATOR = 1_000_000


def exact_seconds(value: Any, what: str) -> Fraction:
    """A positive number of seconds as the fraction that was meant by it.

    A float is the nearest fraction with a denominator of at most a million: 0.1 is
    1/10 and 1 / 30 is 1/30, so that rows neither drift nor get lost by rounding.

    Raises:
        ArgumentError: It is no number, not positive or not finite.

    Example:
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
    """A digest of a file's size and content; of pieces of it past 1 MiB.

    It does not depend on the file's name or dates.

    Returns:
        40 hexadecimal digits.

    Raises:
        StorageError: The file cannot be read.
    """
    with storage_errors("read", path), open_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.blake2b(str(size).encode(), digest_size=20)
        whole = size <= _WHOLE
        pieces = 1 if whole else _PIECES
        for number in range(pieces):
            file.seek(number * (size - _PIECE) // (pieces - 1) if number else 0)
            digest.update(file.read(_WHOLE if whole else _PIECE))
    return digest.hexdigest()


def combined_digest(*values: object) -> str:
    """A digest of some values, in order: of bytes, and of the texts of others.

    Example:
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
