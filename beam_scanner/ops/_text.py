"""Text in frames: Pillow draws it, in Noto Sans or in a font of the caller's."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError, ElementTypeError, MissingDependencyError
from beam_scanner.ops._colors import Rgb, in_channels
from beam_scanner.text.pip_install import pip_install

SMALLEST = 12
"""Size of a font, in pixels, below which text is hard to read."""

_SIZES = 32
"""Of the font that suits a frame, in its height."""

# Of a font's size: how far letters with accents reach above the base line, and from one
# base line to the next, in Noto Sans.
_ASCENT, _LEADING = 1.07, 1.36

Alpha = npt.NDArray[np.float32]


def text_size(height: int) -> int:
    """Size of a font, in pixels, that is easy to read in a frame of that height.

    Examples:
        >>> text_size(240), text_size(1080)
        (12, 33)
    """
    return max(SMALLEST, height // _SIZES)


def line_width(height: int) -> int:
    """Pixels of a line that is easy to see in a frame of that height.

    Examples:
        >>> line_width(240), line_width(1080)
        (1, 3)
    """
    return max(1, height // 360)


def check_frame(op: str, frame: npt.NDArray[Any]) -> None:
    """Refuses frames that cannot be drawn into.

    Raises:
        ElementTypeError: They are not uint8 with 1, 3 or 4 channels.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (1, 3, 4):
        raise ElementTypeError(
            f"{op} expected frames of uint8 with 1, 3 or 4 channels, got {frame.dtype} "
            f"with shape {frame.shape}"
        )


class Pen:
    """Writes text into frames.

    Args:
        op: Who writes, for errors.
        font: Path of a TrueType or OpenType file; '' for Noto Sans, which has Latin,
            Greek and Cyrillic letters.

    Raises:
        MissingDependencyError: Pillow or the font are not installed.
        ArgumentError: The file is no font.
    """

    def __init__(self, op: str, font: str = "") -> None:
        self._font = font or _noto_sans(op)
        try:
            _font_of_size(self._font, SMALLEST)
        except ImportError as error:
            raise _missing(op) from error
        except OSError as error:
            raise ArgumentError(f"{op} cannot read font {font!r}: {error}") from error

    def lines(self, text: str, size: int, width: int) -> list[str]:
        """Splits a text into lines, wrapped between words to fit the width."""
        font = _font_of_size(self._font, size)
        found: list[str] = []
        for line in text.splitlines():
            words = line.split(" ")
            begun = words[0]
            for word in words[1:]:
                if font.getlength(f"{begun} {word}") <= width:
                    begun = f"{begun} {word}"
                else:
                    found.append(begun)
                    begun = word
            found.append(begun)
        return found

    def box(self, lines: list[str], size: int) -> tuple[int, int]:
        """Width and height of some lines with the margin around them, in pixels."""
        font = _font_of_size(self._font, size)
        widest = max((font.getlength(line) for line in lines), default=0)
        margin = _margin(size)
        return int(widest) + 1 + 2 * margin, _step(size) * len(lines) + 2 * margin

    def write(
        self,
        frame: npt.NDArray[np.uint8],
        lines: list[str],
        size: int,
        corner: tuple[int, int],
        color: Rgb,
        behind: Rgb,
        opacity: float = 1.0,
    ) -> None:
        """Writes lines, in a box of the color that is behind them, into the frame.

        Args:
            frame: Changed in place.
            lines: One or more.
            size: Of the font, in pixels.
            corner: x and y of the box's left upper corner.
            color: Of the text.
            behind: Of the box.
            opacity: Of the box.
        """
        width, height = self.box(lines, size)
        ink, paper = np.zeros((height, width), np.float32), np.float32(opacity)
        margin = _margin(size)
        for number, line in enumerate(lines):
            top = margin + number * _step(size)
            alpha = _alpha(self._font, size, line)
            part = ink[top : top + alpha.shape[0], margin : margin + alpha.shape[1]]
            part[:] = alpha[: part.shape[0], : part.shape[1]]
        _blend(frame, np.full_like(ink, paper), corner, behind)
        _blend(frame, ink, corner, color)


def _margin(size: int) -> int:
    return max(2, size // 6)


def _step(size: int) -> int:
    """Pixels from one line to the next."""
    return math.ceil(size * _LEADING)


def _blend(
    frame: npt.NDArray[np.uint8], alpha: Alpha, corner: tuple[int, int], color: Rgb
) -> None:
    """Paints a color where alpha says, as far as that lies in the frame."""
    x, y = corner
    height, width = frame.shape[:2]
    rows = slice(max(y, 0), max(min(y + alpha.shape[0], height), 0))
    columns = slice(max(x, 0), max(min(x + alpha.shape[1], width), 0))
    part = frame[rows, columns]
    if not part.size:
        return
    seen = alpha[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    ink = in_channels(color, frame.shape[2]).astype(np.float32)
    mixed = part + seen[..., None] * (ink - part)
    part[:] = np.rint(mixed).astype(np.uint8)


@functools.lru_cache(maxsize=512)
def _alpha(path: str, size: int, line: str) -> Alpha:
    """How much of each pixel a line covers, 0.0 to 1.0."""
    from PIL import Image, ImageDraw

    font = _font_of_size(path, size)
    picture = Image.new("L", (int(font.getlength(line)) + 2, _step(size)))
    # By the base line, so that lines with and without descenders stand alike.
    place = (0, round(size * _ASCENT))
    ImageDraw.Draw(picture).text(place, line, fill=255, font=font, anchor="ls")
    return np.asarray(picture, np.float32) / np.float32(255)


@functools.lru_cache(maxsize=32)
def _font_of_size(path: str, size: int) -> Any:
    from PIL import ImageFont

    # Shaping by Raqm is there or not, as Pillow was built; this always is.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def _noto_sans(op: str) -> str:
    try:
        import fontpkg
        import PIL  # noqa: F401

        return str(fontpkg.path("Noto Sans"))
    except (ImportError, LookupError) as error:
        raise _missing(op) from error


def _missing(op: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"op {op} needs Pillow and a font: {pip_install('draw')}"
    )
