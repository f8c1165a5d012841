"""What a file is that cannot be read as a video, for error messages."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

from beam_scanner.types.media_limits import image_size, max_pixels
from beam_scanner.video.mp4_boxes import FIRST_KINDS, boxes

_HEAD = 64 * 1024
_OTHER_KINDS = {
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"WEBVTT": "captions",
}
_LISTS = (
    (rb"\s*ffconcat", "a list of files (ffconcat)"),
    (rb"\s*#EXTM3U", "a playlist (M3U)"),
    (rb"\s*\[(playlist|reference)\]", "a playlist"),
    (rb"v=0\r?\n", "the address of a stream in a network (SDP)"),
    (rb"\s*RTSPtext", "the address of a stream in a network"),
    (rb"\s*(<\?xml.*?)?(<!--.*?-->\s*)*<(mpd|smil|asx)\b", "a playlist (XML)"),
)
_INSTEAD = "; beam_scanner.transforms.Playlist() is a format that reads lists of files beside them"
_TS_PACKET, _TS_SYNC = 188, 0x47


def diagnose(file: BinaryIO) -> str:
    r"""Says what is wrong with a file in which no video was found.

    Args:
        file: Seekable; its position is moved.

    Returns:
        A clause for an error message; '' where there is nothing to say.

    Examples:
        >>> import io
        >>> diagnose(io.BytesIO(b'Dear diary,\n'))
        'it is text'
        >>> diagnose(io.BytesIO(bytes(100)))
        'it begins with zeros, as files do that were never completely written'
    """
    file.seek(0)
    head = file.read(_HEAD)
    for pattern, what in _LISTS:
        if re.match(pattern, head.removeprefix(b"\xef\xbb\xbf"), re.I | re.S):
            instead = "" if what.startswith("the address") else _INSTEAD
            return f"it is {what}, and a video is one file{instead}"
    if large := _too_large(head):
        return large
    for mark, what in _OTHER_KINDS.items():
        if head.startswith(mark):
            return f"it is {what}"
    if not head.strip(b"\0"):
        return "it begins with zeros, as files do that were never completely written"
    if _is_text(head):
        page = head.lstrip().lower().startswith((b"<!doctype html", b"<html"))
        return "it is a web page" if page else "it is text"
    if is_scrambled(head):
        return "it is encrypted (a scrambled transport stream)"
    if head[4:8] == b"ftyp":
        return _of_mp4(file)
    return "" if _begins_a_video(head) else "it does not begin as a video file does"


def _too_large(head: bytes) -> str:
    """Why an image is not decoded, if that is its size."""
    size = image_size(head)
    if size is None or size[0] * size[1] <= max_pixels():
        return ""
    return (
        f"it has {size[0]}x{size[1]} pixels, and more than {max_pixels()} are refused, "
        "unless the environment variable BEAM_SCANNER_MAX_PIXELS allows them"
    )


def _is_text(head: bytes) -> bool:
    try:
        # A letter may be cut in two at the end.
        text = head[:-3].decode() if len(head) == _HEAD else head.decode()
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


def is_scrambled(head: bytes) -> bool:
    """Whether most packets of a transport stream are scrambled; False for others."""
    starts = range(0, len(head) - _TS_PACKET + 1, _TS_PACKET)
    if len(starts) < 4 or any(head[start] != _TS_SYNC for start in starts):
        return False
    return sum(head[start + 3] >= 0x80 for start in starts) * 2 > len(starts)


def _of_mp4(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    if any(box.kind == b"moov" for box in boxes(file, 0, size)):
        return ""
    return (
        "its index (the moov box) is missing: the recording was never ended, or the "
        "file is cut short"
    )


def _begins_a_video(head: bytes) -> bool:
    marks = (
        *(b"RIFF", b"\x1a\x45\xdf\xa3", b"FLV", b"OggS", b"DKIF", b"GIF8"),
        *(b"\0\0\1", b"\0\0\0\1", b"\x30\x26\xb2\x75", b"\x06\x0e\x2b\x34"),
    )
    return head.startswith(marks) or head[4:8] in FIRST_KINDS or head[:1] == b"G"
