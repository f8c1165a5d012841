"""Samplers and slices of a pipeline."""

from __future__ import annotations

from pathlib import Path

from beam_scanner import SliceList
from beam_scanner.transforms import (
    Gather,
    Range,
    Ranges,
    Repeat,
    RepeatNull,
    Slice,
    Stride,
    StridedRange,
    StridedRanges,
    Unslice,
    partitioner,
)
from tests.support.pipeline_kernels import (
    Count,
)
from tests.support.pipeline_runs import Run
from tests.support.small_streams import elements, numbers


def test_samplers(run: Run, db: Path) -> None:
    x = numbers(run, db)
    wanted = {
        "stride": (x | Stride(8), [0, 8, 16]),
        "range": (x | Range(17, 99), [17, 18, 19]),
        "ranges": (x | Ranges([(4, 6), (3, 5)]), [4, 5, 3, 4]),
        "strided": (x | StridedRange(1, 12, 5), [1, 6, 11]),
        "stridings": (x | StridedRanges([(0, 5), (3, 9)], 4), [0, 4, 3, 7]),
        "gather": (x | Gather([5, 0, 5]), [5, 0, 5]),
        "repeat": (x | "Few" >> Range(0, 2) | Repeat(2), [0, 0, 1, 1]),
        "nulls": (x | "Two" >> Range(3, 5) | RepeatNull(2), [3, None, 4, None]),
        "nothing": (x | "None" >> Range(5, 5), []),
    }
    for name, (streams, _) in wanted.items():
        run.keep(name, streams)
    run.run()
    for name, (_, values) in wanted.items():
        assert run.rows(name) == elements("x/a", values), name
    # Each row has the time of the one that it was taken from.
    times = [key.pts_seconds for key, _ in run.timed("ranges")]
    assert times == [1.0, 1.25, 0.75, 1.0]
    assert [key.pts_seconds for key, _ in run.timed("nulls")] == [0.75, 0.75, 1.0, 1.0]


def test_slices(run: Run, db: Path) -> None:
    groups = numbers(run, db) | Slice(partitioner.ranges([(0, 4), (2, 5), (8, 8)]))
    run.keep("groups", groups)
    counted = groups | Count(start=10, add=SliceList([0, 100, 200]))
    run.keep("counted", counted.ret0)
    chosen = counted.ret1 | Stride(SliceList([3, 2, 1]))
    run.keep("chosen", chosen)
    run.keep("joined", chosen | Unslice())
    run.keep("all", (groups | "Plain" >> Count()).ret0)
    run.run()
    assert run.rows("groups") == [
        *elements("x/a", [0, 1, 2, 3], group=0),
        *elements("x/a", [2, 3, 4], group=1),
    ]
    assert run.rows("counted") == [
        *elements("x/a", [11, 12, 13, 14], group=0),
        *elements("x/a", [111, 112, 113], group=1),
    ]
    assert run.rows("chosen") == [
        *elements("x/a", [0, 3], group=0),
        *elements("x/a", [2, 4], group=1),
    ]
    assert [key.pts_seconds for key, _ in run.timed("chosen")] == [0, 0.75, 0.5, 1]
    assert run.rows("joined") == elements("x/a", [0, 3, 2, 4])
    assert [value for _, value in run.rows("all")] == [1, 2, 3, 4, 1, 2, 3]


def test_slice_lists_of_ranges(run: Run, db: Path) -> None:
    groups = numbers(run, db) | Slice(partitioner.all(10))
    wanted = {
        "range": (groups | Range(SliceList([0, 8]), 9), [[*range(9)], [18]]),
        "ranges": (
            groups | Ranges(SliceList([[(0, 2)], [(1, 2), (0, 1)]])),
            [[0, 1], [11, 10]],
        ),
        "strided": (
            groups | StridedRange(1, 10, SliceList([4, 9])),
            [[1, 5, 9], [11]],
        ),
        "stridings": (
            groups | StridedRanges([(0, 4)], SliceList([3, 2])),
            [[0, 3], [10, 12]],
        ),
        "gather": (groups | Gather(SliceList([[3], [2, 1]])), [[3], [12, 11]]),
        "repeat": (
            groups | "Row" >> Range(2, 3) | Repeat(SliceList([1, 2])),
            [[2], [12, 12]],
        ),
    }
    for name, (streams, _) in wanted.items():
        run.keep(name, streams)
    run.run()
    for name, (_, (first, second)) in wanted.items():
        assert run.rows(name) == [
            *elements("x/a", first, group=0),
            *elements("x/a", second, group=1),
        ], name
