"""Histograms, against NumPy's."""

from __future__ import annotations

import colorsys
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError, MissingDependencyError
from beam_scanner.ops.histogram import (
    HistogramKernel,
    HSVHistogram,
    histogram_with_numpy,
)
from tests.support.frames import CONFIG, FRAMES, picture

# Histogram


@given(FRAMES)
def test_histogram_equals_numpy(frame: np.ndarray) -> None:
    expected = [
        np.histogram(frame[..., c], bins=16, range=(0, 256))[0] for c in range(3)
    ]
    for counts in (HistogramKernel(CONFIG).execute(frame), histogram_with_numpy(frame)):
        assert np.array_equal(expected, counts)
        assert all(bins.dtype == np.int32 for bins in counts)


def test_histogram_of_a_view() -> None:
    frame = picture()[::2, ::-1]
    expected = [
        np.bincount(frame[..., c].ravel() // 16, minlength=16) for c in (0, 1, 2)
    ]
    assert np.array_equal(expected, HistogramKernel(CONFIG).execute(frame))


@pytest.mark.parametrize(
    "frame", [np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2, 3), np.float32)]
)
def test_histogram_of_other_frames_is_an_error(frame: np.ndarray) -> None:
    with pytest.raises(ElementTypeError, match=r"^Histogram expected an H x W x 3"):
        HistogramKernel(CONFIG).execute(frame)
    with pytest.raises(ElementTypeError, match=r"^HSVHistogram expected an H x W x 3"):
        HSVHistogram(CONFIG).execute(frame)


# HSVHistogram


def bins(values: np.ndarray) -> list[np.ndarray]:
    return [
        np.histogram(c, bins=16, range=(0, 256))[0] for c in np.moveaxis(values, 2, 0)
    ]


@given(FRAMES)
def test_hsv_histogram_equals_numpy(frame: np.ndarray) -> None:
    counts = HSVHistogram(CONFIG).execute(frame)
    assert np.array_equal(counts, bins(cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)))
    assert all(channel.dtype == np.int32 for channel in counts)
    view = frame[::-1, ::-1]
    assert np.array_equal(counts, HSVHistogram(CONFIG).execute(view))


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_hsv_histogram_of_a_color_equals_pythons(color: tuple[int, int, int]) -> None:
    frame = np.full((2, 3, 3), color, np.uint8)
    counts = HSVHistogram(CONFIG).execute(frame)
    exact = np.multiply(colorsys.rgb_to_hsv(*(c / 255 for c in color)), (180, 255, 255))
    for channel, value, turn in zip(counts, exact, (180, 256, 256), strict=True):
        (found,) = np.flatnonzero(channel)
        assert channel[found] == 6
        near = np.rint([value - 0.01, value + 0.01]) % turn
        assert found in near // 16


def test_hsv_histogram_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingDependencyError, match=r"HSVHistogram.*\[opencv\]"):
        HSVHistogram(CONFIG)
