"""YOLO: detectors of this family, as they are exported to ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.models.boxes import best_boxes
from beam_scanner.models.letterboxes import Letterbox
from beam_scanner.models.libraries import OPENCV
from beam_scanner.types.element_types import BboxList

LAYOUTS = {
    "yolov8": "4 + classes x places: centre, size and the score of each class",
    "yolov5": "places x 5 + classes: centre, size, whether there is a thing, and the "
    "score of each class",
    "boxes": "boxes x 6: corners, score, class",
}
"""What an output holds for each frame, in pixels of the square that the model sees."""


class Yolo:
    """What comes before a detector of the YOLO family, and after it.

    Args:
        layout: ``yolov8`` for versions 8, 9, 11 and 12; ``yolov5`` for 5 and 7;
            ``boxes`` for 10, and for others that were exported with ``nms=True``.
        size: Side of the square that the model takes.
        score: Boxes below are left out.
        overlap: See ``best_boxes``; not used for ``boxes``.

    Raises:
        ArgumentError: There is no such layout.

    Examples:
        >>> yolo = Yolo(size=64, score=0.5)
        >>> frame = np.zeros((32, 64, 3), np.uint8)
        >>> yolo.preprocess(frame).shape
        (3, 64, 64)
        >>> place = np.array([[32, 16, 64, 8, 0.1, 0.9]], np.float32).T
        >>> (box,) = yolo.postprocess(place, frame)
        >>> box.x1, box.y1, box.x2, box.y2, box.label
        (0.0, 0.375, 1.0, 0.625, 1)
    """

    needs = (OPENCV,)

    def __init__(
        self,
        layout: str = "yolov8",
        size: int = 640,
        score: float = 0.25,
        overlap: float = 0.45,
    ) -> None:
        if layout not in LAYOUTS:
            raise ArgumentError(
                f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}"
            )
        self.layout = layout
        self.score = score
        self.overlap = 1.0 if layout == "boxes" else overlap
        self.letterbox = Letterbox(size, channels_first=True)

    def preprocess(self, frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """float32[3, size, size], RGB, 0.0 to 1.0."""
        return self.letterbox(frame)

    def postprocess(self, output: Any, frame: npt.NDArray[Any]) -> BboxList:
        """Things, the surest first; the label is the number of the class.

        Raises:
            ElementTypeError: The output has another layout.
        """
        if isinstance(output, Mapping):
            output = next(iter(output.values()))
        corners, scores, labels = self._read(np.asarray(output))
        good = scores >= self.score
        return best_boxes(
            self.letterbox.to_frame(corners[good], frame),
            scores[good],
            labels[good],
            frame,
            score=self.score,
            overlap=self.overlap,
        )

    def _read(self, found: npt.NDArray[Any]) -> tuple[Any, Any, Any]:
        fields = 0
        if found.ndim == 2:
            fields = found.shape[0 if self.layout == "yolov8" else 1]
        least = {"yolov8": 5, "yolov5": 6, "boxes": 6}[self.layout]
        if fields < least or (self.layout == "boxes" and fields > 6):
            raise ElementTypeError(
                f"the model's output for a frame has shape {found.shape}, but layout "
                f"{self.layout} is {LAYOUTS[self.layout]}"
            )
        if self.layout == "boxes":
            return found[:, :4], found[:, 4], found[:, 5]
        places = found.T if self.layout == "yolov8" else found
        half = places[:, 2:4] / 2
        corners = np.hstack([places[:, :2] - half, places[:, :2] + half])
        classes = places[:, 4:]
        if self.layout == "yolov5":
            classes = places[:, 5:] * places[:, 4:5]
        return corners, classes.max(axis=1), classes.argmax(axis=1)
