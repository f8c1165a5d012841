"""A graph that is cut into phases gives what the uncut graph gives."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ScannerException
from beam_scanner.graph.nodes import InputNode, OpColumn, OutputNode, topological
from beam_scanner.kernels import Kernel
from beam_scanner.planner.cut_tasks import frames_to_decode
from beam_scanner.planner.phases import INTERNAL, Family, split_phases
from beam_scanner.rows.samplers import (
    RangesPartition,
    Repeat,
    Stride,
    StridedPartition,
    StridedRanges,
)
from beam_scanner.types import FrameType
from tests.support.fake_reader import FakeReader
from tests.support.graphs import TYPES, RandomGraph, random_graph
from tests.support.harness import (
    Runner,
    call,
    outputs_of,
    sampled,
    sliced,
    source,
    unsliced,
)
from tests.support.oracle import evaluate, same
from tests.support.tiers import most_slow

GRAPHS = int(os.environ.get("BEAM_SCANNER_GRAPHS", "1600")) // 2
FIRST_SEED = int(os.environ.get("BEAM_SCANNER_SEED", "0"))


class _Kept(tuple):  # type: ignore[type-arg]
    """The internal streams of a column; each job's rows are put into ``rows``."""

    rows: dict[int, list[Any]]


def split(outputs: list[OutputNode], jobs: int) -> list[Family]:
    def internal(column: OpColumn, number: int) -> Any:
        kept = _Kept([None] * jobs)
        kept.rows = {}
        return kept

    return split_phases(outputs, internal)


def run_phases(
    families: list[Family], job: int, streams: dict[int, list[Any]], draw: random.Random
) -> dict[int, list[Any]]:
    """The rows of each output of the run."""
    found = {}
    reached = 0
    for family in families:
        assert family.phase >= reached
        reached = family.phase
        readers = {}
        for node in topological(family.outputs):
            if isinstance(node, InputNode):
                readers[id(node)] = _maker(node, job, streams, family)
        it = Runner(family.outputs, job, readers)
        values, _ = it.run_all(draw.choice([5, 1000]), draw.choice([1, 4, 50]))
        for output, number, rows in zip(
            family.outputs, family.numbers, values, strict=True
        ):
            if number == INTERNAL:
                assert isinstance(output.streams, _Kept)
                output.streams.rows[job] = rows
            else:
                found[number] = rows
    return found


def _maker(
    node: InputNode, job: int, streams: dict[int, list[Any]], family: Family
) -> Any:
    column = next(
        column
        for consumer in topological(family.outputs)
        for column in consumer.inputs
        if column.node is node
    )
    rows = node.streams.rows[job] if isinstance(node.streams, _Kept) else None
    values = streams[id(node)] if rows is None else rows
    name = column.type and column.type.name
    kind = next(kind for kind, info in TYPES.items() if (info and info.name) == name)
    return lambda: FakeReader(values, kind)


@pytest.mark.parametrize("chunk", most_slow(range(8), 2))
def test_phases_give_what_the_oracle_says(chunk: int) -> None:
    cut = 0
    for seed in range(FIRST_SEED + chunk, FIRST_SEED + GRAPHS, 8):
        graph = random_graph(seed)
        draw = random.Random(seed)
        job = draw.randrange(graph.jobs)
        try:
            cut += _check(graph, job, draw)
        except BaseException as error:
            error.add_note(f"job {job}\n{graph.describe()}")
            raise
    assert cut > 0 or GRAPHS < 500


def _check(graph: RandomGraph, job: int, draw: random.Random) -> bool:
    families = split(graph.outputs, graph.jobs)
    found = run_phases(families, job, graph.streams[job], draw)
    wanted = evaluate(graph.outputs, job, graph.streams[job])
    assert sorted(found) == list(range(len(wanted)))
    for number, want in enumerate(wanted):
        assert len(found[number]) == len(want), f"output {number}"
        for row, (left, right) in enumerate(zip(found[number], want, strict=True)):
            assert same(left, right), f"output {number}, row {row}"
    return families[-1].phase > 0


