"""Boxes of what a detector found, the best of those that overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner import protobufs
from beam_scanner.errors import ElementTypeError
from beam_scanner.models.libraries import OPENCV, library


def best_boxes(
    corners: npt.ArrayLike,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    frame: npt.NDArray[Any],
    *,
    score: float,
    overlap: float,
    most: int = 300,
) -> list[protobufs.BoundingBox]:
    """Boxes of a frame, the surest first.

    Of two boxes of one label that overlap, the less sure one is left out
    (non-maximum suppression).

    Args:
        corners: ``[n, 4]``, each x1, y1, x2, y2 in pixels of the frame.
        scores: ``[n]``.
        labels: ``[n]``, numbers of classes.
        frame: The frame.
        score: Boxes below are left out.
        overlap: Intersection over union, above which two boxes are of one thing; 1 for
            a model that has left out such boxes.
        most: How many there are at most.

    Returns:
        Boxes with corners as fractions of the frame, ``score`` and ``label``.

    Raises:
        ElementTypeError: There are not as many scores and labels as boxes.
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> frame = np.zeros((100, 200, 3), np.uint8)
        >>> corners = [[20, 10, 60, 50], [22, 10, 60, 50], [22, 10, 60, 50]]
        >>> found = best_boxes(corners, [0.8, 0.9, 0.7], [0, 0, 5], frame,
        ...                    score=0.5, overlap=0.5)
        >>> [(box.label, round(box.x1, 2), box.y2) for box in found]
        [(0, 0.11, 0.5), (5, 0.11, 0.5)]
    """
    places = np.asarray(corners, np.float32).reshape(-1, 4)
    sure = np.asarray(scores, np.float32).reshape(-1)
    kinds = np.asarray(labels).astype(np.int64).reshape(-1)
    if not len(places) == len(sure) == len(kinds):
        raise ElementTypeError(
            f"there are {len(places)} boxes, {len(sure)} scores and {len(kinds)} labels"
        )
    # Stable, so that equal scores leave the order of the model.
    order = np.argsort(-sure, kind="stable")
    order = order[sure[order] >= score]
    if overlap < 1 and len(order):
        cv2 = library(OPENCV, "non-maximum suppression")
        sides = places[:, 2:] - places[:, :2]
        kept = cv2.dnn.NMSBoxesBatched(
            np.hstack([places[:, :2], sides])[order].astype(np.float64).tolist(),
            sure[order].tolist(),
            kinds[order].tolist(),
            0.0,
            overlap,
        )
        order = order[np.sort(np.asarray(kept, np.int64).reshape(-1))]
    height, width = frame.shape[:2]
    shares = places / np.array([width, height] * 2, np.float32)
    return [
        protobufs.BoundingBox(
            x1=x1, y1=y1, x2=x2, y2=y2, score=sure[row], label=kinds[row]
        )
        for row in order[:most].tolist()
        for x1, y1, x2, y2 in [shares[row].tolist()]
    ]
