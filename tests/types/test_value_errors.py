"""Errors for values that are not of their type."""

from __future__ import annotations

import typing
from typing import Any

import numpy as np
import pytest

from beam_scanner import protobufs, types
from beam_scanner.errors import ElementTypeError
from tests.support.element_values import Matrix, Pair


class Opaque:
    """Cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("it is opaque")


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        (bytes, 7, "type Bytes expected bytes, got int 7"),
        (bytes, None, "NoneType"),
        (typing.Any, Opaque(), "it is opaque"),
        (types.Histogram, [np.zeros(16)] * 3, "expected integers"),
        (types.Histogram, [np.arange(16)] * 2, "three arrays"),
        (types.Histogram, [[1, 2], [3], [4, 5]], "three arrays"),
        (types.Histogram, [[2**31]] * 3, "fit int32"),
        (types.Histogram, None, "three arrays"),
        (types.NumpyArray, [1, 2], "NumPy array"),
        (types.NumpyArray, np.array([{}]), "without Python objects"),
        (types.NumpyArray, np.ma.masked_array([1], [True]), "NumPy array"),
        (types.NumpyArrayFloat32, np.arange(3), "floating-point"),
        (types.NumpyArrayInt32, np.zeros(3), "integers"),
        (types.NumpyArrayInt32, np.array([2**40]), "fit int32"),
        (types.Bbox, protobufs.Point(), "beam_scanner.BoundingBox"),
        (types.BboxList, protobufs.BoundingBox(), "list of Bbox"),
        (types.BboxList, b"", "list of Bbox"),
        (types.Image, b"GIF89a", "PNG or JPEG"),
        (types.Image, np.zeros((2, 2, 3), np.float32), "uint8 or uint16"),
        (types.Image, np.zeros((0, 2, 3), np.uint8), "shape"),
        (Matrix, [np.zeros(2, np.float32)], "elements of 12 bytes"),
        (Pair, [np.zeros(2, np.int32)], "list of 2 elements"),
        (Pair, [np.zeros(2, np.int32), np.zeros(1, np.int32)], "one size"),
        (Pair, [np.zeros(0, np.int32)] * 2, "one size above 0"),
    ],
)
def test_wrong_values_are_named(annotation: Any, value: Any, says: str) -> None:
    info = types.get_type_info(annotation)
    with pytest.raises(ElementTypeError, match=says):
        info.serialize(value)
    with pytest.raises(ElementTypeError, match=says):
        (info.to_arrow or info.serialize)(value)
