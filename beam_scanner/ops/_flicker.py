"""Flicker: brightness that goes up and down from row to row, and how it is removed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beam_scanner.ops._shot_changes import Features, Floats, Rows, chunks
from beam_scanner.ops.shot_features import BINS

_FAST = (1, 2)
"""Rows on either side whose medians fast changes of brightness leave."""
_SLOW = (4, 5)
"""Rows on either side whose medians are the steady brightness."""
_AROUND = 12
"""Rows on either side that tell how much a film flickers."""
_LEAST = 0.01
"""Least share by which the brightness of a film that flickers leaves the medians."""
_MOST = 4.0
"""A change of more times the typical one is no flicker."""
_CHANNELS, _LEVELS = 3, BINS // 3


def without_flicker(features: Features) -> Features:
    """Features of the rows as if the light had been steady.

    Args:
        features: Of all rows.

    Returns:
        The same object where nothing flickers. Of rows that do not flicker the elements
        are shared.
    """
    brightness = np.empty(len(features))
    for part in chunks(len(features)):
        brightness[part] = features.luma[part].mean(axis=1, dtype=np.float64)
    gains = flicker_gains(brightness)
    if (gains == 1).all():
        return features
    elements = list(features.elements)
    for part in chunks(len(features)):
        rows = part.start + np.flatnonzero(gains[part] != 1)
        steady = _divided(features, rows, gains[rows])
        for row, element in zip(rows.tolist(), steady, strict=True):
            elements[row] = element.tobytes()
    return Features(elements)


def flicker_gains(brightness: Floats) -> Floats:
    """How many times as bright each row is as it would be without flicker.

    Medians follow cuts, and fades and pans in which brightness only rises or only
    falls: films with steady light have no gains. Where brightness leaves the medians of
    few rows again and again, it flickers, and the gain is its share of the medians of
    more rows. Gains have a limit, which depends on how much the film flickers there, so
    that fades remain.

    Args:
        brightness: Mean luma of each row, 0 to 255; of one row or more.

    Returns:
        float64[rows]: 1.0 for rows that do not flicker.

    Examples:
        >>> flicker_gains(np.array([80.0] * 20 + [160.0] * 20)).tolist() == [1.0] * 40
        True
        >>> flicker_gains(np.array([99.0, 120.0] * 20))[20:24].round(2).tolist()
        [0.91, 1.1, 0.91, 1.1]
    """
    # Of arrays with other strides NumPy may round some logarithms otherwise.
    light = np.log1p(np.ascontiguousarray(brightness))
    # Only a median of three leaves out values that alternate; one of five is less noisy.
    one, two = (np.abs(light - _medians(light, reach)) for reach in _FAST)
    typical = _medians(np.maximum(one, two), _AROUND)
    flickers = typical >= _LEAST
    if not flickers.any():
        return np.ones_like(light)
    # Where values alternate, one of the medians is the high value, the other the low one.
    steady = sum(_medians(light, reach) for reach in _SLOW) / len(_SLOW)
    off = np.clip(light - steady, -_MOST * typical, _MOST * typical)
    gains: Floats = np.exp(np.where(flickers, off, 0.0))
    return gains


def _medians(values: Floats, reach: int) -> Floats:
    """Medians of the values around each one and of itself; the ends are repeated."""
    made = np.empty_like(values)
    padded = np.pad(values, reach, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    for part in chunks(len(values)):
        made[part] = np.median(around[part], axis=1)
    return made


def _divided(features: Features, rows: Rows, gains: Floats) -> npt.NDArray[np.uint8]:
    """Elements of rows, uint8[rows, bytes], whose light is divided by gains."""
    bins = _with_moved_levels(features.bins[rows], gains)
    colors = features.colors[rows] / gains[:, None]
    made = np.rint(np.concatenate((bins, colors), axis=1)).clip(0, 255)
    return made.astype(np.uint8)


def _with_moved_levels(bins: npt.NDArray[np.uint8], gains: Floats) -> Floats:
    """Histograms of pictures that are divided by gains.

    Within a bin pixels are taken to be spread evenly.
    """
    shares = bins.reshape(-1, _CHANNELS, _LEVELS)
    below = np.zeros((len(bins), _CHANNELS, _LEVELS + 1))
    np.cumsum(shares, axis=2, out=below[..., 1:])
    edges = np.minimum(gains[:, None] * np.arange(_LEVELS + 1), _LEVELS)
    # Nothing is brighter than the last level, however dark the picture gets.
    edges[:, -1] = _LEVELS
    lower = np.minimum(edges.astype(np.int64), _LEVELS - 1)
    share = (edges - lower)[:, None]
    at = np.broadcast_to(lower[:, None], below.shape)
    here = np.take_along_axis(below, at, axis=2)
    there = np.take_along_axis(below, at + 1, axis=2)
    moved: Floats = np.diff(here + share * (there - here), axis=2)
    return moved.reshape(len(bins), BINS)
