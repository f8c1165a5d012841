from __future__ import annotations

from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.types.codecs.arrow_bytes import pack, unpack

KIND = pa.struct(
    [
        ("a", pa.list_(pa.map_(pa.string(), pa.float32()))),
        ("b", pa.list_(pa.int16(), 2)),
        ("c", pa.timestamp("us", "UTC")),
        ("d", pa.null()),
    ]
)
VALUE = {"a": [[("x", 0.5)], None], "b": [1, 2], "c": None, "d": None}


def test_nested_values_with_nulls_come_back() -> None:
    assert unpack(KIND, pack(KIND, VALUE)) == VALUE


@given(st.integers(0, 300), st.binary(max_size=12), st.integers(0, 8))
def test_other_bytes_are_a_value_or_a_value_error(
    at: int, put: bytes, cut: int
) -> None:
    data = pack(KIND, VALUE)
    at %= len(data)
    changed = data[:at] + put + data[at + cut :]
    with suppress(ValueError):
        unpack(KIND, changed)


@pytest.mark.parametrize("count", [1, 1 << 40, (1 << 64) - 1])
def test_a_count_beyond_the_bytes_is_refused(count: int) -> None:
    data: Any = b"\1" + count.to_bytes(8, "little")
    for kind in (pa.list_(pa.int8()), pa.string(), pa.map_(pa.int8(), pa.int8())):
        with pytest.raises(ValueError, match="bytes"):
            unpack(kind, data)


def test_types_that_are_not_packed() -> None:
    with pytest.raises(TypeError, match="month_day_nano_interval"):
        pack(pa.month_day_nano_interval(), None)
