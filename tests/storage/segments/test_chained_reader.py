"""Several readers as one: their rows, and how many are open at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import RowError
from beam_scanner.storage.segments.chained_reader import _OPEN_PARTS, ChainedReader
from beam_scanner.storage.stored_rows import RowReader
from tests.support.fake_reader import FakeReader


class Parts:
    """Lists of numbers as the parts of one reader, and what was done with them."""

    def __init__(self, lengths: list[int]) -> None:
        self.starts = np.cumsum([0, *lengths])
        self.opened: list[int] = []
        self.closed: list[int] = []
        self.rested: list[int] = []
        self.reader = ChainedReader("film", self.starts, self._open)

    def _open(self, number: int) -> RowReader:
        parts = self

        class Part(FakeReader):
            def close(self) -> None:
                parts.closed.append(number)

            def rest(self) -> None:
                parts.rested.append(number)

            def values(self, rows: Any) -> list[Any]:
                return [f"value {row}" for row in rows]

            def nulls(self) -> Any:
                return np.arange(len(self)) == 0

        self.opened.append(number)
        first, stop = self.starts[number : number + 2].tolist()
        return Part(list(range(first, stop)), "any", keyframes=[0])

    def read(self, rows: list[int]) -> list[int]:
        part = FakeReader([], "any")
        return [part._type.deserialize(data) for data in self.reader.read(rows)]


LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@given(lengths=LENGTHS, data=st.data())
def test_rows_are_those_of_the_parts(lengths: list[int], data: st.DataObject) -> None:
    parts = Parts(lengths)
    total = sum(lengths)
    assert len(parts.reader) == total
    rows = sorted(data.draw(st.sets(st.integers(0, max(total - 1, 0)))))
    rows = [row for row in rows if row < total]
    assert parts.read(rows) == rows
    shuffled = data.draw(st.permutations(rows))
    starts = parts.starts
    within = [
        row - starts[np.searchsorted(starts, row, "right") - 1] for row in shuffled
    ]
    found = parts.reader.seconds(np.array(shuffled, dtype=np.int64))
    np.testing.assert_array_equal(found, np.array(within, dtype=np.float64) * 0.25 + 1)
    assert len(parts.opened) - len(parts.closed) <= _OPEN_PARTS
    nulls = parts.reader.nulls()
    assert nulls.nonzero()[0].tolist() == [
        start for start, length in zip(starts, lengths, strict=False) if length
    ]


@pytest.mark.parametrize("row", [-1, 5])
def test_rows_outside_are_refused_before_a_part_is_opened(row: int) -> None:
    parts = Parts([2, 3])
    with pytest.raises(RowError, match=f"row {row} is outside stream 'film' of 5 rows"):
        parts.reader.read([row])
    assert parts.opened == []


def test_a_part_is_opened_when_it_is_needed_and_the_oldest_goes() -> None:
    count = _OPEN_PARTS + 2
    parts = Parts([1] * count)
    for row in range(count):
        parts.read([row])
    assert parts.opened == list(range(count))
    assert parts.closed == [0, 1]
    parts.read([5])
    assert parts.opened == list(range(count))
    parts.reader.close()
    assert sorted(parts.closed) == list(range(count))


def test_only_the_part_that_is_read_keeps_a_decoder() -> None:
    parts = Parts([2, 2])
    parts.read([0])
    parts.read([1, 2])
    assert parts.rested == [0]
    # Times are read without a decoder.
    parts.reader.seconds(np.array([0, 3]))
    assert parts.rested == [0]
    parts.reader.rest()
    assert parts.rested == [0, 1]


def test_counters_stay_when_parts_are_closed() -> None:
    parts = Parts([4, 4])
    parts.read([0, 3, 5])
    before = parts.reader.counters()
    assert before["frames_decoded"] == 6
    parts.reader.close()
    assert parts.reader.counters() == before


def test_values_are_the_parts_own() -> None:
    assert Parts([2, 3]).reader.values([1, 2, 4]) == ["value 1", "value 0", "value 2"]
