"""The rate is found however a file rounds times, and where frames are missing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.exports.frame_rates import frame_rate

RATES = [
    *map(Fraction, (12, 16, 18, 24, 25, 30, 48, 50, 60, 120)),
    *(Fraction(1000 * count, 1001) for count in (24, 30, 60, 120)),
]


@given(
    rate=st.sampled_from(RATES),
    ticks=st.sampled_from([1000, 12_800, 30_000, 90_000]),
    rows=st.integers(1, 60),
    missing=st.sets(st.integers(0, 1500), max_size=40),
    start=st.floats(0, 1e5),
)
def test_times_on_a_grid(
    rate: Fraction, ticks: int, rows: int, missing: set[int], start: float
) -> None:
    numbers = np.array([n for n in range(1500) if n not in missing])
    seconds = np.rint((numbers / float(rate) + start) * ticks) / ticks
    assert frame_rate(seconds, None) == rate
    assert frame_rate(seconds, Fraction(7)) == rate
    # A few rows suit several rates, so that the file is asked.
    assert frame_rate(seconds[numbers < rows], rate) == rate


@pytest.mark.parametrize("rate", [Fraction(29), Fraction(37, 3), Fraction(25, 2)])
def test_unusual_rates(rate: Fraction) -> None:
    assert frame_rate(np.arange(100) / float(rate), None) == rate


def test_times_on_no_grid() -> None:
    seconds = np.cumsum(np.random.default_rng(4).uniform(0.02, 0.06, 1000))
    step = np.median(np.diff(seconds))
    expected = 1000 / (seconds[-1] - seconds[0] + step)
    assert float(frame_rate(seconds, None)) == pytest.approx(expected, rel=1e-3)


def test_one_row() -> None:
    assert frame_rate(np.zeros(1), None) == 25
    assert frame_rate(np.zeros(1), Fraction(30000, 1001)) == Fraction(30000, 1001)
    assert frame_rate(np.zeros(1), Fraction(19001, 317)) == Fraction(60000, 1001)
