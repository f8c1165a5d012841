"""Frames to the square that a detector takes, and its boxes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError
from beam_scanner.models.libraries import OPENCV, library


class Letterbox:
    """Scales a frame into a square, in its upper left corner, and fills up the rest.

    Args:
        size: Side of the square, in pixels.
        color: Of the rest, 0 to 255.
        channels_first: Whether the result is float32[3, size, size], 0.0 to 1.0, as
            networks from PyTorch take it; else uint8[size, size, 3].

    Examples:
        >>> letterbox = Letterbox(64)
        >>> frame = np.zeros((90, 160, 3), np.uint8)
        >>> letterbox(frame).shape
        (64, 64, 3)
        >>> letterbox.to_frame([[0, 0, 64, 36]], frame).tolist()
        [[0.0, 0.0, 160.0, 90.0]]
    """

    needs = (OPENCV,)

    def __init__(
        self, size: int, color: int = 114, channels_first: bool = False
    ) -> None:
        if size < 1:
            raise ArgumentError(f"size of a Letterbox must be 1 or more, got {size}")
        self.size = size
        self.color = color
        self.channels_first = channels_first

    def scale(self, frame: npt.NDArray[Any]) -> float:
        """Pixels of the square for a pixel of the frame."""
        return self.size / int(max(frame.shape[:2]))

    def __call__(self, frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The square.

        Raises:
            MissingDependencyError: OpenCV is not installed.
        """
        cv2 = library(OPENCV, "Letterbox")
        height, width = frame.shape[:2]
        scale = self.scale(frame)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(frame, size, interpolation=method)
        square = np.full((self.size, self.size, 3), self.color, np.uint8)
        square[: size[1], : size[0]] = small
        if not self.channels_first:
            return square
        return np.ascontiguousarray(square.transpose(2, 0, 1), np.float32) / 255

    def to_frame(
        self, boxes: npt.ArrayLike, frame: npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """Boxes in pixels of the frame, within it.

        Args:
            boxes: ``[n, 4]``, each x1, y1, x2, y2 in pixels of the square.
            frame: The frame.

        Returns:
            float32[n, 4].
        """
        height, width = frame.shape[:2]
        found = np.asarray(boxes, np.float32).reshape(-1, 4) / self.scale(frame)
        limits = np.array([width, height] * 2, np.float32)
        within: npt.NDArray[np.float32] = np.clip(found, 0, limits)
        return within
