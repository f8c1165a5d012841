"""Times that players can show, made of the true ones."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.video.timing import (
    TICKS,
    decoding_ticks,
    interval_seconds,
    joined_seconds,
    presentation_ticks,
)

SECONDS = st.one_of(st.floats(-100, 10_000), st.just(float("nan")))


@given(st.lists(SECONDS, max_size=30))
def test_any_times_become_ones_that_increase(seconds: list[float]) -> None:
    ticks = presentation_ticks(seconds)
    assert ticks.dtype == np.int64
    assert len(ticks) == len(seconds)
    assert (np.diff(ticks) > 0).all()
    assert (ticks >= 0).all()


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60, Fraction(30000, 1001)])
def test_usual_rates_are_whole(rate: Fraction) -> None:
    ticks = presentation_ticks([float(n / Fraction(rate)) for n in range(100)])
    assert ticks.tolist() == [int(n * TICKS / Fraction(rate)) for n in range(100)]


def test_negative_times_begin_at_nothing() -> None:
    assert presentation_ticks([-1.0, 0.0, 2.0]).tolist() == [0, TICKS, 3 * TICKS]


def test_unknown_times_are_a_steady_step() -> None:
    assert interval_seconds(np.array([np.nan, np.nan])) == 1 / 25
    assert presentation_ticks([np.nan] * 3).tolist() == [0, 3600, 7200]


@given(st.permutations(range(8)), st.integers(1, 5000))
def test_packets_are_decoded_in_order_and_before_they_are_shown(
    order: list[int], step: int
) -> None:
    shown = np.arange(8) * step
    decoded = decoding_ticks(shown, np.array(order))
    assert (np.diff(decoded) > 0).all()
    assert (decoded <= shown[order]).all()


def test_rows_in_order_are_decoded_as_they_are_shown() -> None:
    shown = np.array([0, 7, 9])
    assert decoding_ticks(shown, np.arange(3)).tolist() == [0, 7, 9]
    assert decoding_ticks(shown[:0], np.arange(0)).tolist() == []


def test_files_one_after_the_other() -> None:
    class Index:
        def __init__(self, times: list[float], duration: float) -> None:
            self.times = np.array(times)
            self.duration_seconds = duration

        def __len__(self) -> int:
            return len(self.times)

        def seconds(self, rows: Any) -> Any:
            return self.times[rows]

    files: list[Any] = [Index([3, 3.5], 1), Index([-1], 0.25), Index([7], 9)]
    found = joined_seconds(files)
    assert found.tolist() == [0.0, 0.5, 1.0, 1.25]
