"""Boxes, drawn as OpenCV draws them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.ops._colors import color_of_number
from beam_scanner.ops.draw_bboxes import DrawBboxes
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
        # Fractions that float32 holds as a little less than a whole pixel are that pixel.
        first = (int(box.x1 * 64 + 1e-3), int(box.y1 * 48 + 1e-3))
        second = (int(box.x2 * 64 + 1e-3), int(box.y2 * 48 + 1e-3))
        cv2.rectangle(expected, first, second, (255, 0, 0))
    assert np.array_equal(DrawBboxes(CONFIG).execute(frame, boxes), expected)


def box(**fields: Any) -> protobufs.BoundingBox:
    return protobufs.BoundingBox(x1=0.25, y1=0.5, x2=0.5, y2=0.75, **fields)


def test_thick_lines_grow_to_the_inside() -> None:
    frame = np.zeros((80, 80, 3), np.uint8)
    drawn = DrawBboxes(CONFIG, color="#102030", thickness=3).execute(frame, [box()])
    expected = frame.copy()
    expected[40:61, 20:41] = (16, 32, 48)
    expected[43:58, 23:38] = 0
    assert np.array_equal(drawn, expected)
    # A line is never thicker than its box.
    filled = DrawBboxes(CONFIG, thickness=99).execute(frame, [box()])
    expected[40:61, 20:41] = (255, 0, 0)
    assert np.array_equal(filled, expected)
    large = np.zeros((1080, 1920, 3), np.uint8)
    chosen = DrawBboxes(CONFIG, thickness=0).execute(large, [box()])
    assert np.array_equal(
        chosen, DrawBboxes(CONFIG, thickness=3).execute(large, [box()])
    )


def test_each_label_and_each_track_has_a_color() -> None:
    frame = np.zeros((80, 80, 3), np.uint8)
    boxes = [box(label=3, track_id=5)]
    for color, number in ("label", 3), ("track", 5):
        drawn = DrawBboxes(CONFIG, color=color).execute(frame, boxes)
        assert tuple(drawn[40, 20]) == color_of_number(number)


def test_text_stands_at_each_box() -> None:
    pytest.importorskip("fontpkg")
    frame = np.zeros((240, 320, 3), np.uint8)
    draw = DrawBboxes(CONFIG, text="{name} {score:.2f}", names=["cat", "dog"])
    [drawn] = [draw.execute(frame, [box(label=1, score=0.5)])]
    plain = DrawBboxes(CONFIG).execute(frame, [box()])
    changed = np.argwhere((drawn != plain).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    # On a ground of the box's color, that ends where the box begins.
    assert (left, bottom) == (80, 119)
    assert tuple(drawn[top, left]) == (255, 0, 0)
    assert (drawn[top:bottom, left:right].min(axis=2) > 200).any()
    other = draw.execute(frame, [box(label=0, score=0.5)])
    assert not np.array_equal(other, drawn)
    # Where there is no room above, it is inside; beside the frame there is none.
    high = protobufs.BoundingBox(x1=0.9, y1=0, x2=1.0, y2=0.4)
    assert tuple(draw.execute(frame, [high])[1, 300]) == (255, 0, 0)
    away = protobufs.BoundingBox(x1=0.1, y1=-2, x2=0.4, y2=-1)
    assert not draw.execute(frame, [away]).any()
    with pytest.raises(ElementTypeError, match="DrawBboxes expected frames of uint8"):
        draw.execute(frame.astype(np.float32), [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"color": "mauve"}, "no color 'mauve'"),
        ({"thickness": -1}, "thickness of 0 or more"),
        ({"text": "{nam}"}, "cannot be filled in with name, label"),
        ({"text": "{label"}, "cannot be filled in"),
    ],
)
def test_what_is_refused(arguments: dict[str, object], message: str) -> None:
    if "text" in arguments:
        pytest.importorskip("fontpkg")
    with pytest.raises(ArgumentError, match=message):
        DrawBboxes(CONFIG, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 35, 96, 640, 1920, 4096])
def test_corners_that_are_pixels(size: int) -> None:
    draw = DrawBboxes(CONFIG)
    for pixel in range(0, size, max(size // 100, 1)):
        part = pixel / size
        box = protobufs.BoundingBox(x1=part, x2=part, y1=0, y2=0.5)
        drawn = draw.execute(np.zeros((1, size, 3), np.uint8), [box])
        assert np.flatnonzero(drawn[0, :, 0]).tolist() == [pixel]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("corner", ["x1", "x2", "y1", "y2"])
def test_boxes_that_are_nowhere(wrong: float, corner: str) -> None:
    box = protobufs.BoundingBox(x1=0.25, y1=0.25, x2=0.5, y2=0.5)
    setattr(box, corner, wrong)
    frame = np.zeros((8, 8, 3), np.uint8)
    assert not DrawBboxes(CONFIG).execute(frame, [box]).any()


def test_frames_without_channels() -> None:
    box = protobufs.BoundingBox(x1=0.25, y1=0.25, x2=0.5, y2=0.5)
    with pytest.raises(ElementTypeError, match=r"DrawBboxes expected .* \(8, 8\)"):
        DrawBboxes(CONFIG).execute(np.zeros((8, 8), np.uint8), [box])
