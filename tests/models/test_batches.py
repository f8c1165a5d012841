"""Batches of arrays, by the names of inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ElementTypeError
from beam_scanner.models.batches import rows_of_outputs, stacked_inputs


def test_inputs() -> None:
    one = stacked_inputs([np.zeros(3), np.ones(3)], ["x"])
    assert one["x"].tolist() == [[0, 0, 0], [1, 1, 1]]
    two = stacked_inputs([{"x": 1, "y": [2]}, {"y": [4], "x": 3}], ["y", "x"])
    assert {name: array.tolist() for name, array in two.items()} == {
        "x": [1, 3],
        "y": [[2], [4]],
    }


@pytest.mark.parametrize(
    ("batch", "names", "said"),
    [
        ([{"x": 1}], ["x", "y"], "takes x, y, but preprocess gives x"),
        ([np.zeros(3)], ["x", "y"], "let preprocess give a dict"),
        ([np.zeros(3), np.zeros(4)], ["x"], r"one shape, but there are \(3,\) and"),
    ],
)
def test_what_does_not_fit(batch: Any, names: list[str], said: str) -> None:
    with pytest.raises(ElementTypeError, match=said):
        stacked_inputs(batch, names)


def test_outputs() -> None:
    assert rows_of_outputs({"a": list(np.arange(2))}) == [0, 1]
    assert rows_of_outputs({"a": [1, 2], "b": [3, 4]}) == [
        {"a": 1, "b": 3},
        {"a": 2, "b": 4},
    ]
