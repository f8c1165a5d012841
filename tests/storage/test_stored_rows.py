"""What readers and writers of rows have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import RowError
from beam_scanner.rows.row_numbers import check_rows
from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.storage.stored_rows import NumberedReader, SegmentTask


class Numbers(NumberedReader):
    """Each row is its number."""

    closed = False

    def read(self, rows: Sequence[int]) -> list[Any]:
        return self.checked(rows).tolist()

    def close(self) -> None:
        self.closed = True


@given(length=st.integers(0, 50), rows=st.lists(st.integers(-5, 60), max_size=8))
def test_the_first_row_outside_is_named(length: int, rows: list[int]) -> None:
    outside = [row for row in rows if not 0 <= row < length]
    array = np.array(rows, dtype=np.int64)
    if not outside:
        check_rows(array, length, "outside stream 'film'")
        return
    wanted = f"^row {outside[0]} is outside stream 'film' of {length} rows$"
    with pytest.raises(RowError, match=wanted):
        check_rows(array, length, "outside stream 'film'")


def test_rows_must_follow_each_other(tmp_path: Path) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "film")
    writer = stream.segment_writer(SegmentTask("g1", 0, "a", 7))
    with pytest.raises(RowError, match=r"'film' .* expected row 7, got 8"):
        writer.write(8, [b"x"], np.array([0.0]))
    writer.write(7, [b"x"], np.array([0.0]))
    writer.abort()


def test_a_reader_that_says_nothing_more_is_of_plain_rows() -> None:
    with Numbers("numbers", 3) as reader:
        assert len(reader) == 3
        assert reader.read([0, 2]) == reader.values([0, 2]) == [0, 2]
        assert np.isnan(reader.seconds(np.array([1, 1]))).all()
        assert reader.nulls().tolist() == [False] * 3
        assert (reader.keyframes, reader.gop_bytes, reader.display) == (None,) * 3
        assert set(reader.counters().values()) == {reader.frame_bytes} == {0}
        # Any row can be had without others, so one position does.
        assert reader.reopen() is reader
        reader.rest()
        assert reader.read([1]) == [1]
    assert reader.closed


def test_a_reader_is_closed_by_an_error() -> None:
    reader = Numbers("numbers", 3)
    with pytest.raises(RowError, match="row 3 is outside"), reader:
        reader.read([3])
    assert reader.closed
