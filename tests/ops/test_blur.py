"""Blurred frames, against OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from beam_scanner.errors import (
    ArgumentError,
)
from beam_scanner.ops.blur import Blur
from tests.support.frames import CONFIG, picture


def test_blur_equals_opencv() -> None:
    frame = picture()
    gauss = Blur(CONFIG, kernel_size=5, sigma=1.5).execute(frame)
    assert np.array_equal(gauss, cv2.GaussianBlur(frame, (5, 5), 1.5))
    box = Blur(CONFIG, kernel_size=4).execute(frame)
    assert np.array_equal(box, cv2.blur(frame, (4, 4)))
    assert Blur(CONFIG, kernel_size=3).execute(frame[..., :1]).shape == (48, 64, 1)
    for arguments in ({"kernel_size": 0}, {"kernel_size": 4, "sigma": 1},
                      {"kernel_size": 3, "sigma": -1}):  # fmt: skip
        with pytest.raises(ArgumentError, match="Blur needs"):
            Blur(CONFIG, **arguments)
