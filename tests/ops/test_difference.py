"""Differences of frames, against OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner.ops.difference import FrameDifference
from tests.support.frames import CONFIG, FRAMES


@given(FRAMES, st.data())
def test_frame_difference_equals_opencv(frame: np.ndarray, data: st.DataObject) -> None:
    other = data.draw(hnp.arrays(np.uint8, frame.shape))
    result = FrameDifference(CONFIG).execute([frame, other])
    assert result.dtype == np.uint8
    assert np.array_equal(result, cv2.absdiff(frame, other).reshape(frame.shape))
