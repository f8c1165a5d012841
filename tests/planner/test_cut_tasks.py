"""Where jobs are cut into tasks, and what planning one of them costs."""

from __future__ import annotations

import os
import re
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from beam_scanner.graph.nodes import InputNode, OpColumn, topological
from beam_scanner.planner.bound import BoundGraph, SourceInfo, bind
from beam_scanner.planner.cut_tasks import TaskCuts, cut_tasks, frames_to_decode
from beam_scanner.planner.schedule import Schedule
from beam_scanner.rows.samplers import (
    Gather,
    RangesPartition,
    Repeat,
    Stride,
    StridedPartition,
    StridedRanges,
)
from tests.support.graphs import random_graph
from tests.support.harness import (
    bound,
    call,
    outputs_of,
    runner,
    sampled,
    sliced,
    source,
    unsliced,
    walk,
)

GRAPHS = int(os.environ.get("BEAM_SCANNER_GRAPHS", "1600"))
FIRST_SEED = int(os.environ.get("BEAM_SCANNER_SEED", "0"))


def cut_rows(cuts: TaskCuts, output: int = 0) -> list[int]:
    return cuts.bounds[:, output].tolist()


def keep(config: Any, x: Any) -> Any:
    return x


# -- cuts ----------------------------------------------------------------------------


@pytest.mark.parametrize("io_packet", [0, 1, 7, 20, 1000])
def test_tasks_make_every_row_once(io_packet: int) -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + GRAPHS // 5):
        graph = random_graph(seed)
        for job in range(graph.jobs):
            it = runner(graph, job, seed % 2 == 0)
            cuts = it.cuts(io_packet)
            for number, output in enumerate(it.graph.outputs):
                bounds = cut_rows(cuts, number)
                assert bounds == sorted(bounds)
                if len(cuts):
                    assert (bounds[0], bounds[-1]) == (0, output.rows)
                else:
                    assert all(output.rows == 0 for output in it.graph.outputs)
            same = len({output.rows for output in it.graph.outputs}) == 1
            if same and not re.search("at the same frames|for each", cuts.reason):
                assert (np.diff(cuts.bounds[:, 0]) > 0).all()
                assert (cuts.bounds == cuts.bounds[:, :1]).all()


def test_cuts_depend_on_nothing_but_graph_packet_and_keyframes() -> None:
    frames = source()
    for _ in range(3):
        cuts = cut_tasks(bound(sampled(frames, Stride(3)), every=12), 50)
        assert cut_rows(cuts)[:3] == [0, 48, 100]


def test_dense_tasks_are_cut_at_keyframes() -> None:
    graph = bound(source(), rows=1000, every=12)
    cuts = cut_tasks(graph, 100)
    inner = cut_rows(cuts)[1:-1]
    assert all(row % 12 == 0 for row in inner)
    assert all(abs(row - 100 * i) <= 6 for i, row in enumerate(inner, start=1))
    assert decoded(graph, cuts) == 1000


def decoded(graph: BoundGraph, cuts: TaskCuts) -> int:
    total = 0
    for task in range(len(cuts)):
        schedule = Schedule(graph, cuts.intervals(task), 50)
        for _ in schedule.steps():
            continue
        total += sum(count.decoded for count in schedule.counts().values())
    return total


@pytest.mark.parametrize("stride", [1, 2, 8, 30])
def test_strided_tasks_decode_little_twice(stride: int) -> None:
    graph = bound(sampled(source(), Stride(stride)), rows=6000, every=48)
    whole = decoded(graph, cut_tasks(graph, 100_000))
    cuts = cut_tasks(graph, 40)
    assert len(cuts) >= 6000 / stride / 40 / 2
    assert decoded(graph, cuts) <= whole * 1.5


def test_a_film_with_one_keyframe_is_one_task() -> None:
    graph = bound(source(), rows=1000, every=100_000)
    cuts = cut_tasks(graph, 100)
    assert decoded(graph, cuts) <= 2000
    assert "few keyframes" in cuts.reason


def test_random_access_is_cut_every_packet() -> None:
    cuts = cut_tasks(bound(source(), rows=250), 100)
    assert cut_rows(cuts) == [0, 100, 200, 250]


