from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pytest

from beam_scanner.errors import ElementTypeError
from beam_scanner.types import Shape, get_type_info

Pair = Annotated[npt.NDArray[np.float32], Shape(2)]
Grid = Annotated[npt.NDArray[np.uint8], Shape(2, 3)]
Points = Annotated[npt.NDArray[np.float64], Shape(None, 2)]


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Pair, np.zeros(2), r"an array of float32 with shape \(2,\), got an array of float64"),
        (Pair, np.zeros(3, np.float32), r"got an array of float32 with shape \(3,\)"),
        (Pair, np.zeros(2, ">f4"), "got an array of >f4"),
        (Pair, [0.0, 1.0], "got list"),
        (Pair, np.ma.zeros(2, np.float32), "expected an array"),
        (Grid, np.zeros((3, 2), np.uint8), r"with shape \(2, 3\)"),
        (Points, np.zeros((1, 3)), r"with shape \(any, 2\)"),
        (np.float32, 0.5, "expected a numpy.float32, got float 0.5"),
        (np.int64, 1, "expected a numpy.int64, got int 1"),
    ],
)  # fmt: skip
def test_other_values_are_refused(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(ElementTypeError, match=problem):
        get_type_info(annotation).serialize(value)


@pytest.mark.parametrize(
    ("annotation", "stored"),
    [
        (Pair, [1.0, None]),
        (Pair, [1.0]),
        (Pair, 1.0),
        (Points, [[1.0]]),
        (Points, [[1.0, "x"]]),
        (np.float32, "1"),
    ],
)
def test_damaged_values_are_errors(annotation: Any, stored: Any) -> None:
    with pytest.raises(ElementTypeError, match="cannot read a stored value"):
        get_type_info(annotation).from_arrow(stored)


@pytest.mark.parametrize("sides", [(), (0,), (2, None), (-1,), (1.5,), ("a",)])
def test_impossible_shapes(sides: Any) -> None:
    with pytest.raises(ElementTypeError, match="lengths of an array's dimensions"):
        Shape(*sides)


def test_arrays_need_not_lie_in_order() -> None:
    info = get_type_info(Grid)
    value = np.arange(6, dtype=np.uint8).reshape(3, 2).T
    back = info.deserialize(info.serialize(value))
    assert back.tolist() == value.tolist()
    assert back.flags.writeable


def test_shapes_are_compared() -> None:
    assert (Shape(2, 3), hash(Shape(2))) == (Shape(2, 3), hash(Shape(2)))
    assert Shape(2) != Shape(2, 1)
    assert [repr(Shape(2)), repr(Shape(None, 2))] == ["Shape(2)", "Shape(None, 2)"]
