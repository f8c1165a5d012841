"""Numbers are read as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.video.bitstream.bits import Bits
from beam_scanner.video.bitstream.sei import unescaped
from tests.support.bitstreams import BitWriter


@given(st.lists(st.integers(0, 500), max_size=12))
def test_numbers_are_read_as_written(values):
    bits = Bits(unescaped(BitWriter().numbers(*values).nal(0)[1:]))
    assert [bits.golomb() for _ in values] == values
    with pytest.raises(ValueError, match="too early"):
        bits.take(99)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0)), max_size=8))
def test_fields_are_read_as_written(fields: list[tuple[int, int]]) -> None:
    fields = [(count, value % (1 << count)) for count, value in fields if count]
    writer = BitWriter()
    for count, value in fields:
        writer.bits(value, count)
    data = writer.nal(0)[1:]
    bits = Bits(data)
    assert [(count, bits.take(count)) for count, _ in fields] == fields
    assert bits.left == 8 * len(data) - sum(count for count, _ in fields)


@pytest.mark.parametrize(
    ("coded", "number"), [(0, 0), (1, 1), (2, -1), (3, 2), (4, -2), (99, 50)]
)
def test_signed_numbers(coded: int, number: int) -> None:
    data = BitWriter().numbers(coded).nal(0)[1:]
    assert Bits(data).signed_golomb() == number


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"\1"])
def test_a_number_that_has_no_end(data: bytes) -> None:
    with pytest.raises(ValueError, match="a header ends too early"):
        Bits(data).golomb()
    bits = Bits(data)
    with pytest.raises(ValueError, match="too early"):
        bits.take(8 * len(data) + 1)
    # What is too long leaves the rest as it was.
    assert bits.left == 8 * len(data)
