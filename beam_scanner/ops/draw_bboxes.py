"""DrawBboxes: boxes, and what is in them, in frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._colors import (
    Rgb,
    color_of_number,
    in_channels,
    rgb,
    text_color_on,
)
from beam_scanner.ops._text import Pen, check_frame, line_width, text_size
from beam_scanner.types.element_types import BboxList, FrameType

_ALLOWANCE = 1e-3
"""Pixels; float32 is off by a tenth of that in a frame of 2000."""

_BY_NUMBER = ("label", "track")


@register_python_op()
class DrawBboxes(Kernel):
    """Draws boxes into a copy of each frame, with a line of text each if wanted.

    Corners are fractions of the frame's width and height; parts of boxes outside the
    frame are left out, as are boxes with a corner that is infinite or not a number.
    Lines are as thick as ``thickness`` says, to the inside of the box.

    Args:
        config: The kernel's configuration.
        color: A name, '#rrggbb', or 'label' or 'track' for a color of each.
        thickness: Of lines in pixels; 0 for what suits the size of the frame.
        text: What stands at each box, as '{name} {score:.2f}': its ``name``, ``label``,
            ``track``, ``score`` and ``track_score``; '' for nothing.
        names: Of the classes, in the order of their labels, for ``name``.

    Raises:
        ArgumentError: The color does not exist, or the text names something else.
        MissingDependencyError: There is text, and Pillow or the font are not installed.

    Examples:
        >>> import numpy as np
        >>> from beam_scanner import protobufs
        >>> box = protobufs.BoundingBox(x1=0.25, y1=0.25, x2=0.5, y2=0.5)
        >>> frame = np.zeros((8, 8, 3), np.uint8)
        >>> drawn = DrawBboxes(KernelConfig()).execute(frame, [box])
        >>> drawn[2:5, 2:5, 0].tolist()
        [[255, 255, 255], [255, 0, 255], [255, 255, 255]]
    """

    def __init__(
        self,
        config: KernelConfig,
        color: str = "red",
        thickness: int = 1,
        text: str = "",
        names: Sequence[str] = (),
    ) -> None:
        super().__init__(config)
        if thickness < 0:
            raise ArgumentError(
                f"DrawBboxes needs a thickness of 0 or more, got {thickness!r}"
            )
        self._by = color if color in _BY_NUMBER else ""
        self._color = (0, 0, 0) if self._by else rgb(color, "DrawBboxes")
        self._thickness = thickness
        self._names = list(names)
        self._text = text
        self._pen = Pen("DrawBboxes") if text else None
        self._text_of(0, 0, 0.0, 0.0)

    def execute(self, frame: FrameType, bboxes: BboxList) -> FrameType:
        """A frame of the same shape and dtype.

        Raises:
            ElementTypeError: The frame is not H x W x channels, or with text not uint8.
        """
        if self._pen is not None or frame.ndim != 3:
            check_frame("DrawBboxes", frame)
        drawn = frame.copy()
        height, width = frame.shape[:2]
        thickness = self._thickness or line_width(height)
        for box in bboxes:
            if not all(map(math.isfinite, (box.x1, box.x2, box.y1, box.y2))):
                continue
            left, right = sorted((_pixel(box.x1, width), _pixel(box.x2, width)))
            top, bottom = sorted((_pixel(box.y1, height), _pixel(box.y2, height)))
            color = self._color_of(box)
            _rectangle(drawn, (left, top, right, bottom), color, thickness)
            if self._pen is not None:
                self._write(self._pen, drawn, box, (left, top, bottom), color)
        return drawn

    def _color_of(self, box: Any) -> Rgb:
        if self._by:
            return color_of_number(box.label if self._by == "label" else box.track_id)
        return self._color

    def _write(
        self,
        pen: Pen,
        frame: FrameType,
        box: Any,
        place: tuple[int, int, int],
        color: Rgb,
    ) -> None:
        left, top, bottom = place
        text = self._text_of(box.label, box.track_id, box.score, box.track_score)
        lines = text.splitlines()
        if not lines:
            return
        size = text_size(frame.shape[0])
        width, height = pen.box(lines, size)
        # Above the box; where the frame ends there, below its upper edge.
        y = top - height if top >= height else min(top, frame.shape[0] - height)
        x = max(0, min(left, frame.shape[1] - width))
        if bottom >= 0 and top < frame.shape[0]:
            pen.write(frame, lines, size, (x, max(y, 0)), text_color_on(color), color)

    def _text_of(self, label: int, track: int, score: float, track_score: float) -> str:
        known = 0 <= label < len(self._names)
        values = {
            "name": self._names[label] if known else str(label),
            "label": label,
            "track": track,
            "score": score,
            "track_score": track_score,
        }
        try:
            return self._text.format(**values)
        except (LookupError, ValueError, AttributeError) as error:
            raise ArgumentError(
                f"text {self._text!r} of DrawBboxes cannot be filled in with "
                f"{', '.join(values)}: {type(error).__name__}: {error}"
            ) from error


def _pixel(part: float, size: int) -> int:
    """The pixel in which a fraction of a frame lies.

    Boxes hold float32: without the allowance, 7/96 of 96 pixels would lie in pixel 6.
    """
    return int(part * size + _ALLOWANCE)


def _rectangle(
    frame: FrameType, box: tuple[int, int, int, int], color: Rgb, thickness: int
) -> None:
    left, top, right, bottom = box
    height, width, channels = frame.shape
    ink = in_channels(color, channels)
    rows = slice(max(top, 0), max(bottom + 1, 0))
    columns = slice(max(left, 0), max(right + 1, 0))
    for step in range(thickness):
        for y in {min(top + step, bottom), max(bottom - step, top)}:
            if 0 <= y < height:
                frame[y, columns] = ink
        for x in {min(left + step, right), max(right - step, left)}:
            if 0 <= x < width:
                frame[rows, x] = ink
