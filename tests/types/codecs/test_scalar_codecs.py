"""Numbers, texts and truth values: bytes and columns give back what went in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import types
from beam_scanner.errors import ElementTypeError
from tests.support.element_values import copies

NUMBERS = st.integers(-(2**63), 2**63 - 1)


PLAIN = st.one_of(
    st.tuples(st.just(int), NUMBERS),
    st.tuples(st.just(float), st.floats(allow_nan=False)),
    st.tuples(st.just(bool), st.booleans()),
    st.tuples(st.just(str), st.text(st.characters(codec="utf-8"))),
)


@given(PLAIN)
def test_plain_values_come_back(given_: tuple[type, Any]) -> None:
    kind, value = given_
    found = copies(kind, value)
    assert found == [value] * 4
    assert {type(copy) for copy in found} == {kind}


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (int, np.uint64(2**63 - 1), 2**63 - 1),
        (int, np.int8(-1), -1),
        (float, 3, 3.0),
        (float, np.int64(3), 3.0),
        (float, np.float32(0.5), 0.5),
        (float, math.inf, math.inf),
        (bool, np.bool_(True), True),
        (str, np.str_("ü\0"), "ü\0"),
    ],
)
def test_numbers_of_numpy_are_plain(kind: type, value: Any, wanted: Any) -> None:
    found = copies(kind, value)
    assert found == [wanted] * 4
    assert {type(copy) for copy in found} == {kind}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 1.0),
        (int, "1"),
        (int, None),
        (int, 2**63),
        (int, np.uint64(2**63)),
        (int, np.array([1])),
        (float, False),
        (float, np.bool_(True)),
        (float, "1"),
        (float, None),
        (float, 10**400),
        (float, 1j),
        (bool, 1),
        (bool, None),
        (str, b"a"),
        (str, None),
        (str, "\ud800"),
    ],
)
def test_plain_types_are_strict(kind: type, value: Any) -> None:
    info = types.get_type_info(kind)
    for convert in (info.serialize, info.to_arrow):
        assert convert is not None
        with pytest.raises(ElementTypeError, match=f"type {kind.__name__} expected "):
            convert(value)