def test_no_rows_are_no_tasks() -> None:
    cuts = cut_tasks(bound(source(), rows=0), 100)
    assert len(cuts) == 0
    assert len(cut_tasks(bound(sampled(source(), Gather(()))), 100)) == 0


def test_an_op_in_order_makes_one_task_of_a_stream() -> None:
    for attributes in ({"unbounded_state": True}, {}):
        node = call(keep, source(), **attributes)
        cuts = cut_tasks(bound(node.outputs()[0], rows=250), 100)
        assert len(cuts) == (1 if attributes else 3)


def test_an_op_in_order_makes_tasks_of_slice_groups() -> None:
    cut = sliced(source(), StridedPartition(1, 30))
    node = call(keep, cut, unbounded_state=True)
    graph = bound(unsliced(node.outputs()[0]), rows=250)
    assert cut_rows(cut_tasks(graph, 1)) == [*range(0, 250, 30), 250]
    assert cut_rows(cut_tasks(graph, 50)) == [0, 60, 120, 180, 240, 250]
    assert cut_rows(cut_tasks(graph, 1000)) == [0, 250]


def test_an_op_in_order_before_the_slice_makes_one_task() -> None:
    node = call(keep, source(), unbounded_state=True)
    cut = sliced(node.outputs()[0], StridedPartition(1, 30))
    inside = call(keep, cut, unbounded_state=True)
    graph = bound(unsliced(inside.outputs()[0]), rows=250)
    assert len(cut_tasks(graph, 10)) == 1


def test_empty_slice_groups_are_in_no_task_of_their_own() -> None:
    partition = RangesPartition(((0, 5), (7, 7), (5, 9), (9, 9)))
    node = call(keep, sliced(source(), partition), unbounded_state=True)
    graph = bound(unsliced(node.outputs()[0]), rows=20)
    assert cut_rows(cut_tasks(graph, 1)) == [0, 5, 9]


def test_outputs_of_other_lengths_are_cut_at_the_same_frames() -> None:
    frames = source()
    graph = bound(
        frames,
        sampled(frames, Stride(10)),
        sampled(frames, StridedRanges(((500, 1000),), 1)),
        sampled(sampled(frames, Stride(100)), Repeat(7)),
        sampled(frames, StridedRanges((), 1)),
        rows=1000,
    )
    cuts = cut_tasks(graph, 300)
    assert cut_rows(cuts, 0) == [0, 300, 600, 900, 1000]
    assert cut_rows(cuts, 1) == [0, 30, 60, 90, 100]
    assert cut_rows(cuts, 2) == [0, 0, 100, 400, 500]
    assert cut_rows(cuts, 3) == [0, 21, 42, 63, 70]
    assert cut_rows(cuts, 4) == [0] * 5


def test_outputs_that_turn_back_are_cut_in_equal_parts() -> None:
    frames = source()
    graph = bound(frames, sampled(frames, Gather((900, 3, 500, 2))), rows=1000)
    cuts = cut_tasks(graph, 300)
    assert cut_rows(cuts, 0) == [0, 250, 500, 750, 1000]
    assert cut_rows(cuts, 1) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("first", "other"),
    [((0, 500), (500, 1000)), ((500, 1000), (0, 490)), ((0, 600), (400, 1000))],
)
def test_parts_of_a_film_are_cut_into_tasks_of_a_size(first: Any, other: Any) -> None:
    """Also where one has no frame of the other."""
    frames = source()
    parts = [sampled(frames, StridedRanges((part,), 1)) for part in (first, other)]
    graph = bound(*parts, rows=1000, every=10)
    cuts = cut_tasks(graph, 100)
    wanted = len({*range(*first), *range(*other)})
    assert 1000 <= _decoded(graph, cuts) + (1000 - wanted) <= 1010
    assert np.diff(cuts.bounds, axis=0).max() <= 110
    assert len(cuts) <= 13


@pytest.mark.parametrize("start", [0, 250, 500, 997])
@pytest.mark.parametrize("every", [1, 12, 250])
def test_a_film_and_a_part_of_it_decode_each_frame_once(start: int, every: int) -> None:
    frames = source()
    part = sampled(frames, StridedRanges(((start, 1000),), 1))
    graph = bound(part, frames, rows=1000, every=every)
    assert _decoded(graph, cut_tasks(graph, 100)) == 1000


