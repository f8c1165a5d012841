"""Samplers and partitions against plain lists, and all that they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, RowError, ScannerException
from beam_scanner.rows.row_maps import NULL_ROW
from beam_scanner.rows.samplers import (
    All,
    Gather,
    GatherPartition,
    Partition,
    RangesPartition,
    Repeat,
    Sampler,
    Stride,
    StridedPartition,
    StridedRanges,
)
from tests.support.oracle import is_null, partition, sample

LENGTHS = st.integers(0, 60)


def intervals(rows: int, beyond: int) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    one = st.tuples(st.integers(0, rows), st.integers(0, rows + beyond)).map(
        lambda pair: (min(pair), max(pair))
    )
    return st.lists(one, max_size=6).map(tuple)


def gathers(rows: int) -> st.SearchStrategy[tuple[int, ...]]:
    if not rows:
        return st.just(())
    return st.lists(st.integers(0, rows - 1), max_size=20).map(tuple)


def samplers(rows: int) -> st.SearchStrategy[Sampler]:
    steps = st.integers(1, 9)
    return st.one_of(
        st.just(All()),
        st.builds(Stride, st.integers(1, 80)),
        st.builds(StridedRanges, intervals(rows, 20), steps),
        st.builds(Gather, gathers(rows)),
        st.builds(Repeat, steps, st.booleans()),
    )


def partitions(rows: int) -> st.SearchStrategy[Partition]:
    steps = st.integers(1, 9)
    return st.one_of(
        st.builds(StridedPartition, steps, st.integers(1, 70)),
        st.builds(RangesPartition, intervals(rows, 0), steps),
        st.builds(GatherPartition, st.lists(gathers(rows), max_size=5).map(tuple)),
    )


def rows_of(taken: Any) -> list[int]:
    return taken.map(np.arange(len(taken))).tolist()


@given(LENGTHS.flatmap(lambda n: st.tuples(st.just(n), samplers(n))))
def test_samplers_take_what_plain_lists_take(case: tuple[int, Sampler]) -> None:
    rows, sampler = case
    wanted = sample(sampler, list(range(rows)))
    got = rows_of(sampler.row_map(rows, "Op"))
    assert got == [NULL_ROW if is_null(row) else row for row in wanted]


@given(LENGTHS.flatmap(lambda n: st.tuples(st.just(n), partitions(n))))
def test_partitions_cut_what_plain_lists_give(case: tuple[int, Partition]) -> None:
    rows, cut = case
    wanted = partition(cut, list(range(rows)))
    taken, layout = cut.groups(rows, "Slice")
    assert layout.lengths() == [len(group) for group in wanted]
    assert rows_of(taken) == [row for group in wanted for row in group]
    assert layout.rows == len(taken)


@given(LENGTHS.flatmap(lambda n: st.tuples(st.just(n), samplers(n))), st.data())
def test_samplers_compose(case: tuple[int, Sampler], data: st.DataObject) -> None:
    rows, first = case
    middle = sample(first, list(range(rows)))
    second = data.draw(samplers(len(middle)))
    inner, outer = first.row_map(rows, "A"), second.row_map(len(middle), "B")
    through = [NULL_ROW if row < 0 else rows_of(inner)[row] for row in rows_of(outer)]
    wanted = sample(second, middle)
    assert through == [NULL_ROW if is_null(row) else row for row in wanted]


@pytest.mark.parametrize(
    ("sampler", "rows", "wanted"),
    [
        (StridedRanges(((90, 1000),)), 100, list(range(90, 100))),
        (StridedRanges(((0, 1000),)), 720, list(range(720))),
        (
            StridedRanges(((0, 5), (95, 160), (5, 6))),
            100,
            [*range(5), *range(95, 100), 5],
        ),
        (StridedRanges(((10, 13), (0, 3))), 20, [10, 11, 12, 0, 1, 2]),
        (StridedRanges(((0, 5), (3, 8))), 20, [0, 1, 2, 3, 4, 3, 4, 5, 6, 7]),
        (StridedRanges(((4, 4),)), 20, []),
        (StridedRanges(()), 20, []),
        (StridedRanges(((100, 200),)), 100, []),
        (StridedRanges(((0, 10), (20, 25)), 3), 30, [0, 3, 6, 9, 20, 23]),
        (Gather((5, 1, 9)), 10, [5, 1, 9]),
        (Gather((3, 3)), 10, [3, 3]),
        (Gather(()), 10, []),
        (Gather(()), 0, []),
        (Stride(3), 30, list(range(0, 30, 3))),
        (Stride(8), 0, []),
        (Stride(1 << 40), 3, [0]),
        (Repeat(3), 2, [0, 0, 0, 1, 1, 1]),
        (Repeat(1, nulls=True), 2, [0, 1]),
        (Repeat(2, nulls=True), 0, []),
    ],
)
def test_documented_rows(sampler: Sampler, rows: int, wanted: list[int]) -> None:
    assert rows_of(sampler.row_map(rows, "Op")) == wanted


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (StridedRanges(((150, 160),)), "start 150 is past the end, the stream has 100"),
        (StridedRanges(((0, 10), (150, 160))), "start 150 is past the end"),
        (StridedRanges(((-1, 5),)), "start -1 is negative"),
        (StridedRanges(((5, 4),)), "start 5 is after end 4"),
        (StridedRanges(((0, 5),), 0), "stride must be at least 1, got 0"),
        (StridedRanges((), -2), "stride must be at least 1, got -2"),
        (Stride(0), "stride must be at least 1, got 0"),
        (Stride(-8), "stride must be at least 1, got -8"),
        (Gather((1, 200, 5)), "row 200 is out of range, the stream has 100 rows"),
        (Gather((100,)), "row 100 is out of range"),
        (Gather((3, -1)), "row -1 is out of range"),
        (Repeat(0), "spacing must be at least 1, got 0"),
        (Repeat(-1, nulls=True), "spacing must be at least 1, got -1"),
    ],
)
def test_a_refused_sampler_says_what_and_where(sampler: Sampler, message: str) -> None:
    # A row that is not there is an IndexError, any other value a ValueError.
    kind = RowError if message.startswith("row") else ArgumentError
    with pytest.raises(kind) as caught:
        sampler.row_map(100, "Op on stream 'a'")
    assert str(caught.value).startswith("Op on stream 'a': ")
    assert message in str(caught.value)
    assert isinstance(caught.value, ScannerException)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (StridedPartition(0, 5), "stride must be at least 1, got 0"),
        (StridedPartition(2, 0), "group_size must be at least 1, got 0"),
        (StridedPartition(2, -5), "group_size must be at least 1, got -5"),
        (RangesPartition(((0, 101),)), "end 101 is past the end, the stream has 100"),
        (RangesPartition(((101, 101),)), "start 101 is past the end"),
        (RangesPartition(((-2, 5),)), "start -2 is negative"),
        (RangesPartition(((7, 5),)), "start 7 is after end 5"),
        (RangesPartition(((0, 5),), 0), "stride must be at least 1, got 0"),
        (GatherPartition(((0, 1), (100,))), "row 100 is out of range"),
        (GatherPartition(((-1,),)), "row -1 is out of range"),
    ],
)
def test_a_refused_partition_says_what_and_where(cut: Partition, message: str) -> None:
    # A row that is not there is an IndexError, any other value a ValueError.
    kind = RowError if message.startswith("row") else ArgumentError
    with pytest.raises(kind) as caught:
        cut.groups(100, "Slice on stream 'a'")
    assert str(caught.value).startswith("Slice on stream 'a': ")
    assert message in str(caught.value)


def test_only_samplers_sample() -> None:
    with pytest.raises(TypeError, match="Sampler is not a sampler"):
        Sampler().row_map(3, "Op")
    with pytest.raises(TypeError, match="Partition is not a partition"):
        Partition().groups(3, "Op")
