"""The frame rate by which editors count the frames of a video."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_USUAL = (
    *map(Fraction, (10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 100, 120)),
    *(Fraction(1000 * count, 1001) for count in (24, 30, 48, 60, 120)),
)

_ROUNDED = 1.01e-3
"""Seconds by which files shift times that they hold in milliseconds."""


def frame_rate(seconds: NDArray[np.float64], told: Fraction | None) -> Fraction:
    """The rate on whose grid the times lie; rows may be missing in between.

    Args:
        seconds: Of the rows, ascending.
        told: What the file says, by which short videos are judged, whose rounded times
            suit several rates.

    Returns:
        Where the rows lie on the grid of no rate, their number over their time.

    Examples:
        >>> frame_rate(np.array([0.0, 0.033, 0.067, 0.1]), Fraction(30))
        Fraction(30, 1)
        >>> frame_rate(np.array([0.0, 0.033, 0.067, 0.1]), Fraction(30000, 1001))
        Fraction(30000, 1001)
        >>> frame_rate(np.array([0.0, 0.04, 0.12, 0.16]), None)
        Fraction(25, 1)
    """
    named = None if told is None or told <= 0 else _named(float(told))
    if len(seconds) < 2:
        return named or Fraction(25)
    times = seconds - seconds[0]
    step = float(np.median(np.diff(times)))
    measured = _named(len(times) / (float(times[-1]) + step))
    shifts = {rate: _shift(times, rate) for rate in (*_USUAL, measured)}
    if named is not None:
        shifts[named] = _shift(times, named)
        if shifts[named] < _ROUNDED:
            return named
    best = min(shifts, key=lambda rate: shifts[rate])
    return best if shifts[best] < _ROUNDED else measured


def _named(rate: float) -> Fraction:
    """The usual rate that is meant; 24 and 24000/1001 differ by a thousandth."""
    nearest = min(_USUAL, key=lambda usual: abs(usual - rate))
    if abs(nearest - rate) < rate * 0.0004:
        return nearest
    return Fraction(rate).limit_denominator(1001)


def _shift(times: NDArray[np.float64], rate: Fraction) -> float:
    """By how much times differ from the grid; inf where most steps are not one frame."""
    frames = np.rint(times * float(rate))
    steps = np.diff(frames)
    if (steps < 1).any() or np.median(steps) != 1:
        return float("inf")
    apart = times - frames * (rate.denominator / rate.numerator)
    return float(np.ptp(apart))