def _decoded(graph: BoundGraph, cuts: TaskCuts) -> int:
    needs = [graph.needs(cuts.intervals(task)) for task in range(len(cuts))]
    return sum(frames_to_decode(graph, each) for each in needs)


def _in_groups(frames: OpColumn, partition: Any) -> OpColumn:
    node = call(keep, sliced(frames, partition), unbounded_state=True)
    return unsliced(node.outputs()[0])


def test_branches_with_and_without_groups_are_cut_at_the_same_frames() -> None:
    frames = source()
    parts = _in_groups(frames, StridedPartition(1, 120))
    few = sampled(call(keep, frames).outputs()[0], Stride(10))
    graph = bound(parts, frames, few, rows=1000, every=12)
    cuts = cut_tasks(graph, 200)
    assert cut_rows(cuts, 0) == cut_rows(cuts, 1) == [0, 240, 480, 720, 960, 1000]
    assert cut_rows(cuts, 2) == [0, 24, 48, 72, 96, 100]
    assert _decoded(graph, cuts) == 1000
    assert "all outputs at the same frames" in cuts.reason


def test_a_branch_beyond_the_groups_is_cut_there_as_if_alone() -> None:
    frames = source()
    part = sampled(frames, StridedRanges(((2_000, 3_000),), 1))
    groups = _in_groups(part, StridedPartition(1, 500))
    graph = bound(groups, frames, rows=20_000, every=10)
    cuts = cut_tasks(graph, 500)
    assert _decoded(graph, cuts) == 20_000
    assert np.diff(cuts.bounds[:, 1]).max() <= 600
    assert set(cut_rows(cuts, 0)) == {0, 500, 1000}


def test_branches_with_other_groups_are_cut_where_both_begin_one() -> None:
    frames = source()
    first = _in_groups(frames, StridedPartition(1, 100))
    other = _in_groups(sampled(frames, Stride(2)), StridedPartition(1, 75))
    graph = bound(first, other, rows=1000)
    cuts = cut_tasks(graph, 100)
    assert cut_rows(cuts, 0) == [0, 300, 600, 900, 1000]
    assert cut_rows(cuts, 1) == [0, 150, 300, 450, 500]
    assert _decoded(graph, cuts) == 1000


@pytest.mark.parametrize(
    "partition",
    [
        # Groups that few workers could share, that overlap, and that turn back.
        StridedPartition(1, 9_000),
        RangesPartition(((0, 6_000), (3_000, 9_000))),
        RangesPartition(((5_000, 9_000), (0, 5_000))),
    ],
)
def test_branches_that_do_not_fit_are_cut_as_if_alone(partition: Any) -> None:
    frames = source()
    parts = _in_groups(frames, partition)
    graph = bound(parts, frames, rows=9_000, every=12)
    cuts = cut_tasks(graph, 1000)
    alone = cut_tasks(bound(parts, rows=9_000, every=12), 1000)
    plain = cut_tasks(bound(frames, rows=9_000, every=12), 1000)
    last = graph.outputs[0].rows
    assert cut_rows(cuts, 0) == [*cut_rows(alone), *[last] * len(plain)]
    assert cut_rows(cuts, 1) == [*[0] * len(alone), *cut_rows(plain)]
    assert "are decoded for each" in cuts.reason


def test_the_planner_chooses_tasks_by_what_they_decode() -> None:
    dense = cut_tasks(bound(source(), rows=20_000, every=25), 0)
    sparse = cut_tasks(
        bound(sampled(source(), Stride(110)), rows=2_000_000, every=25), 0
    )
    dense_rows = 20_000 / len(dense)
    sparse_rows = 2_000_000 / 110 / len(sparse)
    assert 250 <= dense_rows <= 1000
    assert 16 <= sparse_rows < dense_rows


# -- needs ---------------------------------------------------------------------------


def _window(config: Any, x: Sequence[Any]) -> Any:
    return x


def _many(config: Any, x: Sequence[Any]) -> Sequence[Any]:
    return x


# -- errors of binding ---------------------------------------------------------------


def two(config: Any, x: Any, y: Any) -> Any:
    return x, y


# -- cost ----------------------------------------------------------------------------

MANY = 10_000_000


