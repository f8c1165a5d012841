"""Optical flow, against OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np

from beam_scanner.ops.flow import OpticalFlow
from tests.support.frames import CONFIG, picture


def test_optical_flow_equals_opencv() -> None:
    first, second = picture(), picture(shift=2)
    flow = OpticalFlow(CONFIG).execute([first, second])
    gray = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in (first, second)]
    expected = cv2.calcOpticalFlowFarneback(*gray, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
    assert flow.dtype == np.float32
    assert np.array_equal(flow, expected)
    assert abs(np.median(flow[..., 0]) - 2) < 0.3
    grays = [g[..., None] for g in gray]
    assert np.array_equal(OpticalFlow(CONFIG).execute(grays), expected)
