"""Color conversions, against OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from beam_scanner.errors import (
    ArgumentError,
)
from beam_scanner.ops.color import ConvertColor
from tests.support.frames import CONFIG, picture

# Colors, filters, flow


def test_convert_color_equals_opencv() -> None:
    convert = ConvertColor(CONFIG)
    for name in ("COLOR_RGB2HSV", "COLOR_RGB2GRAY"):
        convert.new_stream(name)
        result = convert.execute(picture())
        expected = cv2.cvtColor(picture(), getattr(cv2, name))
        assert result.ndim == 3
        assert np.array_equal(result.squeeze(), expected)
    with pytest.raises(ArgumentError, match="COLOR_RGB2GRAY cannot convert"):
        convert.execute(np.zeros((2, 2, 1), np.uint8))
    for name in ("RGB2GRAY", "COLOR_NO", "imread"):
        with pytest.raises(ArgumentError, match="no conversion"):
            convert.new_stream(name)