def long_columns(rows: int) -> dict[str, OpColumn]:
    frames = source()
    window = call(_window, sampled(frames, Stride(8)), stencil=[-2, 0, 1])
    state = call(keep, sampled(frames, StridedRanges(((5, rows),))), bounded_state=9)
    slices = sliced(frames, StridedPartition(1, 1000))
    return {
        "stride": sampled(frames, Stride(8)),
        "range": sampled(frames, StridedRanges(((1000, rows - 1000),))),
        "ranges": sampled(frames, StridedRanges(((rows // 2, rows), (0, 99)), 3)),
        "stride of range of stride": sampled(
            sampled(sampled(frames, Stride(2)), StridedRanges(((7, rows // 2 - 9),))),
            Stride(5),
        ),
        "repeat": sampled(frames, Repeat(3, nulls=True)),
        "stencil": window.outputs()[0],
        "bounded state": state.outputs()[0],
        "slices": unsliced(call(keep, slices).outputs()[0]),
        "sampled slices": unsliced(
            sampled(sliced(frames, StridedPartition(1, rows // 4)), Stride(10))
        ),
    }


@pytest.mark.parametrize("name", list(long_columns(100_000)))
@pytest.mark.parametrize("every", [None, 250])
def test_planning_a_task_does_not_cost_as_much_as_the_stream_is_long(
    name: str, every: int | None
) -> None:
    plan(name, 100_000, every)  # what is loaded and kept once is not counted
    small = plan(name, 100_000, every)
    large = plan(name, MANY, every)
    assert large <= small + 200_000, f"{small} bytes, then {large}"
    assert large < 1_000_000


def plan(name: str, rows: int, every: int | None) -> int:
    """Peak memory of planning one task in the middle."""
    nodes = topological(outputs_of(long_columns(rows)[name]))
    entries = None if every is None else np.arange(0, rows, every)
    infos = {
        id(node): SourceInfo("film", rows, entries)
        for node in nodes
        if isinstance(node, InputNode)
    }
    tracemalloc.start()
    try:
        graph = bind(nodes, 0, infos)
        middle = graph.outputs[0].rows // 2
        schedule = Schedule(graph, [(middle, middle + 1000)], 100)
        for _ in schedule.steps():
            continue
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_cutting_a_long_stream_costs_what_its_tasks_cost() -> None:
    graph = bound(sampled(source(), Stride(8)), rows=MANY, every=250)
    tracemalloc.start()
    cuts = cut_tasks(graph, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 600 <= len(cuts) <= 1300
    assert peak < 4_000_000


# -- memory of a run -----------------------------------------------------------------


def stream_columns() -> dict[str, OpColumn]:
    frames = source()
    window = call(_window, frames, stencil=list(range(-3, 4)))
    state = call(keep, window.outputs()[0], bounded_state=5)
    both = call(two, frames, state.outputs()[0])
    batch = call(_many, frames, batch=16)
    slices = sliced(frames, StridedPartition(1, 20))
    whole = call(_many, slices, whole_stream=True)
    chain = call(keep, frames, unbounded_state=True)
    return {
        "plain": frames,
        "stride": sampled(frames, Stride(7)),
        "repeat": sampled(frames, Repeat(3)),
        "join": both.outputs()[0],
        "batch": batch.outputs()[0],
        "whole slices": unsliced(whole.outputs()[0]),
        "unbounded": chain.outputs()[0],
        "sampled state": sampled(state.outputs()[0], Stride(30)),
    }


@pytest.mark.parametrize("name", list(stream_columns()))
@pytest.mark.parametrize("every", [None, 12])
def test_rows_held_do_not_grow_with_a_task(name: str, every: int | None) -> None:
    peaks = []
    for rows in (400, 4000):
        graph = bound(stream_columns()[name], rows=rows, every=every)
        schedule = Schedule(graph, [(0, graph.outputs[0].rows)], 10)
        peaks.append(walk(schedule).peak)
    assert peaks[1] <= peaks[0] + 10
    assert peaks[1] <= 100


def test_outputs_of_one_source_are_read_in_step() -> None:
    frames = source()
    window = call(_window, frames, stencil=[-1, 0, 1])
    graph = bound(frames, window.outputs()[0], rows=3000, every=12)
    assert walk(Schedule(graph, [(0, 3000), (0, 3000)], 10)).peak <= 40


# -- forecasts -----------------------------------------------------------------------
