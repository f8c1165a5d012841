"""How many frames an MP4 or MOV file says it has, before FFmpeg believes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import VideoError
from beam_scanner.types.media_limits import check_frames, max_frames
from beam_scanner.video.mp4_boxes import FIRST_KINDS, Box, boxes

_HARMLESS_FRAMES = 1 << 16
_FRAMES_A_BYTE = 16
"""No format puts more into a file, not even into one that is cut short."""
_LARGEST_TABLE = 1 << 29
_DEEPEST = 16
"""Boxes inside each other: FFmpeg refuses more than ten of them."""

_HEADERS = (b"moov", b"moof")
_INNER = (b"mdia", b"minf", b"stbl", b"edts")


def check_tables(file: BinaryIO, what: str) -> None:
    """Refuses an MP4 or MOV file that claims more frames than it can hold.

    FFmpeg makes an entry in memory for each sample that is claimed, before it reads
    any; other containers have no such claims.

    Args:
        file: Seekable; its position is moved.
        what: What errors call it.

    Raises:
        VideoError: It claims too many.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(8)[4:] not in FIRST_KINDS:
        return
    most = max(_HARMLESS_FRAMES, _FRAMES_A_BYTE * size)
    claimed = 0
    for frames in _claims(file, size):
        claimed += frames
        if claimed > most:
            raise VideoError(
                f"{what} claims to have {claimed} frames or more, which a file of "
                f"{size} bytes cannot hold"
            )
        check_frames(what, claimed)


def _claims(file: BinaryIO, size: int) -> Iterator[int]:
    for box in boxes(file, 0, size):
        inner = list(boxes(file, box.start, box.stop)) if box.kind in _HEADERS else []
        scale = next((_scale(file, each) for each in inner if each.kind == b"mvhd"), 0)
        for each in inner:
            if each.kind == b"trak":
                yield _Track(file, each, scale).entries()
            elif each.kind == b"traf":
                for run in boxes(file, each.start, each.stop):
                    if run.kind == b"trun":
                        yield int.from_bytes(_read(file, run, 8)[4:], "big")


def _leaves(file: BinaryIO, box: Box, depth: int = 0) -> Iterator[Box]:
    """The boxes in a track that hold no others; none that lie too deep to be read."""
    for inner in boxes(file, box.start, box.stop):
        if inner.kind not in _INNER:
            yield inner
        elif depth < _DEEPEST:
            yield from _leaves(file, inner, depth + 1)


def _read(file: BinaryIO, box: Box, most: int = _LARGEST_TABLE) -> bytes:
    file.seek(box.start)
    return file.read(min(box.stop - box.start, most))


def _scale(file: BinaryIO, box: Box) -> int:
    """Ticks a second, of a movie or a track."""
    data = _read(file, box, 24)
    at = 20 if data[:1] == b"\1" else 12
    return int.from_bytes(data[at : at + 4], "big")


class _Track:
    """A track whose boxes are there once, or more often, of which any may count."""

    def __init__(self, file: BinaryIO, trak: Box, movie_scale: int) -> None:
        self._file = file
        self._movie_scale = movie_scale
        self._boxes: dict[bytes, list[Box]] = {}
        for box in _leaves(file, trak):
            self._boxes.setdefault(box.kind, []).append(box)

    def entries(self) -> int:
        """How many entries FFmpeg makes for the track."""
        sizes = [*self._heads(b"stsz"), *self._heads(b"stz2")]
        samples = max((int.from_bytes(head[8:12], "big") for head in sizes), default=0)
        if self._is_plain_sound():
            # Its samples are counted by the thousand.
            samples >>= 10
        heads = self._heads(b"elst")
        edits = sum(int.from_bytes(head[4:8], "big") for head in heads)
        if samples * edits <= _HARMLESS_FRAMES or samples > max_frames():
            return samples
        return max(samples, self._edited(samples))

    def _is_plain_sound(self) -> bool:
        kinds = {head[8:12] for head in self._heads(b"hdlr")}
        return (
            b"soun" in kinds
            and b"vide" not in kinds
            and all(
                head[4:8] == head[12:16] == b"\0\0\0\1" for head in self._heads(b"stts")
            )
        )

    def _edited(self, samples: int) -> int:
        """The entries behind an edit list, which may show the same frame often.

        Each edit has those from the keyframe before it to its end.
        """
        counts = self._table(b"stts", np.dtype([("count", ">u4"), ("ticks", ">u4")]))
        kept = np.minimum(counts["count"], samples)
        ends = np.cumsum(kept.astype(np.int64) * counts["ticks"])
        # How many samples begin before a time, from runs of equal durations.
        times = np.append(0, ends).astype(np.float64)
        before = np.append(0, np.cumsum(kept.astype(np.int64))).astype(np.float64)
        keys = self._table(b"stss", np.dtype(">u4")).astype(np.int64)
        gaps = np.diff(np.concatenate(([1], np.sort(keys), [samples + 1])))
        lead = int(gaps.max()) if b"stss" in self._boxes else 1
        wide = any(head[:1] == b"\1" for head in self._heads(b"elst"))
        number = (">u8", ">i8") if wide else (">u4", ">i4")
        fields = [("duration", number[0]), ("start", number[1]), ("rate", ">u4")]
        edits = self._table(b"elst", np.dtype(fields))
        clock = self._boxes.get(b"mdhd", [])
        ratio = (_scale(self._file, clock[0]) if clock else 1) / (
            self._movie_scale or 1
        )
        begin = edits["start"].astype(np.float64)
        end = begin + edits["duration"].astype(np.float64) * ratio
        shown = np.interp(end, times, before) - np.interp(begin, times, before)
        return int(np.minimum(np.ceil(shown) + lead, samples).sum())

    def _heads(self, kind: bytes) -> list[bytes]:
        return [_read(self._file, box, 16) for box in self._boxes.get(kind, [])]

    def _table(self, kind: bytes, row: np.dtype[Any]) -> NDArray[Any]:
        tables = []
        for box in self._boxes.get(kind, []):
            data = _read(self._file, box)[8:]
            tables.append(
                np.frombuffer(data[: len(data) // row.itemsize * row.itemsize], row)
            )
        return np.concatenate(tables) if tables else np.zeros(0, row)
