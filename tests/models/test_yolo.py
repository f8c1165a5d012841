"""Outputs of YOLO, made of boxes that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.models.yolo import Yolo

pytest.importorskip("cv2")

FRAME = np.zeros((120, 320, 3), np.uint8)
BOXES = np.array([[10, 20, 110, 60], [200, 8, 280, 100], [12, 20, 110, 60]], np.float32)
SCORES, CLASSES = np.array([0.9, 0.8, 0.7], np.float32), np.array([2, 0, 2])


def output(layout: str, boxes: Any, scores: Any, classes: Any) -> np.ndarray:
    """What a model with a square of 160 pixels says: the frame is halved."""
    small = boxes / 2
    if layout == "boxes":
        return np.column_stack([small, scores, classes])
    centre, size = (small[:, :2] + small[:, 2:]) / 2, small[:, 2:] - small[:, :2]
    each = np.zeros((len(boxes), 3), np.float32)
    each[np.arange(len(boxes)), classes] = scores
    nothing = np.zeros((400, 0))
    if layout == "yolov5":
        rows = np.hstack([centre, size, np.full((len(boxes), 1), 0.5), each * 2])
        nothing = np.zeros((400, 8))
        return np.vstack([nothing, rows])
    rows = np.hstack([centre, size, each])
    return np.vstack([np.zeros((400, 7)), rows]).T


@pytest.mark.parametrize("layout", ["yolov8", "yolov5", "boxes"])
def test_boxes_are_read(layout: str) -> None:
    yolo = Yolo(layout, size=160)
    given = output(layout, BOXES, SCORES, CLASSES)
    for value in (given, {"output0": given, "masks": None}):
        found = yolo.postprocess(value, FRAME)
        # The third overlaps the first; layout boxes has left out such ones itself.
        count = 3 if layout == "boxes" else 2
        corners = [[box.x1, box.y1, box.x2, box.y2] for box in found]
        assert np.allclose(corners, (BOXES / [320, 120, 320, 120])[:count], atol=1e-6)
        assert [box.label for box in found] == CLASSES[:count].tolist()
        assert np.allclose([box.score for box in found], SCORES[:count])
    assert len(Yolo(layout, size=160, score=0.85).postprocess(given, FRAME)) == 1


def test_wrong_layouts() -> None:
    with pytest.raises(ArgumentError, match="yolov8, yolov5, boxes, got 'yolov3'"):
        Yolo("yolov3")
    given = output("yolov8", BOXES, SCORES, CLASSES)
    with pytest.raises(ElementTypeError, match=r"shape \(7, 403\).*layout boxes is"):
        Yolo("boxes", size=160).postprocess(given, FRAME)
    with pytest.raises(ElementTypeError, match=r"shape \(5,\)"):
        Yolo(size=160).postprocess(np.zeros(5), FRAME)
