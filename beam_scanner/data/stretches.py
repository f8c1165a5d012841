"""One plan by GOP for all rows that are asked for within the look-ahead.

Rows are grouped by video and put in the order of the file, duplicates joined. Then they
are cut into *stretches*, each for one decoder to read in one go, and only at keyframes:
so no GOP is decoded twice for the rows of one plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from beam_scanner.rows.gops import frames_up_to, keyframe_at
from beam_scanner.rows.row_maps import Int64Array

LEAST_FRAMES = 64
"""Frames to decode that a stretch has at least, where there are so many: what it costs
to begin one, a seek and a few frames behind its end, should be little beside it."""


@dataclass(frozen=True)
class Wanted:
    """Rows that are asked for, each with the place where its frame is to be put.

    Attributes:
        videos: int64[n], numbers of videos.
        rows: int64[n], rows of these.
        chunks: int64[n]: which chunk each belongs to; ascending.
        positions: int64[n]: where it is in that chunk.
        places: int64[n]: byte offset of its place in the shared memory.
    """

    videos: Int64Array
    rows: Int64Array
    chunks: Int64Array
    positions: Int64Array
    places: Int64Array

    def of(self, which: Int64Array) -> Wanted:
        """Some of them."""
        return Wanted(
            self.videos[which],
            self.rows[which],
            self.chunks[which],
            self.positions[which],
            self.places[which],
        )

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Stretch:
    """What one decoder reads in one go.

    Attributes:
        video: Number of the video.
        rows: int64[u], ascending, no duplicates.
        uses: int64[n]: for each row that is wanted, its index in ``rows``.
        wanted: The n rows that are wanted, in the order of ``rows``.
        frames: Frames to decode, from the keyframe of the first row on.
        keyframe: The row at which decoding begins.
    """

    video: int
    rows: Int64Array
    uses: Int64Array
    wanted: Wanted
    frames: int
    keyframe: int

    @property
    def first_chunk(self) -> int:
        """The chunk that waits for it first."""
        return int(self.wanted.chunks.min())


def stretches(
    wanted: Wanted,
    keyframes: Callable[[int], Int64Array | None],
    parts: int,
) -> list[Stretch]:
    """Plans how rows are read.

    Args:
        wanted: All rows that are asked for and are not being read yet.
        keyframes: Of a video, by its number; None where any row can be read alone.
        parts: How many stretches there should be at least, if they are long enough.

    Returns:
        Each row is in one stretch; those that a chunk waits for first come first.

    Examples:
        >>> rows = np.array([30, 2, 31, 2])
        >>> zeros, some = np.zeros(4, np.int64), np.arange(4)
        >>> found = stretches(
        ...     Wanted(zeros, rows, zeros, some, 100 * some),
        ...     lambda video: np.array([0, 10, 20, 30]),
        ...     parts=1,
        ... )
        >>> [(each.rows.tolist(), each.wanted.places.tolist()) for each in found]
        [([2, 30, 31], [100, 300, 0, 200])]
        >>> found[0].frames
        5
    """
    groups = list(_by_video(wanted, keyframes))
    total = sum(int(counts.sum()) for *_, counts in groups)
    least = max(LEAST_FRAMES, total // max(1, parts))
    found = []
    for asked, rows, uses, entries, counts in groups:
        for begin, end in _cuts(entries, counts, least):
            inside = np.arange(np.searchsorted(uses, begin), np.searchsorted(uses, end))
            found.append(
                Stretch(
                    int(asked.videos[0]),
                    rows[begin:end],
                    uses[inside] - begin,
                    asked.of(inside),
                    int(counts[begin:end].sum()),
                    int(entries[begin]),
                )
            )
    return sorted(found, key=lambda each: each.first_chunk)


def _by_video(
    wanted: Wanted, keyframes: Callable[[int], Int64Array | None]
) -> Iterator[tuple[Wanted, Int64Array, Int64Array, Int64Array, Int64Array]]:
    """Of each video: what is wanted, rows, uses, keyframes of rows, frames to decode."""
    order = np.lexsort((wanted.rows, wanted.videos))
    ends = np.flatnonzero(np.diff(wanted.videos[order])) + 1
    for part in np.split(order, ends) if len(order) else []:
        asked = wanted.of(part)
        rows, uses = np.unique(asked.rows, return_inverse=True)
        starts = keyframes(int(asked.videos[0]))
        if starts is None:
            yield asked, rows, uses, rows, np.ones_like(rows)
        else:
            yield (
                asked,
                rows,
                uses,
                keyframe_at(starts, rows),
                frames_up_to(starts, rows),
            )


def _cuts(
    entries: Int64Array, counts: Int64Array, least: int
) -> Iterator[tuple[int, int]]:
    """Where rows are cut: at keyframes, when there is enough to decode before."""
    begin, frames = 0, 0
    gops = [0, *(np.flatnonzero(np.diff(entries)) + 1).tolist(), len(entries)]
    for first, end in pairwise(gops):
        frames += int(counts[first:end].sum())
        if frames >= least or end == len(entries):
            yield begin, end
            begin, frames = end, 0
