"""Frames of any kind as pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner.types.viewable import fitting, flow_colors, scaled, viewable
from tests.support.frames import picture


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16, np.float32, np.float64, bool]),
        st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6)),
    )
)
def test_any_frame_is_a_picture(frame: np.ndarray) -> None:
    shown = viewable(frame)
    assert shown.shape == (*frame.shape[:2], 3)
    assert shown.dtype == np.uint8
    assert viewable(frame[..., 0]).shape == shown.shape


def test_pictures_stay_as_they_are() -> None:
    frame = picture()
    assert np.array_equal(viewable(frame), frame)
    rgba = np.dstack([frame, np.full(frame.shape[:2], 9, np.uint8)])
    assert np.array_equal(viewable(rgba), frame)
    gray = viewable(frame[..., 0])
    assert np.array_equal(gray, np.repeat(frame[..., :1], 3, axis=2))


def test_other_numbers_are_stretched() -> None:
    values = np.array([[-1.0, 0.0, 3.0, np.nan, np.inf]])
    assert viewable(values)[0, :, 0].tolist() == [0, 64, 255, 0, 0]
    assert not viewable(np.full((2, 2), np.nan)).any()
    flow = np.ones((2, 2, 2), np.float32)
    assert np.array_equal(viewable(flow), flow_colors(flow))


@pytest.mark.parametrize(("width", "height"), [(32, 24), (16, 12), (64, 48), (7, 5)])
def test_scaling_is_a_mean(width: int, height: int) -> None:
    found = scaled(picture(), width, height)
    expected = cv2.resize(picture(), (width, height), interpolation=cv2.INTER_AREA)
    assert found.shape == (height, width, 3)
    assert np.abs(found.astype(int) - expected).mean() < 3


def test_what_fits_is_not_scaled() -> None:
    assert np.array_equal(fitting(picture(), 64), picture())
    assert fitting(picture(), 32).shape == (24, 32, 3)
    assert fitting(np.zeros((1, 900, 3), np.uint8), 16).shape == (1, 16, 3)
