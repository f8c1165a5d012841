"""Whether a file is shorter than its own structure says."""

from __future__ import annotations

import os
from typing import BinaryIO

from beam_scanner.video.mp4_boxes import FIRST_KINDS, boxes

# RIFF sizes from here on mean that the size was unknown.
_UNKNOWN_SIZE = 0xFFFFFF00
# The bytes after the last box of an MP4 may be anything, also look like another box.
_ENDS_A_FILE = (b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx")


def cut_short(file: BinaryIO) -> str | None:
    r"""Says how a file is shorter than its own structure, if it is.

    MP4 and MOV boxes, the Matroska segment and the RIFF chunk of AVI give their
    lengths; other containers do not, and then nothing is said.

    Args:
        file: Seekable; its position is moved.

    Returns:
        A clause for an error message, or None.

    Examples:
        >>> import io
        >>> cut_short(io.BytesIO(b'\0\0\0\x10ftypisom'))
        "box 'ftyp' should end at byte 16, the file ends at byte 12"
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(64)
    if head[4:8] in FIRST_KINDS:
        return _mp4_cut_short(file, size)
    if head[:4] == b"RIFF":
        length = int.from_bytes(head[4:8], "little")
        # A file that was written to a pipe does not know its size.
        known = 0 < length < _UNKNOWN_SIZE
        return _overrun("RIFF chunk", 8 + length, size) if known else None
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska_cut_short(head, size)
    return None


def _overrun(what: str, end: int, size: int) -> str | None:
    if end <= size:
        return None
    return f"{what} should end at byte {end}, the file ends at byte {size}"


def _mp4_cut_short(file: BinaryIO, size: int) -> str | None:
    for box in boxes(file, 0, size):
        if box.end > size:
            known = box.kind in _ENDS_A_FILE
            return (
                _overrun(f"box {box.kind.decode()!r}", box.end, size) if known else None
            )
    return None


def _matroska_cut_short(head: bytes, size: int) -> str | None:
    length, used = _ebml_size(head[4:])
    start = 4 + used + (length or 0)
    if length is None or head[start : start + 4] != b"\x18\x53\x80\x67":
        return None
    length, used = _ebml_size(head[start + 4 :])
    if length is None:
        return None
    return _overrun("segment", start + 4 + used + length, size)


def _ebml_size(data: bytes) -> tuple[int | None, int]:
    """(value, or None where the size is unknown; bytes used)."""
    if not data or data[0] == 0:
        return None, 1
    used = 9 - data[0].bit_length()
    value = int.from_bytes(data[:used], "big") & ((1 << 7 * used) - 1)
    return (None if value == (1 << 7 * used) - 1 else value), used
