"""Rows that callers ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, RowError
from beam_scanner.rows.row_numbers import row_numbers


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (None, [0, 1, 2, 3, 4]),
        ([], []),
        ([4, 0, 0], [4, 0, 0]),
        (range(1, 5, 2), [1, 3]),
        (np.array([2, 1], np.uint8), [2, 1]),
        ((row for row in (3, 1)), [3, 1]),
        ({2: "a"}, [2]),
    ],
)
def test_any_rows(rows: Any, wanted: list[int]) -> None:
    found = row_numbers(rows, 5, "s")
    assert found.dtype == np.int64
    assert found.tolist() == wanted


@pytest.mark.parametrize(
    "rows", [3, [1.0], ["a"], [[1]], [None], [True, "a"], [[1], 2]]
)
def test_what_are_no_rows(rows: Any) -> None:
    with pytest.raises(ArgumentError, match="rows of stream 's': expected a list"):
        row_numbers(rows, 5, "s")


@pytest.mark.parametrize("rows", [[5], [-1], [0, 99]])
def test_rows_outside_of_the_stream(rows: list[int]) -> None:
    with pytest.raises(RowError, match=str(max(rows, key=abs))):
        row_numbers(rows, 5, "s")
