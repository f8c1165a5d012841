"""The boxes of which MP4 and MOV files are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

FIRST_KINDS = frozenset(
    {b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip"}
)
"""What a file may begin with."""


@dataclass(frozen=True)
class Box:
    """A box.

    Attributes:
        kind: Four letters.
        start: Where its content begins in the file.
        end: Where it ends by its own size, which may be behind the file's end.
        stop: Where its content ends in the file.
    """

    kind: bytes
    start: int
    end: int
    stop: int


def boxes(file: BinaryIO, start: int, stop: int) -> Iterator[Box]:
    r"""The boxes between two places, one after another.

    Examples:
        >>> import io
        >>> [box.kind for box in boxes(io.BytesIO(b'\0\0\0\x08free' * 2), 0, 16)]
        [b'free', b'free']
    """
    while start + 8 <= stop:
        file.seek(start)
        head = file.read(16)
        length, begin = int.from_bytes(head[:4], "big"), start + 8
        if length == 1:
            length, begin = int.from_bytes(head[8:16], "big"), start + 16
        elif length == 0:  # to the end
            length = stop - start
        if length < begin - start:
            return
        end = start + length
        yield Box(head[4:8], begin, end, min(end, stop))
        start = end
