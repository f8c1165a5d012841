"""Montages: some frames of a video in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from beam_scanner.errors import ArgumentError
from beam_scanner.types.element_types import NullElement
from beam_scanner.types.viewable import Picture, scaled, viewable


def montage(
    frames: Sequence[Any], columns: int | None = None, width: int = 240, gap: int = 4
) -> Picture:
    """Arranges frames in rows, from the left upper corner on.

    Cells have the aspect of the first frame; others are put into the middle of theirs, as
    large as they can be. Null frames, and cells that are left over, are black.

    Args:
        frames: H x W x C arrays of any dtype, or ``NullElement()``.
        columns: How many stand in a row; as many as make the picture about as wide as a
            screen, if None.
        width: Of a cell, in pixels.
        gap: Black pixels between cells.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ArgumentError: There is no frame, or a number is too small.

    Examples:
        >>> montage([np.zeros((90, 160, 3), np.uint8)] * 6, columns=3, width=80).shape
        (94, 248, 3)
    """
    shown = [each for each in frames if not isinstance(each, NullElement)]
    if not shown:
        raise ArgumentError("a montage needs at least one frame")
    if width < 1 or gap < 0 or (columns is not None and columns < 1):
        raise ArgumentError(
            "a montage needs columns and width of 1 or more and a gap of 0 or more, got "
            f"{columns!r}, {width!r} and {gap!r}"
        )
    height = max(1, round(width * shown[0].shape[0] / shown[0].shape[1]))
    if columns is None:
        columns = math.ceil(math.sqrt(len(frames) * height / width * 16 / 9))
    columns = max(1, min(columns, len(frames)))
    rows = -(-len(frames) // columns)
    sheet = np.zeros(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, 3), np.uint8
    )
    for place, frame in enumerate(frames):
        if not isinstance(frame, NullElement):
            y, x = divmod(place, columns)
            top, left = y * (height + gap), x * (width + gap)
            _put(sheet[top : top + height, left : left + width], frame)
    return sheet


def _put(cell: Picture, frame: Any) -> None:
    height, width = cell.shape[:2]
    share = min(width / frame.shape[1], height / frame.shape[0])
    wide = min(width, max(1, round(frame.shape[1] * share)))
    tall = min(height, max(1, round(frame.shape[0] * share)))
    y, x = (height - tall) // 2, (width - wide) // 2
    cell[y : y + tall, x : x + wide] = scaled(viewable(frame), wide, tall)
