"""Contact sheets of any number of pictures of any size."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.apps.contact_sheet import MOST_CELLS, Cell, contact_sheet

# Contact sheets.


def test_a_contact_sheet_of_very_many_shots() -> None:
    image = np.full((30, 40, 3), 200, np.uint8)
    cells = [Cell(image, i + 1, i, i + 1, i * 1.0, i + 1.0) for i in range(1000)]
    sheet = contact_sheet(cells)
    assert sheet.shape[1] < 2000
    # So many pictures, by the area of their color.
    assert (sheet == 200).all(axis=2).sum() == MOST_CELLS * 30 * 40


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 500)), min_size=1, max_size=9)
)
@settings(deadline=None, max_examples=30)
def test_contact_sheets_hold_pictures_of_any_size(sizes: list[tuple[int, int]]) -> None:
    cells = [
        Cell(np.full((*size, 3), 255, np.uint8), i + 1, i, i + 1, 5e4 * i, 5e4 * i + 9)
        for i, size in enumerate(sizes)
    ]
    sheet = contact_sheet(cells)
    white = (sheet == 255).all(axis=2).sum()
    assert white == sum(h * w for h, w in sizes)
