"""DrawFlow: a picture of how pixels move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._opencv import opencv
from beam_scanner.ops._text import line_width
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.viewable import flow_colors

STYLES = ("beside", "over", "arrows")
_ARROWS = 24
"""Along the longer side of a frame."""
_FARTHEST = 20_000


@register_python_op()
class DrawFlow(Kernel):
    """Shows the flow beside each frame, over it, or as arrows in it.

    In colors, the hue is the direction (red to the right, green-yellow down) and the
    brightness the speed. Arrows are as long as pixels move.

    Args:
        config: The kernel's configuration.
        style: 'beside': the flow's colors to the right of the frame; 'over': mixed with
            it; 'arrows'.
        fastest: Speed, in pixels, that has the full brightness; 0 for that of each
            frame's fastest pixel, which changes from frame to frame.

    Raises:
        ArgumentError: There is no such style, or ``fastest`` is below 0.
        MissingDependencyError: OpenCV is not installed, which draws the arrows.

    Examples:
        >>> frame, flow = np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6, 2), np.float32)
        >>> DrawFlow(KernelConfig()).execute(frame, flow).shape
        (4, 12, 3)
    """

    def __init__(
        self, config: KernelConfig, style: str = "beside", fastest: float = 0.0
    ) -> None:
        super().__init__(config)
        if style not in STYLES:
            raise ArgumentError(
                f"DrawFlow has no style {style!r}; use one of {', '.join(STYLES)}"
            )
        if not fastest >= 0:
            raise ArgumentError(f"DrawFlow needs fastest of 0 or more, got {fastest!r}")
        self._style, self._fastest = style, float(fastest)
        self._opencv = opencv("DrawFlow") if style == "arrows" else None

    def execute(self, frame: FrameType, flow: FrameType) -> FrameType:
        """H x W x 3 uint8, with 'beside' H x 2W x 3.

        Raises:
            ElementTypeError: ``flow`` is not H x W x 2 for this H x W x 3 frame.
        """
        if frame.shape != (*flow.shape[:2], 3) or flow.shape[2] != 2:
            raise ElementTypeError(
                "DrawFlow expected H x W x 3 frames and H x W x 2 flow, got shapes "
                f"{frame.shape} and {flow.shape}"
            )
        picture = frame.astype(np.uint8, copy=False)
        if self._style == "arrows":
            return self._arrows(picture, flow)
        colors = flow_colors(flow, self._fastest)
        if self._style == "beside":
            return np.hstack((picture, colors))
        # Where nothing moves the frame is as it is.
        share = colors.max(axis=2, keepdims=True) / np.float32(255)
        mixed = picture * (1 - 0.7 * share) + colors * np.float32(0.7)
        return np.asarray(np.rint(np.clip(mixed, 0, 255)), np.uint8)

    def _arrows(self, frame: FrameType, flow: FrameType) -> FrameType:
        drawn = frame.copy()
        height, width = frame.shape[:2]
        step = max(8, max(height, width) // _ARROWS)
        half = step // 2
        for y in range(half, height, step):
            for x in range(half, width, step):
                cell = flow[y - half : y + half, x - half : x + half].reshape(-1, 2)
                known = cell[np.isfinite(cell).all(axis=1)]
                if len(known):
                    self._arrow(drawn, (x, y), known.mean(axis=0, dtype=np.float64))
        return drawn

    def _arrow(
        self, frame: FrameType, place: tuple[int, int], move: npt.NDArray[np.float64]
    ) -> None:
        cv2 = self._opencv
        assert cv2 is not None
        thick, length = line_width(frame.shape[0]), float(np.hypot(*move))
        # What is shorter than it is thick has no direction to show.
        if length <= thick:
            return
        # OpenCV has no larger numbers.
        x, y = move.clip(-_FARTHEST, _FARTHEST)
        tip = (round(place[0] + x), round(place[1] + y))
        head = min(0.5, (3 + 2 * thick) / length)
        # A dark edge, so that it is seen on any frame.
        for color, extra in (((0, 0, 0), 2), ((255, 255, 0), 0)):
            cv2.arrowedLine(
                frame, place, tip, color, thick + extra, cv2.LINE_AA, tipLength=head
            )
