"""Graphs bound to the lengths of their streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from beam_scanner.errors import ArgumentError, GraphError, RowError
from beam_scanner.graph.nodes import (
    OpColumn,
    OutputNode,
    SliceList,
)
from beam_scanner.graph.validate import check_graph
from beam_scanner.kernels import Kernel
from beam_scanner.rows.row_maps import RowSet
from beam_scanner.rows.samplers import (
    All,
    Gather,
    GatherPartition,
    RangesPartition,
    Stride,
    StridedPartition,
    StridedRanges,
)
from tests.support.fake_reader import FakeReader
from tests.support.harness import (
    Runner,
    bound,
    call,
    outputs_of,
    sampled,
    sliced,
    source,
    unsliced,
)


def keep(config: Any, x: Any) -> Any:
    return x


def needs(column: OpColumn, rows: int, **more: Any) -> RowSet:
    graph = bound(column, rows=rows, **more)
    return graph.needs([(0, graph.outputs[0].rows)])[0]


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
    assert "slice groups of different lengths" in message
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
    assert "is a SliceList with a SliceList in it" in impossible(
        unsliced(sampled(cut, nested))
    )


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
    assert "argument 'tag' of Tagged is a SliceList, but its input has" in message


def test_a_sampler_that_does_not_fit_names_stream_op_and_group() -> None:
    message = refused(sampled(source(), Gather((5000,))), RowError)
    assert message.startswith("Gather on stream 'film': row 5000 is out of range")
    cut = sliced(source(), StridedPartition(1, 600))
    wrong = SliceList([Gather((599,)), Gather((400,))])
    message = refused(unsliced(sampled(cut, wrong)), RowError)
    assert "slice group 1: row 400 is out of range, the stream has 400 rows" in message


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
