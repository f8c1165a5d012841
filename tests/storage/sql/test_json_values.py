"""Values of databases as JSON, and of JSON for columns."""

from __future__ import annotations

import datetime
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError
from beam_scanner.storage.sql.json_values import TableColumn, json_object, plain

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
)


@given(
    st.dictionaries(
        st.text(), SCALARS | st.lists(SCALARS) | st.dictionaries(st.text(), SCALARS)
    )
)
def test_objects_come_back_exactly(row) -> None:
    text = json_object(row.items())
    found = json.loads(text, parse_float=Decimal)

    def exact(value):
        if isinstance(value, float):
            return Decimal(repr(value)) if math.isfinite(value) else value
        if isinstance(value, list):
            return [exact(each) for each in value]
        if isinstance(value, dict):
            return {key: exact(each) for key, each in value.items()}
        return value

    assert found == exact(row)
    assert list(found) == list(row)


def test_odd_numbers() -> None:
    text = json_object([("a", Decimal("1E+3")), ("b", Decimal("0.10")), ("c", 10**30)])
    assert text == '{"a": 1000, "b": 0.10, "c": 1000000000000000000000000000000}'
    assert math.isnan(json.loads(json_object([("a", Decimal("NaN"))]))["a"])


def test_what_has_no_form() -> None:
    with pytest.raises(ElementTypeError, match="column 'a' holds a timedelta"):
        json_object([("a", datetime.timedelta(1))])


def test_plain_values() -> None:
    given = {
        "t": datetime.time(1, 2),
        "u": uuid.UUID(int=1),
        "n": np.float32(0.5),
        "l": (np.arange(2), memoryview(b"a")),
    }
    assert plain(given) == {
        "t": "01:02:00",
        "u": "00000000-0000-0000-0000-000000000001",
        "n": 0.5,
        "l": [[0, 1], "YQ=="],
    }
    with pytest.raises(TypeError, match="a set"):
        plain({1})


@pytest.mark.parametrize(
    ("type", "good", "bad"),
    [
        ("INTEGER", [1, -(2**63), 2.0, True], [1.5, "1", math.nan, math.inf, 2**63]),
        ("hugeint", [2**100], ["a", [1]]),
        ("double precision", [1, 1.5, "1.5"], ["a", True, [1]]),
        ("numeric(10,2)", ["3.10", 3], ["3,10", {}]),
        ("boolean", [True, 0, 1], [2, "true", None.__class__]),
        ("character varying(3)", ["a", ""], [1, True, ["a"]]),
        ("BLOB", ["YQ==", ""], ["a", 1]),
        ("jsonb", [{"a": [1]}, "a", 1], []),
        ("integer[]", [[1, 2]], [1, "{1}"]),
        ("timestamp without time zone", ["2020-01-01", 5], [[1], {}]),
    ],
)
def test_which_values_fit(type: str, good: list[Any], bad: list[Any]) -> None:
    column = TableColumn("a", type, is_required=False)
    assert [value for value in good if column.problem(value)] == []
    assert [value for value in bad if not column.problem(value)] == []
    assert column.problem(None) == ""
    required = column._replace(is_required=True)
    assert required.problem(None) == "column 'a' needs a value"


def test_what_drivers_are_given() -> None:
    types = {"BLOB": ("YQ==", b"a"), "bigint": (2.0, 2), "bool": (1, True)}
    types |= {"json": ([1], "[1]"), "text": ("a", "a"), "date": (None, None)}
    for type, (value, stored) in types.items():
        found = TableColumn("a", type, False).stored(value)
        assert (found, found.__class__) == (stored, stored.__class__)
