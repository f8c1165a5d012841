"""Resizing without OpenCV gives what OpenCV gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from beam_scanner.ops import _resample
from beam_scanner.ops.blur import Blur
from beam_scanner.ops.difference import FrameDifference
from beam_scanner.ops.draw_bboxes import DrawBboxes
from tests.support.frames import CONFIG, picture, resize

# Resize


@pytest.mark.parametrize("interpolation", _resample.INTERPOLATIONS)
@pytest.mark.parametrize("size", [(30, 20), (70, 80), (90, 20), (32, 24), (1, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_resize_equals_opencv(
    interpolation: str, size: tuple[int, int], dtype: str
) -> None:
    frame = picture().astype(dtype)
    code = getattr(cv2, interpolation)
    expected = cv2.resize(frame, size, interpolation=code)
    width, height = size
    resized = resize(frame, width=width, height=height, interpolation=interpolation)
    assert np.array_equal(expected, resized)
    ours = _resample.resize_with_numpy(frame, width, height, interpolation)
    assert ours.dtype == frame.dtype
    assert np.abs(expected.astype(float) - ours).max() <= (dtype != "float32") + 1e-3


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float64"])
def test_resize_keeps_dtype_and_channels(channels: int, dtype: str) -> None:
    frame = np.repeat(picture()[..., :1], channels, axis=2).astype(dtype)
    resized = resize(frame, width=20, height=10)
    assert resized.shape == (10, 20, channels)
    assert resized.dtype == dtype
    expected = cv2.resize(picture()[..., 0], (20, 10))
    assert np.abs(resized[..., -1] - expected.astype(float)).max() <= 1


def test_results_are_fresh() -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    for result in (
        resize(frame, width=4, height=4),
        DrawBboxes(CONFIG).execute(frame, []),
        FrameDifference(CONFIG).execute([frame, frame]),
        Blur(CONFIG, kernel_size=1).execute(frame),
    ):
        assert not np.shares_memory(result, frame)
