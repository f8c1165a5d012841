"""Boxes that are kept, against a plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError
from beam_scanner.models.boxes import best_boxes

pytest.importorskip("cv2")

FRAME = np.zeros((100, 200, 3), np.uint8)


def shared_part(one: Any, other: Any) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def plain_loop(
    boxes: list[Any], scores: list[float], labels: list[int], least: float
) -> list[int]:
    kept: list[int] = []
    for row in sorted(range(len(boxes)), key=lambda row: -scores[row]):
        alone = all(
            labels[row] != labels[other] or shared_part(boxes[row], boxes[other]) <= 0.5
            for other in kept
        )
        if scores[row] >= least and alone:
            kept.append(row)
    return kept


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.sampled_from([0.0, 0.4]))
def test_the_best_are_kept(seed: int, count: int, least: float) -> None:
    random = np.random.default_rng(seed)
    low = random.uniform(0, 40, (count, 2))
    boxes = np.hstack([low, low + random.uniform(10, 50, (count, 2))])
    scores = (random.permutation(count) + 1) / (count + 1)
    labels = random.integers(0, 2, count)
    found = best_boxes(boxes, scores, labels, FRAME, score=least, overlap=0.5)
    rows = plain_loop(boxes.tolist(), scores.tolist(), labels.tolist(), least)
    assert [box.label for box in found] == labels[rows].tolist()
    assert np.allclose([box.score for box in found], scores[rows])
    corners = [[box.x1, box.y1, box.x2, box.y2] for box in found]
    shares = (boxes / [200, 100, 200, 100])[rows].reshape(-1, 4)
    assert np.allclose(np.reshape(corners, (-1, 4)), shares, atol=1e-6)


def test_limits() -> None:
    boxes = np.arange(40).reshape(10, 4) * [1, 1, 2, 2] + [0, 0, 1, 1]
    one: Any = {"score": 0.0, "overlap": 1.0}
    assert len(best_boxes(boxes, np.ones(10), np.zeros(10), FRAME, **one)) == 10
    found = best_boxes(boxes, np.ones(10), range(10), FRAME, most=3, **one)
    assert [box.label for box in found] == [0, 1, 2]
    with pytest.raises(ElementTypeError, match="10 boxes, 9 scores and 10 labels"):
        best_boxes(boxes, np.ones(9), np.zeros(10), FRAME, **one)
