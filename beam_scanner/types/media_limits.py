"""How large a video may say it is.

A file of a few hundred bytes can claim millions of samples, or a picture of gigabytes.
The limits are far beyond what cameras and archives make. Environment variables raise
them; set these for worker processes too:

* ``BEAM_SCANNER_MAX_PIXELS``: of a picture, width times height; 134217728 (2**27, a
  little more than 15360x8640) if it is not set;
* ``BEAM_SCANNER_MAX_FRAMES``: of a file; 16777216 (2**24, 77 hours at 60 a second).
"""

from __future__ import annotations

import os
import re
from typing import Literal

from beam_scanner.errors import ArgumentError, VideoError

_PIXELS, _FRAMES = "BEAM_SCANNER_MAX_PIXELS", "BEAM_SCANNER_MAX_FRAMES"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DEFAULTS = {_PIXELS: 1 << 27, _FRAMES: 1 << 24}


def max_pixels() -> int:
    """The most pixels that a picture may have.

    Raises:
        ArgumentError: The environment variable is not a positive integer.
    """
    return _limit(_PIXELS)


def max_frames() -> int:
    """The most frames that a file may have.

    Raises:
        ArgumentError: The environment variable is not a positive integer.
    """
    return _limit(_FRAMES)


def _limit(name: str) -> int:
    text = os.environ.get(name)
    if text is None:
        return _DEFAULTS[name]
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise ArgumentError(
            f"environment variable {name}={text!r}: expected an integer from 1 to "
            f"{(1 << 31) - 1}"
        )
    return int(text)


def check_picture(what: str, width: int, height: int) -> None:
    """Refuses a picture that is too large.

    Args:
        what: What errors call the file.
        width: In pixels.
        height: In pixels.

    Raises:
        VideoError: It has more than :func:`max_pixels`.

    Examples:
        >>> check_picture("video 'a.mp4'", 65535, 65535)
        Traceback (most recent call last):
        ...
        beam_scanner.errors.VideoError: video 'a.mp4' has pictures of 65535x65535 \
pixels: more than 134217728 in all are refused, unless the environment variable \
BEAM_SCANNER_MAX_PIXELS allows them
    """
    if width * height > max_pixels():
        raise VideoError(
            f"{what} has pictures of {width}x{height} pixels: more than "
            f"{max_pixels()} in all are refused, unless the environment variable "
            f"{_PIXELS} allows them"
        )


def check_frames(what: str, frames: int) -> None:
    """Refuses a file with too many frames.

    Args:
        what: What errors call the file.
        frames: How many it has, or says that it has.

    Raises:
        VideoError: There are more than :func:`max_frames`.
    """
    if frames > max_frames():
        raise VideoError(
            f"{what} has {frames} frames or more: more than {max_frames()} are "
            f"refused, unless the environment variable {_FRAMES} allows them"
        )


def image_size(head: bytes) -> tuple[int, int] | None:
    r"""(width, height) of an image, or of a simple video, as its head has it.

    Examples:
        >>> image_size(b'GIF89a\x40\1\xf0\0'), image_size(b'?')
        ((320, 240), None)
    """

    def at(start: int, count: int, order: Literal["big", "little"]) -> tuple[int, int]:
        middle, stop = start + count, start + 2 * count
        pair = head[start:middle], head[middle:stop]
        return int.from_bytes(pair[0], order), int.from_bytes(pair[1], order)

    if head.startswith(b"\x89PNG"):
        return at(16, 4, "big")
    if head.startswith(b"GIF8"):
        return at(6, 2, "little")
    if head.startswith(b"BM"):
        return at(18, 4, "little")
    if head.startswith(b"qoif"):
        return at(4, 4, "big")
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        width, height = at(24, 3, "little")
        return width + 1, height + 1
    if head.startswith(b"\xff\xd8"):
        return _jpeg_size(head)
    text = re.match(rb"P[1-7]\s+(\d+)\s+(\d+)\s", head) or re.match(
        rb"YUV4MPEG2[^\n]* W(\d+) H(\d+)", head
    )
    return (int(text[1]), int(text[2])) if text else None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    start = 2
    while len(head) >= start + 9 and head[start] == 0xFF:
        kind = head[start + 1]
        if kind in _JPEG_FRAMES:
            height, width = head[start + 5 : start + 7], head[start + 7 : start + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        start += 2 + int.from_bytes(head[start + 2 : start + 4], "big")
    return None
