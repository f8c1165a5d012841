"""Frames in squares, and boxes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError
from beam_scanner.models.letterboxes import Letterbox

pytest.importorskip("cv2")


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
def test_a_frame_is_in_the_corner(height: int, width: int, size: int) -> None:
    frame = np.full((height, width, 3), 200, np.uint8)
    square = Letterbox(size, color=7)(frame)
    assert square.shape == (size, size, 3)
    scale = size / max(height, width)
    inside = np.zeros((size, size), bool)
    inside[: max(1, round(height * scale)), : max(1, round(width * scale))] = True
    assert (square[inside] == 200).all()
    assert (square[~inside] == 7).all()


def test_channels_first() -> None:
    frame = np.zeros((20, 40, 3), np.uint8)
    frame[..., 2] = 255
    square = Letterbox(40, channels_first=True)(frame)
    assert square.shape == (3, 40, 40)
    assert square.dtype == np.float32
    assert square[:, 3, 3].tolist() == [0, 0, 1]


def test_boxes_come_back() -> None:
    letterbox, frame = Letterbox(100), np.zeros((50, 200, 3), np.uint8)
    found = letterbox.to_frame([[10, 5, 50, 25], [-5, 0, 120, 90]], frame)
    assert found.tolist() == [[20, 10, 100, 50], [0, 0, 200, 50]]
    assert letterbox.to_frame([], frame).shape == (0, 4)
    with pytest.raises(ArgumentError, match="1 or more"):
        Letterbox(0)
