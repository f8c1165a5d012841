"""Flow, in the colors that OpenCV gives it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.ops.draw_flow import DrawFlow
from beam_scanner.types.viewable import flow_colors
from tests.support.frames import CONFIG, picture


def test_flow_colors_equal_opencvs() -> None:
    flow = np.random.default_rng(1).normal(size=(20, 30, 2)).astype(np.float32)
    speed, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1])
    hsv = np.stack(
        (np.degrees(angle), np.ones_like(speed), speed / speed.max()), axis=-1
    )
    expected = cv2.cvtColor(hsv.astype(np.float32), cv2.COLOR_HSV2RGB) * 255
    assert np.abs(flow_colors(flow) - expected).max() <= 1
    assert not flow_colors(np.zeros((2, 2, 2), np.float32)).any()


def test_draw_flow() -> None:
    flow = np.ones((48, 64, 2), np.float32)
    drawn = DrawFlow(CONFIG).execute(picture(), flow)
    assert np.array_equal(drawn[:, :64], picture())
    assert np.array_equal(drawn[:, 64:], flow_colors(flow))
    with pytest.raises(ElementTypeError, match="DrawFlow expected"):
        DrawFlow(CONFIG).execute(picture(), flow[:-1])


def moving(x: float, y: float) -> np.ndarray:
    return np.broadcast_to(np.array([x, y], np.float32), (48, 64, 2))


def test_brightness_of_a_fixed_speed() -> None:
    assert flow_colors(moving(3, 0), fastest=6)[0, 0].tolist() == [128, 0, 0]
    assert flow_colors(moving(9, 0), fastest=6)[0, 0].tolist() == [255, 0, 0]
    assert not flow_colors(moving(np.nan, 1)).any()


def test_flow_over_a_frame_leaves_what_is_still() -> None:
    flow = np.zeros((48, 64, 2), np.float32)
    flow[:, 32:] = (4, 0)
    drawn = DrawFlow(CONFIG, style="over").execute(picture(), flow)
    assert np.array_equal(drawn[:, :32], picture()[:, :32])
    expected = np.rint(picture()[:, 32:] * 0.3 + np.array([178.5, 0, 0]))
    assert np.abs(drawn[:, 32:] - expected).max() <= 1


def test_arrows_point_where_pixels_move() -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    draw = DrawFlow(CONFIG, style="arrows")
    assert not draw.execute(frame, moving(0.4, 0)).any()
    assert not draw.execute(frame, moving(np.nan, 0)).any()
    one = np.zeros((48, 64, 2), np.float32)
    one[16:24, 16:24] = (14, 0)
    drawn = draw.execute(frame, one)
    # From the middle of the cell to the right, yellow.
    assert drawn[20, 21:34, 0].min() > 200
    assert not drawn[..., 2].any()
    changed = np.argwhere(drawn.any(axis=2))
    assert changed[:, 1].min() >= 18
    assert changed[:, 1].max() >= 33
    draw.execute(frame, moving(1e30, -1e30))


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no style 'beneath'"):
        DrawFlow(CONFIG, style="beneath")
    with pytest.raises(ArgumentError, match="fastest of 0 or more"):
        DrawFlow(CONFIG, fastest=-1)
