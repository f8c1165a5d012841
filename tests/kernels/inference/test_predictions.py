"""One prediction a row, plain."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest
from apache_beam.ml.inference.base import PredictionResult

from beam_scanner.errors import KernelError
from beam_scanner.kernels.inference.predictions import (
    bytes_of,
    plain_tensor,
    plain_value,
    predictions_of,
)


@pytest.mark.parametrize(
    ("result", "rows"),
    [
        ([1, 2], [1, 2]),
        ((1, 2), [1, 2]),
        (iter([1, 2]), [1, 2]),
        (np.array([1, 2]), [1, 2]),
        ({"a": [1, 2], "b": np.array([3, 4])}, [{"a": 1, "b": 3}, {"a": 2, "b": 4}]),
    ],
)
def test_one_a_row(result: Any, rows: Any) -> None:
    assert predictions_of(result, 2, "M") == rows


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ([1], "M gave 1 prediction for 2 rows"),
        ([], "M gave 0 predictions for 2 rows"),
        (iter([1, 2, 3]), "M gave 3 predictions for 2 rows"),
        (np.zeros((1, 2)), "M gave 1 prediction for 2 rows"),
        ({"a": [1, 2], "b": [1]}, "M, output 'b', gave 1 prediction"),
        (None, "M gave NoneType for a batch of 2 rows"),
        (np.array(3), "M gave ndarray for a batch"),
        ("ab", "M gave str for a batch"),
    ],
)
def test_another_number_is_an_error(result: Any, said: str) -> None:
    with pytest.raises(KernelError, match=said):
        predictions_of(result, 2, "M")


def test_examples_are_left_out() -> None:
    frame = np.zeros((2, 2, 3))
    given = [PredictionResult(frame, {"box": PredictionResult(frame, (1, 2))})]
    assert plain_value(given) == [{"box": (1, 2)}]


class _Tensor:
    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)
        self.dtype = self.values.dtype

    def detach(self) -> Any:
        return self

    def cpu(self) -> Any:
        return self

    def numpy(self) -> Any:
        return self.values


@pytest.mark.parametrize("library", ["torch", "tensorflow.python.framework.ops"])
def test_tensors_are_arrays(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, types.ModuleType(library))
    monkeypatch.setattr(_Tensor, "__module__", library)
    found = plain_value({"scores": [_Tensor([1.0, 2.0])]})
    assert type(found["scores"][0]) is np.ndarray
    assert len(predictions_of(_Tensor([1, 2]), 2, "M")) == 2
    assert plain_tensor("text") == "text"


def test_bytes() -> None:
    frame = np.zeros((4, 5, 3), np.uint8)
    assert bytes_of([frame, (frame, b"ab", "c"), {"x": frame}, None, 7]) == 3 * 60 + 3
