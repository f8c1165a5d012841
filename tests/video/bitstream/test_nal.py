"""NAL units, and what packets of them hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.video.bitstream.nal import nal_units
from beam_scanner.video.bitstream.registry import bitstream


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_damaged_packets_are_not_taken_for_messages(codec):
    count = bitstream(codec).pictures
    for data in (bytes(40), b"\xff" * 40, b"\0\0\1" + bytes(9)):
        assert count(memoryview(data)) != 0


UNITS = st.lists(st.binary(min_size=1, max_size=20), max_size=5)


@given(units=UNITS, size=st.sampled_from([1, 2, 4]))
def test_units_with_lengths_are_found_as_written(units, size):
    data = b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)
    assert [bytes(u) for u in nal_units(memoryview(data), size)] == units
    # One that is cut off is what is left of it.
    found = [bytes(u) for u in nal_units(memoryview(data)[:-1], size)]
    assert found == [*units[:-1], *(u[:-1] for u in units[-1:] if len(u) > 1)]


@given(units=UNITS)
def test_units_between_start_codes_are_found_as_written(units):
    units = [b"\x41" + unit.replace(b"\0", b"\1") for unit in units]
    data = b"".join(b"\0\0\1" + unit for unit in units)
    assert [bytes(u) for u in nal_units(memoryview(data), 0)] == units


@given(
    sets=st.lists(st.binary(max_size=8).map(lambda b: b"\x67" + b + b"\1"), max_size=3)
)
def test_sets_stand_before_a_packet_as_units_do(sets):
    sets = [one.replace(b"\0", b"\1") for one in sets]
    stream = bitstream("h264")
    assert stream.parameter_sets(memoryview(stream.join_sets(sets))) == sets


def test_messages_are_taken_out_and_pictures_stay():
    stream = bitstream("h264")
    slice_, timing = b"\0\0\0\1\x65\x88\x80", b"\0\0\1\x06\x01\x02ab\x80"
    assert stream.without_messages(memoryview(slice_)) is None
    assert stream.without_messages(memoryview(timing)) == b""
    assert stream.without_messages(memoryview(timing + slice_[1:])) == slice_
