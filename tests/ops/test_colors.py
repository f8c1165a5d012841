"""Colors by name, by number, and in frames of any number of channels."""

from __future__ import annotations

from itertools import pairwise

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.ops._colors import (
    COLORS,
    color_of_number,
    in_channels,
    rgb,
    text_color_on,
)


def test_colors_by_name_and_by_hexadecimal_numbers() -> None:
    assert rgb("Red", "Op") == rgb("#FF0000", "Op") == (255, 0, 0)
    for wrong in ("mauve", "#12345", "#12345g", "ff0000", ""):
        with pytest.raises(ArgumentError, match="Op has no color"):
            rgb(wrong, "Op")


def test_numbers_have_colors_that_differ() -> None:
    colors = [color_of_number(number) for number in range(-2, 30)]
    assert len(set(colors)) == len(colors)
    for one, two in pairwise(colors):
        assert sum(abs(a - b) for a, b in zip(one, two, strict=True)) > 150
    assert all(max(color) == 255 for color in colors)


def test_channels() -> None:
    color = rgb("orange", "Op")
    shown = [in_channels(color, count).tolist() for count in (1, 3, 4)]
    assert shown == [[255], [255, 165, 0], [255, 165, 0, 255]]


def test_text_is_dark_on_what_is_bright() -> None:
    dark = {name for name, color in COLORS.items() if max(text_color_on(color))}
    assert dark == {"black", "blue", "magenta", "red"}
