"""DrawKeypoints: points of people, faces and hands in frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.kernels.op_spec import OpForCall
from beam_scanner.ops._colors import color_of_number, in_channels
from beam_scanner.ops._inputs import takes_one_of
from beam_scanner.ops._opencv import opencv
from beam_scanner.ops._text import check_frame
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.model_types import Keypoint, Keypoints

COCO = (
    *((0, 1), (0, 2), (1, 3), (2, 4)),
    *((5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
    *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
)
"""Edges of the 17 points that people have in COCO, from the nose to the ankles."""

Edges = str | Sequence[tuple[int, int]]


@register_python_op()
class DrawKeypoints(Kernel):
    """Draws points, and lines between them, into a copy of each frame.

    The column may hold ``Keypoints`` or a list of them: each thing has a color of its own.
    Places are fractions of the frame's width and height.

    Args:
        config: The kernel's configuration.
        edges: Pairs of numbers of points between which there are lines, or 'coco' for the
            17 points that people have in COCO.
        score: Points of which the model is less sure are left out, with their lines.
        radius: Of a point in pixels; 0 for what suits the size of the frame.

    Raises:
        ArgumentError: Edges are no pairs, or the radius is below 0.
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> import numpy as np
        >>> frame = np.zeros((40, 40, 3), np.uint8)
        >>> points = Keypoints([Keypoint(0.25, 0.5), Keypoint(0.75, 0.5)])
        >>> drawn = DrawKeypoints(KernelConfig(), edges=[(0, 1)]).execute(frame, [points])
        >>> [bool(drawn[20, x].any()) for x in (2, 10, 20, 30)]
        [False, True, True, True]
    """

    def __init__(
        self,
        config: KernelConfig,
        edges: Edges = (),
        score: float = 0.3,
        radius: int = 0,
    ) -> None:
        super().__init__(config)
        if radius < 0:
            raise ArgumentError(
                f"DrawKeypoints needs a radius of 0 or more, got {radius!r}"
            )
        self._edges = _checked(edges)
        self._score, self._radius = score, radius
        self._opencv = opencv("DrawKeypoints")

    @staticmethod
    def op_for_call(call: OpForCall) -> OpForCall:
        """Takes the key points of one thing, too."""
        return takes_one_of(call, 1, Keypoints, list[Keypoints])

    def execute(self, frame: FrameType, keypoints: list[Keypoints]) -> FrameType:
        """A frame of the same shape, uint8."""
        check_frame("DrawKeypoints", frame)
        # OpenCV draws into memory that lies in order.
        drawn: FrameType = frame.copy(order="C")
        things = [keypoints] if isinstance(keypoints, Keypoints) else keypoints
        for number, thing in enumerate(things):
            color = in_channels(color_of_number(number), frame.shape[2]).tolist()
            self._draw(drawn, thing, color)
        return drawn

    def _draw(self, frame: FrameType, thing: Keypoints, color: list[int]) -> None:
        cv2 = self._opencv
        height, width = frame.shape[:2]
        radius = self._radius or max(2, round(height / 150))
        seen = {
            number: (round(point.x * width), round(point.y * height))
            for number, point in enumerate(thing.points)
            if self._is_seen(point)
        }
        thick = max(1, radius // 2)
        for first, second in self._edges:
            if first in seen and second in seen:
                cv2.line(frame, seen[first], seen[second], color, thick, cv2.LINE_AA)
        black = in_channels((0, 0, 0), frame.shape[2]).tolist()
        for place in seen.values():
            cv2.circle(frame, place, radius + 1, black, -1, cv2.LINE_AA)
            cv2.circle(frame, place, radius, color, -1, cv2.LINE_AA)

    def _is_seen(self, point: Keypoint) -> bool:
        # Points far outside would not fit into OpenCV's numbers.
        near = all(math.isfinite(part) and -8 < part < 9 for part in (point.x, point.y))
        return near and point.score >= self._score


def _checked(edges: Any) -> list[tuple[int, int]]:
    if isinstance(edges, str):
        if edges != "coco":
            raise ArgumentError(
                f"DrawKeypoints has no edges {edges!r}; use 'coco' or a list of pairs"
            )
        return list(COCO)
    try:
        return [(int(first), int(second)) for first, second in edges]
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"edges of DrawKeypoints must be pairs of numbers of points, got {edges!r}"
        ) from error
