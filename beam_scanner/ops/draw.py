"""DrawBboxes and DrawFlow: pictures of what other ops found."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.types.element_types import BboxList, FrameType

RED = np.array([255, 0, 0])


@register_python_op()
class DrawBboxes(Kernel):
    """Draws boxes in red, one pixel wide, into a copy of each frame.

    Corners are fractions of the frame's width and height; parts of boxes outside the
    frame are left out.

    Examples:
        >>> from beam_scanner import protobufs
        >>> from beam_scanner.kernels import KernelConfig
        >>> box = protobufs.BoundingBox(x1=0.25, y1=0.25, x2=0.5, y2=0.5)
        >>> frame = np.zeros((8, 8, 3), np.uint8)
        >>> drawn = DrawBboxes(KernelConfig()).execute(frame, [box])
        >>> drawn[2:5, 2:5, 0].tolist()
        [[255, 255, 255], [255, 0, 255], [255, 255, 255]]
    """

    def execute(self, frame: FrameType, bboxes: BboxList) -> FrameType:
        """A frame of the same shape and dtype."""
        drawn = frame.copy()
        height, width, channels = frame.shape
        color = RED[: min(channels, 3)]
        for box in bboxes:
            left, right = sorted((int(box.x1 * width), int(box.x2 * width)))
            top, bottom = sorted((int(box.y1 * height), int(box.y2 * height)))
            rows = slice(max(top, 0), max(bottom + 1, 0))
            columns = slice(max(left, 0), max(right + 1, 0))
            for y in (top, bottom):
                if 0 <= y < height:
                    drawn[y, columns, :3] = color
            for x in (left, right):
                if 0 <= x < width:
                    drawn[rows, x, :3] = color
        return drawn


def flow_colors(flow: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A picture of optical flow: hue is the direction, brightness the speed.

    Args:
        flow: H x W x 2, as from OpticalFlow.

    Returns:
        H x W x 3 uint8 RGB. Red moves right, still pixels are black, and the fastest
        pixel has full brightness.

    Examples:
        >>> flow_colors(np.array([[[2.0, 0.0], [0.0, 0.0]]])).tolist()
        [[[255, 0, 0], [0, 0, 0]]]
    """
    speed = np.hypot(flow[..., 0], flow[..., 1])
    top = float(speed.max(initial=0.0))
    value = speed / top if top > 0 else speed
    hue = np.arctan2(flow[..., 1], flow[..., 0]) * (3 / np.pi) % 6
    # Each channel falls off with the hue's distance from it on the color circle.
    away = [np.abs((hue - center + 3) % 6 - 3) for center in (0, 2, 4)]
    share = np.clip(2 - np.stack(away, axis=-1), 0, 1)
    return np.asarray(np.rint(share * value[..., np.newaxis] * 255), np.uint8)


@register_python_op()
class DrawFlow(Kernel):
    """Puts a picture of the flow to the right of each frame.

    Examples:
        >>> from beam_scanner.kernels import KernelConfig
        >>> frame, flow = np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6, 2), np.float32)
        >>> DrawFlow(KernelConfig()).execute(frame, flow).shape
        (4, 12, 3)
    """

    def execute(self, frame: FrameType, flow: FrameType) -> FrameType:
        """H x 2W x 3 uint8.

        Raises:
            ElementTypeError: ``flow`` is not H x W x 2 for this H x W x 3 frame.
        """
        if frame.shape != (*flow.shape[:2], 3) or flow.shape[2] != 2:
            raise ElementTypeError(
                "DrawFlow expected H x W x 3 frames and H x W x 2 flow, got shapes "
                f"{frame.shape} and {flow.shape}"
            )
        return np.hstack((frame.astype(np.uint8, copy=False), flow_colors(flow)))
