"""Frames side by side, laid out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.ops.side_by_side import SideBySide
from tests.support.frames import CONFIG, picture


def test_frames_of_one_size_are_as_they_are() -> None:
    one, two, gray = picture(), picture(shift=5), picture(shift=9)[..., :1]
    drawn = SideBySide(CONFIG).execute(one, two, gray)
    expected = np.hstack([one, two, np.repeat(gray, 3, axis=2)])
    assert np.array_equal(drawn, expected)
    below = SideBySide(CONFIG, vertical=True).execute(one, two)
    assert np.array_equal(below, np.vstack([one, two]))
    assert np.array_equal(SideBySide(CONFIG).execute(one), one)
    both = SideBySide(CONFIG).execute(gray, gray)
    assert np.array_equal(both, np.hstack([gray, gray]))


def test_others_are_scaled_to_the_first() -> None:
    large = picture(96, 160)
    drawn = SideBySide(CONFIG, gap=3).execute(picture(), large)
    assert drawn.shape == (48, 64 + 3 + 80, 3)
    assert not drawn[:, 64:67].any()
    scaled = cv2.resize(large, (80, 48), interpolation=cv2.INTER_AREA)
    assert np.array_equal(drawn[:, 67:], scaled)
    below = SideBySide(CONFIG, vertical=True, gap=1).execute(picture(), large)
    assert below.shape == (48 + 1 + 38, 64, 3)


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match="gap of 0 or more"):
        SideBySide(CONFIG, gap=-1)
    for other in (picture().astype(np.float32), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(ElementTypeError, match="SideBySide expected frames"):
            SideBySide(CONFIG).execute(picture(), other)
