from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.rows.whole_numbers import as_whole_number, whole_number


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_whole_numbers(value: Any) -> None:
    found = as_whole_number(value)
    assert found == 3
    assert type(found) is int
    assert whole_number(value, "rows") == 3


@pytest.mark.parametrize(
    "value", [True, np.True_, 3.0, np.float64(3), "3", None, np.array([3, 4]), [3]]
)
def test_everything_else(value: Any) -> None:
    assert as_whole_number(value) is None
    with pytest.raises(ArgumentError, match="rows must be a whole number, got "):
        whole_number(value, "rows")
