"""OpenCV is needed by a few ops alone, which say so."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from beam_scanner.errors import (
    MissingDependencyError,
)
from beam_scanner.ops.blur import Blur
from beam_scanner.ops.color import ConvertColor
from beam_scanner.ops.flow import OpticalFlow
from beam_scanner.ops.histogram import HistogramKernel
from tests.support.frames import CONFIG, picture, resize


def test_ops_that_need_opencv_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    for make in (
        lambda: Blur(CONFIG, kernel_size=3),
        lambda: OpticalFlow(CONFIG),
        lambda: ConvertColor(CONFIG).new_stream("COLOR_RGB2GRAY"),
    ):
        with pytest.raises(MissingDependencyError, match=r"pip install .*\[opencv\]"):
            make()


def test_other_ops_need_no_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = picture()
    with_opencv = HistogramKernel(CONFIG).execute(frame)
    resized = resize(frame, width=20, height=30)
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert np.array_equal(with_opencv, HistogramKernel(CONFIG).execute(frame))
    assert np.abs(np.subtract(resized, resize(frame, width=20, height=30), dtype=int)
                  ).max() <= 1  # fmt: skip
