"""Montages, laid out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.notebook.montages import montage
from beam_scanner.types import NULL
from tests.support.frames import picture


def test_frames_stand_in_rows() -> None:
    frames = [picture(shift=n) for n in range(3)]
    sheet = montage([*frames, NULL, frames[0]], columns=2, width=64, gap=1)
    assert sheet.shape == (3 * 49 - 1, 129, 3)
    assert np.array_equal(sheet[:48, :64], frames[0])
    assert np.array_equal(sheet[:48, 65:], frames[1])
    assert np.array_equal(sheet[49:97, :64], frames[2])
    assert np.array_equal(sheet[98:, :64], frames[0])
    assert not sheet[49:97, 65:].any()
    assert not sheet[48].any()
    assert not sheet[98:, 65:].any()


def test_frames_of_other_sizes_keep_their_aspect() -> None:
    bright = np.full((100, 50, 1), 200, np.uint8)
    sheet = montage([picture(), bright], columns=2, width=64, gap=0)
    cell = sheet[:, 64:]
    assert (cell[:, 20:44] == 200).all()
    assert not cell[:, :20].any()
    assert not cell[:, 44:].any()


@pytest.mark.parametrize("count", [1, 2, 5, 24, 100])
def test_columns_suit_a_screen(count: int) -> None:
    height, width = montage([picture()] * count, width=16, gap=0).shape[:2]
    assert (height // 12) * (width // 16) >= count
    if count > 4:
        assert 1 < width / height < 3.2


def test_what_is_refused() -> None:
    for frames in ([], [NULL]):
        with pytest.raises(ArgumentError, match="at least one frame"):
            montage(frames)
    for wrong in ({"columns": 0}, {"width": 0}, {"gap": -1}):
        with pytest.raises(ArgumentError, match="a montage needs columns"):
            montage([picture()], **wrong)
