from __future__ import annotations

import collections
import typing
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ElementTypeError
from beam_scanner.types import get_type_info


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (list[float], [1.0, "x"], r"type list\[float\] at \[1\] expected a number, got str 'x'"),
        (list[float], (1.0,), r"type list\[float\] expected a list, got tuple \(1.0,\)"),
        (list[float], np.zeros(2), "expected a list, got an array of float64"),
        (list[float], None, "expected a list, got NoneType None"),
        (list[int], [float("nan")], r"at \[0\] expected an integer that fits 64 bits"),
        (list[int], [1 << 63], "an integer that fits 64 bits"),
        (list[int], [True], "an integer"),
        (list[float], [(1 << 53) + 1], "64 bits hold exactly"),
        (list[float], [None], "expected a number, got NoneType"),
        (list[str], ["\ud800"], "a string that UTF-8 can encode"),
        (dict[str, float], {"a": "b"}, r"at \['a'\] expected a number"),
        (dict[str, float], {1: 1.0}, r"at \[key 1\] expected a string"),
        (dict[str, int], collections.Counter("ab"), "expected a dict, got Counter"),
        (list[tuple[int, str]], [(1, "a"), (1,)], r"at \[1\] expected a tuple of 2"),
        (list[tuple[int, str]], [(1, 2)], r"at \[0\]\[1\] expected a string"),
        (typing.Literal["a"], "b", "expected one of 'a', got str 'b'"),
        (typing.Literal[1], True, "expected one of 1, got bool True"),
        (float | None, "a", r"type float \| None expected a number, got str 'a'"),
        (list[list[list[int]]], [[[1], ["a"]]], r"at \[0\]\[1\]\[0\] expected"),
    ],
)  # fmt: skip
def test_other_values_are_refused(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(ElementTypeError, match=problem):
        get_type_info(annotation).serialize(value)


@pytest.mark.parametrize(
    ("annotation", "stored"),
    [
        (list[float], None),
        (list[float], [None]),
        (list[str], [None]),
        (list[float], 3),
        (dict[str, int], [("a", 1), ("a", 2)]),
        (dict[str, int], [(None, 1)]),
        (typing.Literal["a"], "b"),
        (list[tuple[int, str]], [{"field_0": 1}]),
    ],
)
def test_damaged_values_are_errors(annotation: Any, stored: Any) -> None:
    with pytest.raises(ElementTypeError, match="cannot read a stored value"):
        get_type_info(annotation).from_arrow(stored)


def test_integers_become_floats_where_floats_are_declared() -> None:
    info = get_type_info(list[float])
    (value,) = info.deserialize(info.serialize([1 << 60]))
    assert (type(value), value) == (float, 2.0**60)
