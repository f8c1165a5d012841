"""How a decoded picture is turned to be shown: quarter turns and mirrors."""

from __future__ import annotations

import math
import struct
from typing import Any

from av.sidedata.sidedata import SideDataContainer


def orientation(frame: Any) -> tuple[int, bool]:
    """What a frame's display matrix asks for.

    Args:
        frame: ``av.VideoFrame``.

    Returns:
        (degrees counterclockwise: 0, 90, 180 or 270; whether the picture is flipped
        left to right before that turn). A turn by another angle is rounded to a
        quarter.
    """
    # Not ``frame.side_data``, which the frame keeps and which keeps the frame.
    held: Any = SideDataContainer.__new__(SideDataContainer)
    try:
        held.__init__(frame)
        for data in held:
            if data.type.name == "DISPLAYMATRIX":
                return turn_of(struct.unpack("=9i", bytes(data)))
    except ValueError:
        # Of a kind that PyAV does not know; then the angle is all that can be had.
        return round(frame.rotation / 90) * 90 % 360, False
    return 0, False


def turn_of(matrix: tuple[int, ...]) -> tuple[int, bool]:
    """See :func:`orientation`.

    Args:
        matrix: 9 integers: a point (x, y) of the picture, y downwards, is shown at
            ``(m[0]*x + m[3]*y, m[1]*x + m[4]*y)``.

    Examples:
        >>> turn_of((1, 0, 0, 0, 1, 0, 0, 0, 1))
        (0, False)
        >>> turn_of((0, 1, 0, -1, 0, 0, 0, 0, 1))  # to the right
        (270, False)
        >>> turn_of((-1, 0, 0, 0, 1, 0, 0, 0, 1))
        (0, True)
    """
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    width, height = math.hypot(a, c), math.hypot(b, d)
    if not width or not height:
        return 0, False
    degrees = -math.degrees(math.atan2(b / height, a / width))
    return round(degrees / 90) * 90 % 360, mirrored
