"""Histograms, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from beam_scanner.errors import (
    ElementTypeError,
)
from beam_scanner.ops.histogram import HistogramKernel, histogram_with_numpy
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
    with pytest.raises(ElementTypeError, match="H x W x 3 frame of uint8"):
        HistogramKernel(CONFIG).execute(frame)