class Seen(Kernel):
    """How many frames of its slice group it has seen, and a pixel."""

    def reset(self) -> None:
        self.seen = 0

    def execute(self, frame: FrameType) -> Any:
        self.seen += 1
        return self.seen, int(frame[0, 0, 0])


def pixel(config: Any, frame: FrameType) -> Any:
    return int(frame[0, 0, 0])


def window(config: Any, frame: Sequence[FrameType]) -> Any:
    return [int(one[0, 0, 0]) for one in frame]


SAMPLERS = st.one_of(
    st.builds(Stride, st.integers(1, 7)),
    st.builds(Repeat, st.integers(1, 3)),
    st.builds(lambda a, b: StridedRanges(((a, b),), 1), *[st.integers(0, 120)] * 2),
)
INTERVALS = st.tuples(*[st.integers(0, 30)] * 2).map(sorted).map(tuple)
PARTITIONS = st.one_of(
    st.builds(StridedPartition, st.just(1), st.integers(1, 70)),
    st.lists(INTERVALS, min_size=1, max_size=4).map(lambda each: RangesPartition(each)),
)


@st.composite
def branches(draw: st.DrawFn, frames: OpColumn) -> OpColumn:
    """A branch of a source: of a part of its rows, in groups, in order, with windows."""
    column = frames
    for _ in range(draw(st.integers(0, 1))):
        column = sampled(column, draw(SAMPLERS))
    kind = draw(st.sampled_from(["plain", "window", "groups", "groups in order"]))
    if kind == "plain":
        column = call(pixel, column).outputs()[0]
    elif kind == "window":
        column = call(window, column, stencil=[-2, 0, 1]).outputs()[0]
    else:
        column = sliced(column, draw(PARTITIONS))
        op = call(Seen, column, unbounded_state=True)
        op = call(window, column, stencil=[-1, 0]) if kind == "groups" else op
        column = unsliced(op.outputs()[0])
    for _ in range(draw(st.integers(0, 1))):
        column = sampled(column, draw(SAMPLERS))
    return column


@given(data=st.data())
def test_branches_of_one_source_give_what_the_oracle_says(data: st.DataObject) -> None:
    """Wherever tasks are cut for all of them, and however many there are."""
    rows = data.draw(st.integers(0, 120), "rows")
    every = data.draw(st.sampled_from([1, 5, 12, 60]), "every")
    frames = source("frame")
    columns = data.draw(st.lists(branches(frames), min_size=1, max_size=4))
    values = [np.full((1, 1, 3), row, np.uint8) for row in range(rows)]
    outputs = outputs_of(*columns)
    streams = {id(frames.node): values}
    entries = list(range(0, rows, every))
    readers = {id(frames.node): lambda: FakeReader(values, "frame", entries)}
    try:
        wanted = evaluate(outputs, 0, streams)
        (family,) = split(outputs, 1)
        it = Runner(family.outputs, 0, readers)
    except ScannerException:
        return  # A range begins behind the end.
    packet = data.draw(st.sampled_from([1, 7, 50, 1000]), "io_packet")
    found, _ = it.run_all(packet, data.draw(st.sampled_from([1, 4, 50])))
    for number, (got, want) in enumerate(zip(found, wanted, strict=True)):
        assert len(got) == len(want), number
        assert all(map(same, got, want)), number
    cuts = it.cuts(packet)
    if "at the same frames" in cuts.reason and "for each" not in cuts.reason:
        tasks = [it.graph.needs(cuts.intervals(task)) for task in range(len(cuts))]
        decoded = sum(frames_to_decode(it.graph, needs) for needs in tasks)
        # Windows of three strides, and a group's first keyframe, reach beyond a cut.
        assert decoded <= rows + (every + 3 * 7) * len(cuts)


# -- where cuts are ------------------------------------------------------------------


def work(config: Any, x: Any) -> Any:
    return x


def shape(config: Any, frame: FrameType) -> Any:
    return frame.shape


def draw_frame(config: Any, frame: FrameType) -> FrameType:
    return frame


def pair(config: Any, left: FrameType, right: FrameType) -> Any:
    return left.shape, right.shape


