"""Contact sheets: one labelled picture for each shot, in a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

MOST_CELLS = 240
"""Of more shots as many are shown, evenly chosen."""

_MOST_COLUMNS = 8
_LEAST_WIDTH = 172
_MARGIN = 14
_LINE = 20
_SCALE = 2
_BACKGROUND = 28
_BRIGHT = 235
_DIM = 150

# Five columns and seven rows each; a font that needs no library.
_GLYPHS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00010 00100 01000 11111",
    "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    ":": "00000 00100 00100 00000 00100 00100 00000",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    "-": "00000 00000 00000 11111 00000 00000 00000",
    "#": "01010 01010 11111 01010 11111 01010 01010",
    "o": "00000 00000 01110 10001 10001 10001 01110",
    "r": "00000 00000 10110 11001 10000 10000 10000",
    "s": "00000 00000 01110 10000 01110 00001 11110",
    "w": "00000 00000 10001 10001 10101 10101 01010",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}


@dataclass(frozen=True)
class Cell:
    """What the sheet shows of one shot.

    Attributes:
        image: H x W x C uint8: gray, RGB or RGBA.
        number: Of the shot, from 1.
        first: Its first row.
        end: The row after its last.
        start_seconds: When it begins.
        end_seconds: When it ends.
    """

    image: npt.NDArray[Any]
    number: int
    first: int
    end: int
    start_seconds: float
    end_seconds: float


def contact_sheet(cells: Sequence[Cell]) -> Picture:
    """Draws a contact sheet.

    Args:
        cells: One or more, in order.

    Returns:
        H x W x 3 uint8.

    Examples:
        >>> image = np.zeros((90, 160, 3), np.uint8)
        >>> contact_sheet([Cell(image, 1, 0, 25, 0.0, 1.0)]).shape
        (158, 200, 3)
    """
    if len(cells) > MOST_CELLS:
        chosen = np.linspace(0, len(cells) - 1, MOST_CELLS).round().astype(int)
        cells = [cells[i] for i in chosen]
    width = max(_LEAST_WIDTH, *(cell.image.shape[1] for cell in cells))
    height = max(cell.image.shape[0] for cell in cells)
    columns = _columns(len(cells), width, height + 2 * _LINE)
    rows = -(-len(cells) // columns)
    step_x, step_y = width + _MARGIN, height + 2 * _LINE + _MARGIN
    shape = (rows * step_y + _MARGIN, columns * step_x + _MARGIN, 3)
    sheet = np.full(shape, _BACKGROUND, np.uint8)
    for place, cell in enumerate(cells):
        top = _MARGIN + place // columns * step_y
        left = _MARGIN + place % columns * step_x
        _draw(sheet[top : top + step_y - _MARGIN, left : left + width], cell, height)
    return sheet


def _columns(cells: int, width: int, height: int) -> int:
    """As many as make the sheet about as wide as a screen."""
    wanted = math.ceil(math.sqrt(cells * height / width * 16 / 9))
    columns = max(1, min(wanted, cells, _MOST_COLUMNS))
    # No more than the rows need: the last row is to be as full as it can.
    return -(-cells // -(-cells // columns))


def _draw(area: Picture, cell: Cell, height: int) -> None:
    image = cell.image[..., :3]
    y = (height - image.shape[0]) // 2
    x = (area.shape[1] - image.shape[1]) // 2
    area[y : y + image.shape[0], x : x + image.shape[1]] = image
    times = f"{_clock(cell.start_seconds)} - {_clock(cell.end_seconds)}"
    _write(area, height + 4, 0, f"#{cell.number}", _BRIGHT)
    right = area.shape[1] - _text_width(times)
    if right < _text_width(f"#{cell.number} "):
        times = _clock(cell.start_seconds)
        right = area.shape[1] - _text_width(times)
    _write(area, height + 4, right, times, _BRIGHT)
    rows = f"rows {cell.first}-{cell.end - 1}"
    _write(area, height + 4 + _LINE, 0, rows, _DIM)


def _clock(seconds: float) -> str:
    """Minutes and seconds, hours if need be.

    Examples:
        >>> _clock(75.04), _clock(3600), _clock(float('nan'))
        ('1:15.0', '1:00:00.0', '-')
    """
    if math.isnan(seconds):
        return "-"
    tenths = round(max(seconds, 0.0) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{shown}" if hours else f"{minutes}:{shown}"


def _text_width(text: str) -> int:
    return max(0, len(text) * 6 * _SCALE - _SCALE)


def _write(area: Picture, top: int, left: int, text: str, level: int) -> None:
    for place, character in enumerate(text):
        glyph = _GLYPHS.get(character, _GLYPHS["-"]).split()
        bits = np.array([[bit == "1" for bit in row] for row in glyph])
        bits = bits.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
        x = max(left, 0) + place * 6 * _SCALE
        part = area[top : top + bits.shape[0], x : x + bits.shape[1]]
        part[bits[: part.shape[0], : part.shape[1]]] = level
