"""Times of frames in a file that we write, in ticks of 1/90000 s."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from beam_scanner.video.index import FrameIndex

Int64Array = NDArray[np.int64]

TICKS = 90_000
"""Ticks a second: the usual frame rates, 30000/1001 included, are whole in it."""

TIME_BASE = Fraction(1, TICKS)
_FALLBACK_SECONDS = 1 / 25
# MP4 has 32 bits for the duration of one frame: 6.6 hours.
_LONGEST = 1 << 31


def interval_seconds(seconds: NDArray[np.float64]) -> float:
    """The median of the positive steps, 1/25 s where there is none.

    Examples:
        >>> interval_seconds(np.array([0.0, 0.0, 0.5, 0.5, 1.0]))
        0.5
    """
    steps = np.diff(seconds)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(steps)) if len(steps) else _FALLBACK_SECONDS


def joined_seconds(indexes: Iterable[FrameIndex]) -> NDArray[np.float64]:
    """float64[rows]: times of files that are shown one after the other, from 0 on.

    Args:
        indexes: Of the files, at least one.
    """
    seconds, begin = [], 0.0
    for index in indexes:
        own = index.seconds(np.arange(len(index)))
        seconds.append(own - own[0] + begin)
        begin += index.duration_seconds
    return np.concatenate(seconds)


def presentation_ticks(seconds: ArrayLike) -> Int64Array:
    """Times that a player can show: strictly increasing and not negative.

    Args:
        seconds: float64[n], the rows' own times; nan where unknown.

    Returns:
        int64[n]. The true times where all are known and strictly increase; else
        steps of their median interval from the first time on (Repeat, an unordered
        Gather, a gap of more than 6.6 hours). Negative times are shifted to begin at 0.

    Examples:
        >>> presentation_ticks([0.0, 0.1, 0.4]).tolist()
        [0, 9000, 36000]
        >>> presentation_ticks([5.0, 1.0, 2.0]).tolist()
        [450000, 540000, 630000]
    """
    times = np.asarray(seconds, dtype=np.float64)
    if len(times) == 0:
        return np.zeros(0, dtype=np.int64)
    if np.isfinite(times).all():
        ticks: Int64Array = np.rint(times * TICKS).astype(np.int64)
        steps = np.diff(ticks)
        if ((steps > 0) & (steps < _LONGEST)).all():
            ticks -= min(int(ticks[0]), 0)
            return ticks
    known = times[np.isfinite(times)]
    first = max(float(known[0]), 0.0) if len(known) else 0.0
    step = max(interval_seconds(times) * TICKS, 1.0)
    steady: Int64Array = np.rint(first * TICKS + np.arange(len(times)) * step).astype(
        np.int64
    )
    return steady


def decoding_ticks(presentation: Int64Array, ranks: Int64Array) -> Int64Array:
    """When each packet is decoded: ascending, never after it is shown.

    Args:
        presentation: int64[n], ascending ticks by row.
        ranks: int64[n], the row of each packet, in decoding order.

    Returns:
        int64[n], by packet; the first ones may be negative.

    Examples:
        >>> rows = np.array([0, 10, 20, 30])
        >>> decoding_ticks(rows, np.array([0, 2, 1, 3])).tolist()
        [-10, 0, 10, 20]
    """
    order = np.arange(len(ranks))
    delay = int((order - ranks).max(initial=0))
    step = max(int(np.median(np.diff(presentation))), 1) if len(presentation) > 1 else 1
    early = presentation[:1] - step * np.arange(delay, 0, -1)
    return np.concatenate((early, presentation))[: len(ranks)]
