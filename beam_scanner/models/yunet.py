"""YuNet: a small network that finds faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.models.boxes import best_boxes
from beam_scanner.models.letterboxes import Letterbox
from beam_scanner.models.libraries import OPENCV
from beam_scanner.types.element_types import BboxList

STRIDES = (8, 16, 32)
"""Pixels of the square for a cell of each of the three grids."""


class YuNet:
    """What comes before YuNet, and after it.

    The model is the one of OpenCV's model zoo, face_detection_yunet_2023mar.onnx.

    Args:
        score: Faces below are left out.
        overlap: See ``best_boxes``.
        size: Side of the square that the file takes.

    Examples:
        >>> YuNet(0.6).preprocess(np.zeros((90, 160, 3), np.uint8)).shape
        (3, 640, 640)
    """

    needs = (OPENCV,)

    def __init__(self, score: float, overlap: float = 0.3, size: int = 640) -> None:
        self.score = score
        self.overlap = overlap
        self.letterbox = Letterbox(size, color=0)

    def preprocess(self, frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """uint8[3, size, size], BGR."""
        return self.letterbox(frame)[..., ::-1].transpose(2, 0, 1)

    def postprocess(
        self, outputs: Mapping[str, npt.NDArray[Any]], frame: npt.NDArray[Any]
    ) -> BboxList:
        """Faces, the surest first; their label is 0.

        As OpenCV's FaceDetectorYN reads them: a cell of a grid has the offset of the
        face's centre from it and the logarithms of width and height, in cells; the
        score is the geometric mean of two.
        """
        found = [self._of_grid(outputs, stride) for stride in STRIDES]
        corners = np.concatenate([corners for corners, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        return best_boxes(
            self.letterbox.to_frame(corners, frame),
            scores,
            np.zeros(len(scores)),
            frame,
            score=self.score,
            overlap=self.overlap,
        )

    def _of_grid(self, outputs: Mapping[str, Any], stride: int) -> Any:
        cells = self.letterbox.size // stride
        row, column = np.divmod(np.arange(cells * cells), cells)
        boxes = outputs[f"bbox_{stride}"].reshape(-1, 4)
        centre = (boxes[:, :2] + np.stack([column, row], axis=1)) * stride
        half = np.exp(boxes[:, 2:]) * stride / 2
        both = outputs[f"cls_{stride}"] * outputs[f"obj_{stride}"]
        scores = np.sqrt(np.clip(both.reshape(-1), 0, 1))
        good = scores >= self.score
        return np.hstack([centre - half, centre + half])[good], scores[good]
