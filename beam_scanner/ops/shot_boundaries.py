"""ShotBoundaries: where one shot of a film ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.kernels import register_python_op
from beam_scanner.ops._native import native_op
from beam_scanner.types.element_types import Histogram

WINDOW = 500
"""Rows before and after each row among which a boundary must stand out."""

DEVIATIONS = 2.5
"""By how many standard deviations of the window it must."""


def find_boundaries(histograms: npt.ArrayLike) -> list[int]:
    """Rows whose histograms differ much more from the row before than others nearby.

    The difference of two rows is the largest change of a bin, averaged over the
    channels. Row i is a boundary where its difference exceeds the mean of rows
    [i - 500, i + 500) by more than 2.5 standard deviations.

    Args:
        histograms: Integers of shape [rows, channels, bins].

    Returns:
        Ascending rows; row 0 is never one.

    Examples:
        >>> dark, bright = [[9, 0]] * 3, [[0, 9]] * 3
        >>> find_boundaries([dark] * 10 + [bright] * 10)
        [10]
    """
    bins = np.asarray(histograms)
    rows = len(bins)
    if rows < 2:
        return []
    # Sums over channels instead of means: integers, so that the sums are exact.
    changes = _changes(bins)
    index = np.arange(rows)
    start, stop = np.maximum(index - WINDOW, 0), np.minimum(index + WINDOW, rows)
    count = (stop - start).astype(np.float64)
    mean = _window_sums(changes, start, stop) / count
    square = _window_sums(changes * changes, start, stop) / count
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    boundaries: list[int] = np.flatnonzero(
        changes - mean > DEVIATIONS * deviation
    ).tolist()
    return [row for row in boundaries if row > 0]


_SAMPLE = np.arange(5 * 3 * 16).astype(np.int32).reshape(5, 3, 16) ** 3


def _changes(bins: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """For each row the largest change of a bin since the row before, by channels."""
    compute = None
    if bins.dtype == np.int32 and bins.ndim == 3 and bins.size:
        compute = native_op("HistogramChanges", _changes_with_numpy, _SAMPLE)
    return (compute or _changes_with_numpy)(bins)


def _changes_with_numpy(bins: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    changes = np.zeros(len(bins), np.uint64)
    wide = bins.astype(np.int64)
    changes[1:] = np.abs(np.diff(wide, axis=0)).max(axis=2).sum(axis=1)
    return changes


def _window_sums(
    values: npt.NDArray[np.uint64],
    start: npt.NDArray[np.int64],
    stop: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    # Running sums may wrap around 2**64; their differences are still exact.
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(values)))
    return (sums[stop] - sums[start]).astype(np.float64)


@register_python_op(name="ShotBoundaries", whole_stream=True)
def shot_boundaries(
    config: Any, histograms: Sequence[Histogram]
) -> Sequence[list[int] | None]:
    """Row 0 gives the list of boundaries, all other rows None.

    Examples:
        >>> shot_boundaries(None, [[[4, 0]] * 3] * 3)
        [[], None, None]
    """
    if not len(histograms):
        return []
    found = find_boundaries(np.asarray(histograms))
    return [found, *[None] * (len(histograms) - 1)]
