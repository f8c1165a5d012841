"""Colors of what ops draw."""

from __future__ import annotations

import colorsys
import re

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError

COLORS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "cyan": (0, 255, 255),
    "gray": (128, 128, 128),
    "green": (0, 255, 0),
    "magenta": (255, 0, 255),
    "orange": (255, 165, 0),
    "red": (255, 0, 0),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}
_TURN = 0.618033988749895
"""Of the color circle, between one number and the next: those near differ much."""

Rgb = tuple[int, int, int]


def rgb(color: str, op: str) -> Rgb:
    """Red, green and blue of a color, 0 to 255.

    Args:
        color: A name, or '#rrggbb'.
        op: Who was given it, for the error.

    Raises:
        ArgumentError: It is neither.

    Examples:
        >>> rgb('orange', 'DrawText'), rgb('#0080ff', 'DrawText')
        ((255, 165, 0), (0, 128, 255))
    """
    named = COLORS.get(str(color).lower())
    if named is not None:
        return named
    if not re.fullmatch("#[0-9a-fA-F]{6}", str(color)):
        raise ArgumentError(
            f"{op} has no color {color!r}; use '#rrggbb' or one of {', '.join(COLORS)}"
        )
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def color_of_number(number: int) -> Rgb:
    """A color for each number, bright, and unlike those of its neighbours.

    Examples:
        >>> color_of_number(0), color_of_number(1)
        ((255, 64, 64), (64, 120, 255))
    """
    hue = number * _TURN % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def in_channels(color: Rgb, channels: int) -> npt.NDArray[np.uint8]:
    """A color in a frame: opaque in RGBA; where it has one channel, the brightest.

    Examples:
        >>> in_channels((255, 165, 0), 4).tolist(), in_channels((255, 165, 0), 1).tolist()
        ([255, 165, 0, 255], [255])
    """
    values = [max(color)] if channels < 3 else [*color, *[255] * (channels - 3)]
    return np.array(values, np.uint8)


def text_color_on(color: Rgb) -> Rgb:
    """Black or white, whichever can be read on a color; by its luma (BT.601).

    Examples:
        >>> text_color_on((255, 255, 0)), text_color_on((128, 0, 0))
        ((0, 0, 0), (255, 255, 255))
    """
    red, green, blue = color
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 127
    return (0, 0, 0) if bright else (255, 255, 255)
