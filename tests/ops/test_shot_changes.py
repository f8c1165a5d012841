"""How much rows differ, against what NumPy computes at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError
from beam_scanner.ops import _shot_changes
from beam_scanner.ops._shot_changes import (
    Features,
    changes,
    distances,
    spaced,
    typical_around,
)


def random_features(rows: int, seed: int = 3) -> list[bytes]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, 192, np.uint8).tobytes() for _ in range(rows)]


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_chunks_change_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Features(random_features(50))
    expected = whole.luma, whole.patterns, typical_around(changes(whole.colors, 2), 6)
    monkeypatch.setattr(_shot_changes, "CHUNK", chunk)
    parts = Features(random_features(50))
    found = parts.luma, parts.patterns, typical_around(changes(parts.colors, 2), 6)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_distances() -> None:
    features = Features(random_features(9))
    for values in (features.colors, features.bins, features.patterns):
        wide = values[:].astype(int)
        found = distances(values, np.array([0, 3]), np.array([8, 3]))
        assert found.tolist() == [np.abs(wide[0] - wide[8]).mean(), 0]
        expected = [0, 0, *np.abs(wide[2:] - wide[:-2]).mean(axis=1)]
        np.testing.assert_allclose(changes(values, 2), expected)


def test_rows_are_read_where_they_are_looked_at() -> None:
    elements = random_features(20)
    whole = np.frombuffer(b"".join(elements), np.uint8).reshape(20, 192)
    features = Features(elements)
    for rows in (slice(3, 9), np.array([7, 5, 5, 19]), np.empty(0, np.int64)):
        np.testing.assert_array_equal(features.bins[rows], whole[rows, :48])
        np.testing.assert_array_equal(features.colors[rows], whole[rows, 48:])


def test_patterns_know_no_brightness() -> None:
    random = np.random.default_rng(5)
    dark = random.integers(20, 80, (6, 8)).repeat(3)
    rows = [
        np.concatenate((np.zeros(48, int), levels)).astype(np.uint8).tobytes()
        for levels in (dark, dark + 60, 3 * dark, 255 - 2 * dark)
    ]
    patterns = Features(rows).patterns
    change = distances(patterns, np.zeros(4, int), np.arange(4)) / 16
    assert change[1] == 0
    assert change[2] < 15 < 45 < change[3]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=20),
    st.integers(1, 12),
)
def test_spaced(pairs: list[tuple[int, int]], length: int) -> None:
    best = dict(sorted(pairs))
    rows = np.array(sorted(best), np.int64)
    strengths = np.array([best[row] for row in rows.tolist()], float)
    kept = spaced(rows, strengths, length, 60)
    assert (np.diff([0, *kept, 60]) >= length).all() or not kept
    for row in best:
        # What is left out has a stronger or equal one near, or is near an end.
        rivals = [k for k in kept if abs(k - row) < length and best[k] >= best[row]]
        assert row in kept or rivals or not length <= row <= 60 - length


def test_other_elements_are_refused() -> None:
    with pytest.raises(ElementTypeError, match=r"192 bytes .* got 3"):
        Features([b"\0" * 192, b"abc"])
