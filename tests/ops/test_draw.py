"""Boxes and flow, drawn as OpenCV draws them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import protobufs
from beam_scanner.errors import (
    ElementTypeError,
)
from beam_scanner.ops.draw import DrawBboxes, DrawFlow, flow_colors
from tests.support.frames import CONFIG, picture


@given(
    st.lists(st.tuples(*[st.floats(-0.5, 1.5, width=32)] * 4), max_size=3),
    st.sampled_from([1, 3]),
)
def test_boxes_equal_opencvs(
    corners: list[tuple[float, float, float, float]], channels: int
) -> None:
    frame = np.ascontiguousarray(picture()[..., :channels])
    boxes = [
        protobufs.BoundingBox(x1=x1, y1=y1, x2=x2, y2=y2) for x1, y1, x2, y2 in corners
    ]
    expected = frame.copy()
    for box in boxes:
        first = (int(box.x1 * 64), int(box.y1 * 48))
        second = (int(box.x2 * 64), int(box.y2 * 48))
        cv2.rectangle(expected, first, second, (255, 0, 0))
    assert np.array_equal(DrawBboxes(CONFIG).execute(frame, boxes), expected)


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
