"""Letters in frames."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError, MissingDependencyError
from beam_scanner.ops import _text
from beam_scanner.ops._text import Pen, check_frame, line_width, text_size

pytest.importorskip("fontpkg")


@pytest.fixture
def pen() -> Pen:
    return Pen("Op")


def test_lines_are_broken_between_words(pen: Pen) -> None:
    text = "to be or not to be\n\nthat is the question"
    lines = pen.lines(text, 12, 60)
    assert " ".join(line for line in lines if line) == " ".join(text.split())
    assert "" in lines
    assert all(pen.box([line], 12)[0] <= 66 for line in lines)
    # A word that is too wide stays one.
    assert pen.lines("Donaudampfschifffahrt", 12, 10) == ["Donaudampfschifffahrt"]
    assert pen.lines("one line", 12, 1000) == ["one line"]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("height", [240, 1080])
def test_text_is_in_its_box(pen: Pen, channels: int, height: int) -> None:
    frame = np.full((height, height, channels), 100, np.uint8)
    lines, size = ["Žluťoučký", "gjpqy Ελλάς Ж"], text_size(height)
    width, high = pen.box(lines, size)
    pen.write(frame, lines, size, (20, 30), (255, 255, 255), (0, 0, 0))
    box = frame[30 : 30 + high, 20 : 20 + width]
    outside = frame.copy()
    outside[30 : 30 + high, 20 : 20 + width] = 100
    assert (outside == 100).all()
    ink = box[..., 0] > 128
    # Accents and descenders are whole: a margin is left on all sides.
    assert ink.any()
    for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]):
        assert not edge.any()
    assert (box[0, 0] == [0, 0, 0, 255][:channels]).all() if channels > 1 else True


def test_accents_are_not_cut_off(pen: Pen) -> None:
    def top(letter: str) -> int:
        frame = np.zeros((200, 200, 1), np.uint8)
        pen.write(frame, [letter], 60, (0, 0), (255, 255, 255), (0, 0, 0))
        return int(np.argwhere(frame[..., 0] > 128)[:, 0].min())

    assert 10 < top("Ů") < top("U")


def test_what_lies_outside_the_frame_is_left_out(pen: Pen) -> None:
    for corner in ((-30, -9), (90, 95), (-500, 0), (0, 500)):
        frame = np.zeros((100, 100, 3), np.uint8)
        pen.write(frame, ["words"], 20, corner, (255, 255, 255), (9, 9, 9))
        assert frame.any() == (abs(corner[0]) < 100 and abs(corner[1]) < 100)


def test_opacity_lets_the_frame_through(pen: Pen) -> None:
    frame = np.full((100, 100, 3), 200, np.uint8)
    pen.write(frame, [" "], 20, (0, 0), (255, 255, 255), (0, 0, 0), 0.5)
    assert (frame[0, 0] == 100).all()


def test_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font = _text._noto_sans("Op")
    assert Pen("Op", font).box(["x"], 12) == Pen("Op").box(["x"], 12)
    (tmp_path / "no.ttf").write_bytes(b"no font")
    for path in (tmp_path / "no.ttf", tmp_path / "missing.ttf"):
        with pytest.raises(ArgumentError, match=r"Op cannot read font .*\.ttf"):
            Pen("Op", str(path))
    monkeypatch.setitem(sys.modules, "fontpkg", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[draw\]"):
        Pen("Op")
    monkeypatch.setitem(sys.modules, "PIL", None)
    _text._font_of_size.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"op Op needs Pillow"):
        Pen("Op", font)


def test_frames_that_can_be_drawn_into() -> None:
    for channels in (1, 3, 4):
        check_frame("Op", np.zeros((2, 2, channels), np.uint8))
    for wrong in (np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2, 3), np.uint16)):
        with pytest.raises(ElementTypeError, match="Op expected frames of uint8"):
            check_frame("Op", wrong)


def test_sizes_grow_with_the_frame() -> None:
    heights = range(1, 3000, 7)
    assert [*map(text_size, heights)] == sorted(map(text_size, heights))
    assert [*map(line_width, heights)] == sorted(map(line_width, heights))
    assert (text_size(2160), line_width(2160)) == (67, 6)
