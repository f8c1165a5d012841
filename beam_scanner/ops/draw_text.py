"""DrawText: texts, labels and numbers in frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.kernels.op_spec import OpForCall
from beam_scanner.ops._colors import in_channels, rgb, text_color_on
from beam_scanner.ops._inputs import takes
from beam_scanner.ops._text import Pen, check_frame, line_width, text_size
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.model_types import Label, Text

PLACES = {
    "top left": (0.0, 0.0),
    "top": (0.5, 0.0),
    "top right": (1.0, 0.0),
    "center": (0.5, 0.5),
    "bottom left": (0.0, 1.0),
    "bottom": (0.5, 1.0),
    "bottom right": (1.0, 1.0),
}
"""Where in a frame text may stand: which share of the room is left of it and above."""

_OPACITY = 0.6


@register_python_op()
class DrawText(Kernel):
    """Writes a value into a copy of each frame, on a dark or light ground.

    The column may hold texts, numbers, ``Label``, ``Text`` or lists of these, of which
    each has a line. A ``Text`` that knows its corners is outlined and written above them.
    None writes nothing.

    Args:
        config: The kernel's configuration.
        format: How a value becomes text, as in '{:.2f}' or 'speed: {}'.
        place: 'top left', 'top', 'top right', 'center', 'bottom left', 'bottom' or
            'bottom right'.
        size: Of the font in pixels; 0 for what suits the size of the frame.
        color: Of the text: a name or '#rrggbb'.
        font: Path of a TrueType or OpenType file; '' for Noto Sans, which has Latin,
            Greek and Cyrillic letters.

    Raises:
        ArgumentError: Another place or color, a size below 0, or a file that is no font.
        MissingDependencyError: Pillow or the font are not installed.

    Examples:
        >>> draw = DrawText(KernelConfig(), format='{:.1f} s')  # doctest: +SKIP
        >>> draw.execute(frame, 4.25)  # doctest: +SKIP
    """

    def __init__(
        self,
        config: KernelConfig,
        format: str = "{}",
        place: str = "top left",
        size: int = 0,
        color: str = "white",
        font: str = "",
    ) -> None:
        super().__init__(config)
        if place not in PLACES:
            raise ArgumentError(
                f"DrawText has no place {place!r}; use one of {', '.join(PLACES)}"
            )
        if size < 0:
            raise ArgumentError(f"DrawText needs a size of 0 or more, got {size!r}")
        self._place, self._size, self._format = PLACES[place], size, format
        self._color = rgb(color, "DrawText")
        self._pen = Pen("DrawText", font)

    @staticmethod
    def op_for_call(call: OpForCall) -> OpForCall:
        """Takes values of any type, as they are stored."""
        given = call.types[1]
        return call if given is None else takes(call, 1, given)

    def execute(self, frame: FrameType, text: Any) -> FrameType:
        """A frame of the same shape, uint8.

        Raises:
            ElementTypeError: The format is not one for such values.
        """
        check_frame("DrawText", frame)
        drawn = frame.copy()
        size = self._size or text_size(frame.shape[0])
        lines: list[str] = []
        for value in _values(text):
            shown = self._shown(value)
            if isinstance(value, Text) and value.corners:
                self._at_corners(drawn, value, shown, size)
            else:
                room = frame.shape[1] - self._pen.box([], size)[0]
                lines += self._pen.lines(shown, size, room)
        if lines:
            width, height = self._pen.box(lines, size)
            left, above = self._place
            x = round((frame.shape[1] - width) * left)
            y = round((frame.shape[0] - height) * above)
            self._write(drawn, lines, size, (max(x, 0), max(y, 0)))
        return drawn

    def _write(
        self, frame: FrameType, lines: list[str], size: int, corner: tuple[int, int]
    ) -> None:
        behind = text_color_on(self._color)
        self._pen.write(frame, lines, size, corner, self._color, behind, _OPACITY)

    def _at_corners(self, frame: FrameType, text: Text, shown: str, size: int) -> None:
        height, width = frame.shape[:2]
        corners = np.array(text.corners, np.float64) * (width, height)
        if not np.isfinite(corners).all():
            return
        for begin, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            _line(frame, begin, end, self._color)
        lines = shown.splitlines()
        if lines:
            wide, high = self._pen.box(lines, size)
            x = min(round(corners[:, 0].min()), width - wide)
            y = round(corners[:, 1].min()) - high
            self._write(frame, lines, size, (max(x, 0), max(y, 0)))

    def _shown(self, value: Any) -> str:
        if isinstance(value, Label):
            name = value.name or str(value.index)
            value = f"{name} {value.score:.2f}"
        elif isinstance(value, Text):
            value = value.text
        try:
            return self._format.format(value)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise ElementTypeError(
                f"format {self._format!r} of DrawText is not for {value!r}: {error}"
            ) from error


def _values(value: Any) -> Iterator[Any]:
    """What has a line of its own."""
    if value is None:
        return
    if isinstance(value, bytes) or (
        is_dataclass(value) and not isinstance(value, (Label, Text))
    ):
        raise ElementTypeError(
            "DrawText expected texts, numbers, labels or lists of them, got "
            f"{type(value).__name__}"
        )
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _values(each)
    else:
        yield value


def _line(frame: FrameType, begin: Any, end: Any, color: Any) -> None:
    """A line between two places, as thick as suits the frame."""
    thick = line_width(frame.shape[0])
    count = int(np.abs(end - begin).max()) + 1
    if count > 4 * sum(frame.shape[:2]):
        return
    places = np.rint(np.linspace(begin, end, count)).astype(np.int64)
    for dx in range(thick):
        for dy in range(thick):
            x, y = places[:, 0] + dx, places[:, 1] + dy
            inside = (x >= 0) & (y >= 0) & (x < frame.shape[1]) & (y < frame.shape[0])
            frame[y[inside], x[inside]] = in_channels(color, frame.shape[2])
