"""Histograms of flow, against one pixel after the other and against OpenCV."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner.errors import ElementTypeError
from beam_scanner.ops.flow import OpticalFlow
from beam_scanner.ops.flow_histogram import FlowCounts, FlowHistogram
from beam_scanner.storage import NamedStorage, NamedStream
from tests.support.frames import CONFIG, picture

SIDES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(2))
# Whole numbers lie on the edges of bins: lengths of 3-4-5 triangles, axes, diagonals.
WHOLE = st.integers(-70, 70).map(float)
ANY = st.floats(width=32) | st.sampled_from([-0.0, -1e-30, math.nan, math.inf])


def one_by_one(flow: np.ndarray) -> np.ndarray:
    counts = np.zeros((2, 64), int)
    for x, y in flow.reshape(-1, 2).tolist():
        if math.isnan(x) or math.isnan(y):
            continue
        if math.hypot(x, y) < 64:
            counts[0, math.floor(math.hypot(x, y))] += 1
        degrees = math.degrees(math.atan2(y, x)) if x or y else 0.0
        turned = degrees + 360 if degrees < 0 else degrees
        counts[1, min(math.floor(turned / 5.625), 63)] += 1
    return counts


@given(hnp.arrays(np.float32, SIDES, elements=WHOLE | ANY, fill=st.nothing()))
def test_counts_equal_those_of_single_pixels(flow: np.ndarray) -> None:
    found = FlowHistogram(CONFIG).execute(flow)
    assert np.array_equal(found, one_by_one(flow))
    assert all(counts.dtype == np.int32 for counts in found)


@pytest.mark.parametrize("eighth", range(8))
def test_directions(eighth: int) -> None:
    steps = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]
    flow = np.full((3, 4, 2), steps[eighth], np.float32)
    assert FlowHistogram(CONFIG).execute(flow).direction[8 * eighth] == 12


def test_what_has_no_bin() -> None:
    flow = np.zeros((1, 5, 2), np.float32)
    flow[0, :4, 0] = 64, np.nextafter(np.float32(64), np.float32(0)), np.inf, np.nan
    magnitude, direction = FlowHistogram(CONFIG).execute(flow)
    assert (magnitude.sum(), magnitude[63], magnitude[0]) == (2, 1, 1)
    assert (direction.sum(), direction[0]) == (4, 4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_flow_of_any_float(dtype: type) -> None:
    flow = np.full((2, 2, 2), (3, 4), dtype)
    assert FlowHistogram(CONFIG).execute(flow).magnitude[5] == 4


def test_counts_of_a_moving_picture_are_near_opencvs() -> None:
    flow = OpticalFlow(CONFIG).execute([picture(), picture(shift=2)])
    polar = cv2.cartToPolar(flow[..., 0], flow[..., 1], angleInDegrees=True)
    found = FlowHistogram(CONFIG).execute(flow)
    for counts, values, top in zip(found, polar, (64, 360), strict=True):
        expected = cv2.calcHist([values], [0], None, [64], [0, top]).ravel()
        # OpenCV's angles are off by up to 0.3 degrees, which moves few of 3072 pixels.
        assert np.abs(counts - expected).sum() <= 60
        assert counts.sum() == 48 * 64


def test_counts_are_stored_with_their_names(tmp_path: Path) -> None:
    counts = FlowHistogram(CONFIG).execute(np.ones((2, 2, 2), np.float32))
    stream = NamedStream(NamedStorage(tmp_path), "flows")
    stream.save([counts], FlowCounts)
    (loaded,) = stream.load()
    assert type(loaded) is FlowCounts
    assert np.array_equal(loaded, counts)


@pytest.mark.parametrize(
    "flow", [np.zeros((2, 2, 3), np.float32), np.zeros((2, 2, 2), np.uint8)]
)
def test_other_frames_are_errors(flow: np.ndarray) -> None:
    with pytest.raises(ElementTypeError, match="H x W x 2 flow of floats"):
        FlowHistogram(CONFIG).execute(flow)
