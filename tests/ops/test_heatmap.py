"""Values and masks over frames, compared with what OpenCV makes of them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.ops._colors import color_of_number
from beam_scanner.ops.heatmap import COLORMAPS, Heatmap
from beam_scanner.types import Mask
from tests.support.frames import CONFIG, picture


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_colors_equal_opencvs(colormap: str) -> None:
    values = np.random.default_rng(2).random((48, 64)) * 10
    drawn = Heatmap(CONFIG, 2, 8, 0.25, colormap).execute(picture(), values)
    levels = np.rint((values.clip(2, 8) - 2) / 6 * 255).astype(np.uint8)
    number = getattr(cv2, f"COLORMAP_{colormap.upper()}")
    colors = cv2.applyColorMap(levels, number)[..., ::-1]
    expected = picture() * 0.75 + colors * 0.25
    # The levels are those of float32.
    assert np.quantile(np.abs(drawn - expected), 0.99) <= 2


def test_the_range_of_each_row() -> None:
    draw = Heatmap(CONFIG, opacity=1.0)
    low = draw.execute(picture(), np.linspace(0, 1, 12).reshape(3, 4))
    high = draw.execute(picture(), np.linspace(50, 90, 12).reshape(3, 4, 1))
    assert np.abs(low.astype(int) - high).max() <= 2
    flat = draw.execute(picture(), np.full((3, 4), 7))
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) == 1


def test_nan_has_no_color() -> None:
    values = np.zeros((2, 2))
    values[0, 0] = np.nan
    drawn = Heatmap(CONFIG, opacity=1.0).execute(picture(), values)
    assert np.array_equal(drawn[:12, :16], picture()[:12, :16])
    assert not np.array_equal(drawn[30:, 40:], picture()[30:, 40:])
    nothing = Heatmap(CONFIG).execute(picture(), np.full((2, 2), np.nan))
    assert np.array_equal(nothing, picture())


def heatmap(**arguments: Any) -> Any:
    return Heatmap(CONFIG, **arguments)


def test_masks_have_a_color_each() -> None:
    one, two = np.zeros((48, 64), bool), np.zeros((24, 32), bool)
    one[:10, :10] = two[12:, 16:] = True
    masks = [Mask.from_array(one), Mask.from_array(two)]
    drawn = heatmap(opacity=0.5).execute(picture(), masks)
    expected = picture().astype(np.float64)
    expected[:10, :10] = (expected[:10, :10] + color_of_number(0)) / 2
    expected[24:, 32:] = (expected[24:, 32:] + color_of_number(1)) / 2
    assert np.abs(drawn - expected).max() <= 0.5
    alone = heatmap().execute(picture(), masks[0])
    assert np.array_equal(alone, heatmap().execute(picture(), masks[:1]))


def test_gray_frames_become_rgb() -> None:
    gray = picture()[..., :1]
    drawn = Heatmap(CONFIG, opacity=0.0).execute(gray, np.eye(3))
    assert np.array_equal(drawn, np.repeat(gray, 3, axis=2))


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no colormap 'rainbow'"):
        Heatmap(CONFIG, colormap="rainbow")
    with pytest.raises(ArgumentError, match="needs an opacity"):
        Heatmap(CONFIG, opacity=2)
    for values in (
        np.zeros((2, 2, 2)),
        np.zeros((0, 2)),
        np.zeros(3),
        np.array([["a"]]),
    ):
        with pytest.raises(ElementTypeError, match=r"H x W numbers|masks"):
            Heatmap(CONFIG).execute(picture(), values)
    with pytest.raises(ElementTypeError, match="Heatmap expected frames of uint8"):
        Heatmap(CONFIG).execute(picture().astype(np.float32), np.eye(3))
