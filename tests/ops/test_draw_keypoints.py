"""Points and edges, drawn as OpenCV draws them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.ops._colors import color_of_number
from beam_scanner.ops.draw_keypoints import COCO, DrawKeypoints
from beam_scanner.types import Keypoint, Keypoints
from tests.support.frames import CONFIG, picture


def points(*places: tuple[float, float], score: float = 1.0) -> Keypoints:
    return Keypoints([Keypoint(x, y, score) for x, y in places])


def test_points_and_edges_equal_opencvs() -> None:
    frame = picture(240, 320)
    thing = points((0.25, 0.5), (0.75, 0.25), (0.5, 0.9))
    drawn = DrawKeypoints(CONFIG, edges=[(0, 1), (0, 9)], radius=4).execute(
        frame, [points(), thing]
    )
    expected = frame.copy()
    color = color_of_number(1)
    cv2.line(expected, (80, 120), (240, 60), color, 2, cv2.LINE_AA)
    for place in ((80, 120), (240, 60), (160, 216)):
        cv2.circle(expected, place, 5, (0, 0, 0), -1, cv2.LINE_AA)
        cv2.circle(expected, place, 4, color, -1, cv2.LINE_AA)
    assert np.array_equal(drawn, expected)


def test_one_thing_is_like_a_list_of_one() -> None:
    frame, thing = picture(), points((0.5, 0.5))
    draw: Any = DrawKeypoints(CONFIG)
    assert np.array_equal(draw.execute(frame, thing), draw.execute(frame, [thing]))
    gray = draw.execute(frame[..., :1], [thing])
    assert gray[24, 32, 0] == 255


@pytest.mark.parametrize(
    "unseen",
    [
        points((0.5, 0.5), score=0.2),
        points((float("nan"), 0.5)),
        points((1e30, 0.5)),
        points(),
    ],
)
def test_what_is_not_seen_is_not_drawn(unseen: Keypoints) -> None:
    drawn = DrawKeypoints(CONFIG, edges=[(0, 0)]).execute(picture(), [unseen])
    assert np.array_equal(drawn, picture())


def test_edges_of_people() -> None:
    assert {number for edge in COCO for number in edge} == set(range(17))
    person = points(*[(0.05 * n, 0.5) for n in range(17)])
    named = DrawKeypoints(CONFIG, edges="coco").execute(picture(), [person])
    given = DrawKeypoints(CONFIG, edges=COCO).execute(picture(), [person])
    assert np.array_equal(named, given)


def test_what_is_refused() -> None:
    for edges in ("dog", [1, 2], [(1, 2, 3)], 7):
        with pytest.raises(ArgumentError, match="edges"):
            DrawKeypoints(CONFIG, edges=edges)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="radius of 0 or more"):
        DrawKeypoints(CONFIG, radius=-1)
    with pytest.raises(ElementTypeError, match="DrawKeypoints expected"):
        DrawKeypoints(CONFIG).execute(picture().astype(np.float32), [])