def phases(*columns: OpColumn) -> list[tuple[int, list[int]]]:
    families = split(outputs_of(*columns), 1)
    return [(family.phase, list(family.numbers)) for family in families]


def test_a_graph_without_ops_in_order_is_one_family() -> None:
    frames = source("frame")
    node = call(shape, frames)
    after = call(work, node.outputs()[0])
    assert phases(after.outputs()[0], node.outputs()[0]) == [(0, [0, 1])]


def test_what_an_op_in_order_takes_is_made_before() -> None:
    node = call(shape, source("frame"))
    in_order = call(work, node.outputs()[0], unbounded_state=True)
    assert phases(in_order.outputs()[0]) == [(0, [INTERNAL]), (1, [0])]
    after = call(work, in_order.outputs()[0])
    kept = [(0, [INTERNAL]), (1, [INTERNAL]), (2, [0])]
    assert phases(after.outputs()[0]) == kept


def test_an_input_is_not_kept_once_more() -> None:
    in_order = call(work, sampled(source(), Stride(2)), unbounded_state=True)
    assert phases(in_order.outputs()[0]) == [(0, [0])]


def test_frames_are_never_kept() -> None:
    drawn = call(draw_frame, source("frame"))
    in_order = call(draw_frame, drawn.outputs()[0], unbounded_state=True)
    after = call(shape, in_order.outputs()[0])
    assert phases(after.outputs()[0]) == [(0, [0])]


def test_a_column_is_kept_once() -> None:
    node = call(shape, source("frame"))
    ordered = [
        call(work, node.outputs()[0], unbounded_state=True).outputs()[0]
        for _ in range(2)
    ]
    found = phases(*ordered)
    assert [n for _, numbers in found for n in numbers].count(INTERNAL) == 1
    assert found[0] == (0, [INTERNAL])


def test_ops_in_order_inside_a_slice_are_not_cut() -> None:
    cut = sliced(source(), StridedPartition(1, 4))
    node = call(work, call(work, cut).outputs()[0], unbounded_state=True)
    assert phases(unsliced(node.outputs()[0])) == [(0, [0])]


def test_outputs_of_the_same_frames_are_one_family() -> None:
    """Though ops need the slice groups of some of them in order."""
    frames, other = source("frame"), source("frame")
    parts = [
        call(
            draw_frame, sliced(frames, StridedPartition(1, size)), unbounded_state=True
        )
        for size in (4, 5)
    ]
    made = [unsliced(part.outputs()[0]) for part in parts]
    plain = call(shape, frames).outputs()[0]
    alone = call(shape, other).outputs()[0]
    assert phases(made[0], plain, alone, made[1]) == [(0, [0, 1, 3]), (0, [2])]
    # What joins two sources brings together what is made of either.
    both = call(pair, frames, other).outputs()[0]
    assert phases(made[0], plain, alone, both) == [(0, [0, 1, 2, 3])]


def test_a_whole_stream_in_order_stays_alone() -> None:
    frames = source("frame")
    whole = call(draw_frame, frames, unbounded_state=True).outputs()[0]
    cut = sliced(frames, StridedPartition(1, 4))
    part = unsliced(call(draw_frame, cut, unbounded_state=True).outputs()[0])
    plain = call(shape, frames).outputs()[0]
    assert phases(whole, part, plain) == [(0, [0]), (0, [1, 2])]


def test_other_outputs_do_not_wait_for_an_op_in_order() -> None:
    node = call(shape, source("frame"))
    in_order = call(work, node.outputs()[0], unbounded_state=True)
    other = call(draw_frame, source("frame"))
    found = phases(in_order.outputs()[0], other.outputs()[0])
    assert found == [(0, [INTERNAL, 1]), (1, [0])] or (0, [1]) in found


def test_sources_of_a_family_are_its_own() -> None:
    node = call(shape, source("frame"))
    in_order = call(work, node.outputs()[0], unbounded_state=True)
    last = split(outputs_of(in_order.outputs()[0]), 1)[-1]
    kinds = [type(node).__name__ for node in topological(last.outputs)]
    assert kinds == ["InputNode", "OpNode", "OutputNode"]
