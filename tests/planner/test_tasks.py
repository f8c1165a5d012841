"""Where jobs are cut into tasks, and what planning one of them costs."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, GraphError, RowError
from beam_scanner.graph.nodes import (
    InputNode,
    OpColumn,
    OutputNode,
    SliceList,
    topological,
)
from beam_scanner.graph.validate import check_graph
from beam_scanner.kernels import Kernel
from beam_scanner.planner.bound import BoundGraph, SourceInfo, bind
from beam_scanner.planner.forecast import forecast
from beam_scanner.planner.schedule import Schedule
from beam_scanner.planner.tasks import TaskCuts, cut_tasks
from beam_scanner.rows.row_maps import RowSet
from beam_scanner.rows.sampling import (
    All,
    Gather,
    GatherPartition,
    RangesPartition,
    Repeat,
    Stride,
    StridedPartition,
    StridedRanges,
)
from tests.support.fake_reader import FakeReader
from tests.support.graphs import FakeStream, random_graph
from tests.support.harness import (
    Runner,
    call,
    outputs_of,
    runner,
    sampled,
    sliced,
    source,
    unsliced,
    walk,
)
from tests.support.tiers import most_slow

GRAPHS = int(os.environ.get("BEAM_SCANNER_GRAPHS", "1600"))
FIRST_SEED = int(os.environ.get("BEAM_SCANNER_SEED", "0"))


def bound(
    *columns: OpColumn,
    rows: int = 1000,
    every: int | None = None,
    lengths: dict[OpColumn, int] | None = None,
) -> BoundGraph:
    """A bound graph; ``every``: distance of keyframes, None for random access."""
    nodes = topological(outputs_of(*columns))
    known = {id(c.node): n for c, n in (lengths or {}).items()}
    infos = {}
    for node in nodes:
        if isinstance(node, InputNode):
            count = known.get(id(node), rows)
            entries = None if every is None else np.arange(0, max(1, count), every)
            infos[id(node)] = SourceInfo("film", count, entries)
    return bind(nodes, 0, infos)


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
            if len({output.rows for output in it.graph.outputs}) == 1:
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


def test_outputs_of_other_lengths_are_cut_in_equal_parts() -> None:
    frames = source()
    graph = bound(frames, sampled(frames, Stride(10)), rows=1000)
    cuts = cut_tasks(graph, 300)
    assert cut_rows(cuts, 0) == [0, 250, 500, 750, 1000]
    assert cut_rows(cuts, 1) == [0, 25, 50, 75, 100]


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


def needs(column: OpColumn, rows: int, **more: Any) -> RowSet:
    graph = bound(column, rows=rows, **more)
    return graph.needs([(0, graph.outputs[0].rows)])[0]


@pytest.mark.parametrize(
    ("stencil", "wanted"),
    [
        ([-1, 0, 1], [0, 1, 9, 10, 11, 28, 29]),
        ([-3, 0], [0, 7, 10, 26, 29]),
        ([2], [2, 12, 29]),
        ([0], [0, 10, 29]),
    ],
)
def test_a_stencil_needs_its_windows_alone(stencil: Any, wanted: list[int]) -> None:
    node = call(_window, source(), stencil=stencil)
    column = sampled(node.outputs()[0], Gather((0, 10, 29)))
    assert needs(column, 30).array().tolist() == wanted


def _window(config: Any, x: Sequence[Any]) -> Any:
    return x


def _many(config: Any, x: Sequence[Any]) -> Sequence[Any]:
    return x


def test_bounded_state_and_a_stencil() -> None:
    node = call(_window, source(), stencil=[-1, 0, 1], bounded_state=2)
    column = sampled(node.outputs()[0], Gather((5,)))
    assert needs(column, 9).array().tolist() == [2, 3, 4, 5, 6]


def test_a_window_that_may_not_leave_the_stream() -> None:
    node = call(_window, source(), stencil=[-1, 0, 1], stencil_edge="error")
    made = node.outputs()[0]
    inside = sampled(made, StridedRanges(((1, 29),)))
    assert needs(inside, 30).array().tolist() == list(range(30))
    for rows in ((0,), (29,)):
        graph = bound(sampled(made, Gather(rows)), rows=30)
        with pytest.raises(ArgumentError, match=rf"\[-1, 0, 1\].* at row {rows[0]}"):
            graph.needs([(0, 1)])


# -- errors of binding ---------------------------------------------------------------


def refused(column: OpColumn, error: type[Exception] = GraphError, **more: Any) -> str:
    with pytest.raises(error) as caught:
        bound(column, **more)
    assert "'film'" in str(caught.value)
    return str(caught.value)


def two(config: Any, x: Any, y: Any) -> Any:
    return x, y


def test_joined_inputs_of_other_lengths() -> None:
    frames = source()
    node = call(two, frames, sampled(frames, Stride(2)))
    message = refused(node.outputs()[0], rows=9)
    assert "input x has 9 rows, input y has 5" in message
    other = source()
    node = call(two, frames, other)
    message = refused(node.outputs()[0], lengths={frames: 4, other: 7})
    assert "input x has 4 rows, input y has 7" in message


def test_joined_inputs_of_other_groups() -> None:
    frames = source()
    ten, five = StridedPartition(1, 10), StridedPartition(1, 5)
    node = call(two, sliced(frames, ten), sliced(frames, five))
    message = refused(unsliced(node.outputs()[0]), rows=20)
    assert "input x has 2 slice groups, input y has 4" in message
    uneven = RangesPartition(((0, 12), (12, 20)))
    node = call(two, sliced(frames, ten), sliced(frames, uneven))
    message = refused(unsliced(node.outputs()[0]), rows=20)
    assert "slice groups of other lengths" in message
    node = call(two, sliced(frames, ten), frames)
    message = impossible(unsliced(node.outputs()[0]))
    assert "specified inputs at different slice levels" in message


def impossible(column: OpColumn) -> str:
    """What is said of a graph that cannot be bound to any stream."""
    with pytest.raises(GraphError) as caught:
        check_graph(OutputNode(column, ()))
    return str(caught.value)


def test_slice_levels() -> None:
    cut = sliced(source(), StridedPartition(1, 5))
    nested = unsliced(sliced(cut, StridedPartition(1, 2)))
    assert "Nested slicing not currently supported" in impossible(nested)
    assert "have not been sliced" in impossible(unsliced(source()))
    assert "needs Unslice" in impossible(cut)


def test_slice_lists_must_fit() -> None:
    cut = sliced(source(), StridedPartition(1, 500))
    short = SliceList([Stride(2)])
    message = refused(unsliced(sampled(cut, short)))
    assert "a SliceList of 1 values for 2 slice groups" in message
    assert "has not been sliced" in impossible(sampled(source(), short))
    nested = SliceList([All(), SliceList([All()])])
    assert "inside of a SliceList" in impossible(unsliced(sampled(cut, nested)))


def test_slice_lists_of_arguments_must_fit() -> None:
    class Tagged(Kernel):
        def new_stream(self, tag: Any) -> None: ...

        def execute(self, x: Any) -> Any:
            return x

    tags = {"tag": (SliceList(["a"]),)}
    cut = sliced(source(), StridedPartition(1, 500))
    node = call(Tagged, cut, stream_args=tags)
    message = refused(unsliced(node.outputs()[0]))
    assert "argument 'tag': a SliceList of 1 values for 2 slice groups" in message
    node = call(Tagged, source(), stream_args=tags)
    message = impossible(node.outputs()[0])
    assert "argument 'tag' of Tagged have a SliceList, but its input has" in message


def test_a_sampler_that_does_not_fit_names_stream_op_and_group() -> None:
    message = refused(sampled(source(), Gather((5000,))), RowError)
    assert message.startswith("Gather on stream 'film': row 5000 is out of range")
    cut = sliced(source(), StridedPartition(1, 600))
    wrong = SliceList([Gather((599,)), Gather((400,))])
    message = refused(unsliced(sampled(cut, wrong)), RowError)
    assert "slice group 1: row 400 is out of range, the stream has 400 rows" in message


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


@pytest.mark.parametrize("chunk", most_slow(range(4)))
def test_a_forecast_is_what_a_run_counts(chunk: int) -> None:
    for seed in range(FIRST_SEED + chunk, FIRST_SEED + GRAPHS // 6, 4):
        graph = random_graph(seed)
        draw = random.Random(seed)
        it = runner(graph, draw.randrange(graph.jobs), True)
        cuts, work_packet = it.cuts(draw.choice([4, 20, 1000])), draw.choice([1, 5, 50])
        predicted = forecast(it.graph, cuts, work_packet)
        got = [[0, 0] for _ in predicted]
        again = 0
        for task in range(len(cuts)):
            _, readers, trace = it.run(cuts.intervals(task), work_packet)
            again += trace.counters["frames_again"]
            for node, reader in readers.items():
                got[node][0] += reader.frames_decoded
                got[node][1] += reader.seeks
        for (frames, seeks), wanted in zip(got, predicted, strict=True):
            if wanted.decode is not None:
                assert wanted.decode.decoded == frames, graph.describe()
                assert wanted.decode.seeks == seeks, graph.describe()
                again -= wanted.decode.again
        assert again == 0


@pytest.mark.parametrize("stencil", [[-30, 30], [30, 0, -30], range(-9, 10), [-1, 0]])
@pytest.mark.parametrize("frame_bytes", [1, 25 << 20])
def test_a_forecast_knows_how_much_is_kept(stencil: Any, frame_bytes: int) -> None:
    frames = source()
    node = call(_window, frames, stencil=stencil)
    outputs = [OutputNode(node.outputs()[0], (FakeStream("out"),))]  # type: ignore[arg-type]
    entries = list(range(0, 200, 12))
    reader = FakeReader(range(200), "any", entries, frame_bytes)
    it = Runner(outputs, 0, {id(frames.node): lambda: reader})
    it.run([(0, 200)], 10)
    count = forecast(it.graph, TaskCuts(np.array([[0], [200]]), ""), 10)[0].decode
    assert count is not None
    assert (count.decoded, count.seeks) == (reader.frames_decoded, reader.seeks)
    fits = frame_bytes == 1 or 30 not in stencil
    assert (count.again == 0) == fits


def test_a_gather_partition_reads_what_it_names() -> None:
    cut = sliced(source(), GatherPartition(((9, 3), (3, 500))))
    column = unsliced(call(keep, cut).outputs()[0])
    assert needs(column, 1000).array().tolist() == [3, 9, 500]
    reader = FakeReader(range(1000))
    frames = source()
    column = sampled(frames, Gather((9, 3, 3, 500)))
    it = Runner(outputs_of(column), 0, {id(frames.node): lambda: reader})
    it.run([(0, 4)], 10)
    assert reader.given == [3, 9, 500]
