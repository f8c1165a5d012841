"""A file that is given in ranges is a file like any other."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.stores.range_file import RangeFile


class Ranges(RangeFile):
    """Bytes in memory, and which ranges of them were asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__("some file", len(data))
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def _range(self, start: int, stop: int) -> bytes:
        assert 0 <= start < stop <= self.size
        self.asked.append((start, stop))
        return self.data[start:stop]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 12) | st.none()),
        st.tuples(st.just("into"), st.integers(0, 12)),
        st.tuples(st.just("set"), st.integers(0, 30)),
        st.tuples(st.just("cur"), st.integers(-5, 5)),
        st.tuples(st.just("end"), st.integers(-20, 5)),
    ),
    max_size=12,
)


@given(data=st.binary(max_size=20), steps=STEPS)
def test_it_reads_and_seeks_as_a_file_in_memory(
    data: bytes, steps: list[tuple[str, int]]
) -> None:
    ours, theirs = Ranges(data), io.BytesIO(data)
    whence = {"set": os.SEEK_SET, "cur": os.SEEK_CUR, "end": os.SEEK_END}
    for kind, number in steps:
        if kind == "read":
            assert ours.read(number) == theirs.read(number)
        elif kind == "into":
            mine, other = bytearray(number), bytearray(number)
            assert ours.readinto(mine) == theirs.readinto(other)
            assert mine == other
        else:
            before = {"set": 0, "cur": theirs.tell(), "end": len(data)}[kind]
            if before + number < 0:
                with pytest.raises(ValueError, match="cannot seek 'some file'"):
                    ours.seek(number, whence[kind])
                continue
            assert ours.seek(number, whence[kind]) == before + number
            theirs.seek(before + number)
        assert ours.tell() == theirs.tell()
    assert ours.readall() == theirs.read()


def test_seeking_and_reading_beyond_the_end_asks_for_nothing() -> None:
    file = Ranges(b"abc")
    file.seek(10)
    assert file.read() == b""
    assert file.read(0) == b""
    assert file.asked == []


def test_a_closed_file_is_not_read() -> None:
    file = Ranges(b"abc")
    file.close()
    with pytest.raises(ValueError, match="'some file' is closed"):
        file.read(1)


def test_it_can_be_buffered() -> None:
    file = Ranges(b"one\ntwo\n")
    assert file.readable()
    assert file.seekable()
    assert io.TextIOWrapper(io.BufferedReader(file)).readlines() == ["one\n", "two\n"]
