"""Values written into frames, and where they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.ops.draw_text import PLACES, DrawText
from beam_scanner.types import Keypoint, Label, Text
from tests.support.frames import CONFIG

pytest.importorskip("fontpkg")

FRAME = np.full((240, 320, 3), 100, np.uint8)


def changed(value: Any, **arguments: Any) -> tuple[slice, slice]:
    """The part of the frame that was written to."""
    drawn = DrawText(CONFIG, **arguments).execute(FRAME, value)
    places = np.argwhere((drawn != FRAME).any(axis=2))
    assert len(places)
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
    return slice(top, bottom), slice(left, right)


@pytest.mark.parametrize("place", PLACES)
def test_places(place: str) -> None:
    rows, columns = changed("word", place=place)
    for words, side, far in (("left right", columns, 319), ("top bottom", rows, 239)):
        first, last = words.split()
        assert (side.start == 0) == (first in place)
        assert (side.stop == far) == (last in place)
        if first not in place and last not in place:
            assert abs(side.start + side.stop - far) <= 1


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (7, "7"),
        (True, "True"),
        (Label("cat", 0.756), "cat 0.76"),
        (Label("", 0.5, 3), "3 0.50"),
        (Text("EXIT"), "EXIT"),
        ([Label("cat", 0.5), Label("dog", 0.25)], "cat 0.50\ndog 0.25"),
        (["one", ["two", None]], "one\ntwo"),
    ],
)
def test_values_as_text(value: Any, same: str) -> None:
    draw = DrawText(CONFIG)
    assert np.array_equal(draw.execute(FRAME, value), draw.execute(FRAME, same))


def test_nothing_is_written_for_none() -> None:
    for value in (None, [], "", [None]):
        assert np.array_equal(DrawText(CONFIG).execute(FRAME, value), FRAME)


def test_formats() -> None:
    draw = DrawText(CONFIG, format="speed {:.1f}")
    text = DrawText(CONFIG).execute(FRAME, "speed 2.5")
    assert np.array_equal(draw.execute(FRAME, 2.46), text)
    with pytest.raises(ElementTypeError, match=r"'speed \{:.1f\}' of DrawText"):
        draw.execute(FRAME, "fast")


def test_long_texts_are_broken_into_lines() -> None:
    rows, columns = changed("word " * 40)
    assert columns.stop < 320
    assert rows.stop > 60


def test_a_text_with_corners_is_outlined() -> None:
    corners = [(0.25, 0.5), (0.5, 0.5), (0.5, 0.75), (0.25, 0.75)]
    drawn = DrawText(CONFIG, color="red").execute(FRAME, [Text("EXIT", 1.0, corners)])
    for y, x in ((120, 80), (120, 160), (180, 160), (180, 80), (150, 80), (180, 100)):
        assert drawn[y, x].tolist() == [255, 0, 0]
    assert (drawn[121:180, 81:160] == 100).all()
    # The text ends where the outline begins.
    assert (drawn[110, 81] != 100).any()
    assert (drawn[:90] == 100).all()
    for wild in ([(float("nan"), 0.0)] * 4, [(1e9, 0.1), (0.1, 1e9), (-1e9, 0)]):
        DrawText(CONFIG).execute(FRAME, Text("x", 1.0, wild))


def test_what_is_refused() -> None:
    for arguments, message in (
        ({"place": "left"}, "no place 'left'"),
        ({"size": -1}, "size of 0 or more"),
        ({"color": "mauve"}, "no color 'mauve'"),
    ):
        with pytest.raises(ArgumentError, match=message):
            DrawText(CONFIG, **arguments)
    for value in (b"bytes", Keypoint(0, 0)):
        with pytest.raises(ElementTypeError, match="expected texts, numbers, labels"):
            DrawText(CONFIG).execute(FRAME, value)
