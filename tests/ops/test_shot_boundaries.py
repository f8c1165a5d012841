"""Where one shot ends and the next begins."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.ops.shot_boundaries import find_boundaries, shot_boundaries
from tests.support.frames import CONFIG


def reference_boundaries(histograms: np.ndarray) -> list[tuple[int, float]]:
    """Scanner's definition, row by row: each row with its margin over the limit."""
    diffs = [0.0] + [
        float(np.mean(np.abs(a.astype(int) - b).max(axis=1)))
        for a, b in itertools.pairwise(histograms)
    ]
    margins = []
    for i in range(1, len(diffs)):
        window = diffs[max(i - 500, 0) : min(i + 500, len(diffs))]
        margins.append((i, diffs[i] - np.mean(window) - 2.5 * np.std(window)))
    return margins  # type: ignore[return-value]


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 1300), st.sampled_from([1, 40, 10**7]))
def test_shot_boundaries_equal_the_definition(seed: int, rows: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    shots = np.repeat(rng.integers(0, top, (40, 3, 16)), 40, axis=0)[:rows]
    histograms = np.int32(shots + rng.integers(0, 3, shots.shape))
    found = set(find_boundaries(histograms))
    for row, margin in reference_boundaries(histograms):  # type: ignore[arg-type]
        if abs(margin) > 1e-6 * top:
            assert (row in found) == (margin > 0), (row, margin)


def test_shot_boundaries_give_one_element_a_row() -> None:
    dark, bright = [np.arange(16)] * 3, [np.arange(16)[::-1]] * 3
    rows = [dark] * 20 + [bright] * 20
    assert shot_boundaries(CONFIG, rows) == [[20], *[None] * 39]  # type: ignore[arg-type]
    assert shot_boundaries(CONFIG, rows[:1]) == [[]]  # type: ignore[arg-type]
    assert shot_boundaries(CONFIG, []) == []


def test_shot_boundaries_of_a_long_film_take_no_time_to_speak_of() -> None:
    histograms = np.zeros((300_000, 3, 16), np.int32)
    histograms[::1000] = 2**31 - 1
    assert find_boundaries(histograms)[:2] == [1, 1000]
