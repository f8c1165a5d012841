"""What was found, as SVG at its place."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from beam_scanner import protobufs
from beam_scanner.notebook.overlays import overlay
from beam_scanner.types import NULL, Keypoint, Keypoints, Label, Mask, Text
from tests.text.test_cards import HOSTILE

SHAPE = (100, 200, 3)


def parts(found: Any) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(overlay(found, SHAPE)))


def test_boxes() -> None:
    box = protobufs.BoundingBox(x1=0.5, y1=0.8, x2=0.25, y2=0.2, score=0.75, label=3)
    rect, text = parts([box])
    place = [float(rect.attrib[name]) for name in ("x", "y", "width", "height")]
    assert place == [50, 20, 50, 60]
    assert text.text == "3 0.75"
    assert len(parts(box)) == 2
    box.track_id = 7
    assert parts([box])[1].text == "#7 0.75"


def test_points_are_where_they_are() -> None:
    things = [Keypoints([Keypoint(0.5, 0.25), Keypoint(0.1, 0.1, 0.0)])]
    [circle] = parts(things)
    assert (circle.attrib["cx"], circle.attrib["cy"]) == ("100.0", "25.0")
    assert parts(things[0])[0].attrib == circle.attrib


def test_texts_with_corners_are_outlined_and_others_are_lines() -> None:
    corners = [(0.1, 0.2), (0.3, 0.2), (0.3, 0.4), (0.1, 0.4)]
    outline, text = parts([Text(HOSTILE, 1.0, corners)])
    assert outline.attrib["points"] == "20.0,20.0 60.0,20.0 60.0,40.0 20.0,40.0"
    assert text.text is not None
    assert text.text.startswith("<script>")
    said = [
        each.text for each in parts([Label("cat", 0.5), Text("EXIT"), "a", 7, 0.25])
    ]
    assert said == ["cat 0.50", "EXIT", "a", "7", "0.25"]


def test_a_mask_covers_what_is_inside() -> None:
    inside = np.zeros((100, 200), bool)
    inside[50:, 100:] = True
    [path] = parts(Mask.from_array(inside))
    columns = re.findall(r"M([\d.]+) ([\d.]+)h", path.attrib["d"])
    assert min(float(x) for x, _ in columns) == pytest.approx(100, abs=3)
    assert all(float(y) == pytest.approx(50, abs=3) for _, y in columns)
    assert overlay(Mask.from_array(np.zeros((4, 4))), SHAPE) == ""


def test_flow_is_lines_from_where_pixels_are() -> None:
    flow = np.zeros((100, 200, 2), np.float32)
    flow[:, 108:] = (10, 5)
    lines = [each for each in parts(flow) if each.tag == "path"]
    assert lines
    for line in lines:
        begin_x, begin_y, x, y = map(float, re.findall(r"-?[\d.]+", line.attrib["d"]))
        assert begin_x >= 108
        assert (x - begin_x, y - begin_y) == pytest.approx((10, 5), abs=0.2)
    assert overlay(np.full((4, 4, 2), np.nan), SHAPE) == ""


@pytest.mark.parametrize("found", [None, NULL, [], {}, b"x", np.zeros(3), [{}], [None]])
def test_what_has_no_place_is_not_drawn(found: Any) -> None:
    assert overlay(found, SHAPE) == ""
