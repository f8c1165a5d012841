"""Graphs of several jobs as one: each job's rows are those that it has alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from beam_scanner.engine.executor import Task, run_task
from beam_scanner.engine.instance_pool import KernelPool
from beam_scanner.graph.nodes import SliceList
from beam_scanner.kernels import Kernel
from beam_scanner.planner.bound import BoundOp, BoundOutput, BoundSource, stream_args
from beam_scanner.planner.merged_graph import MergedGraph, merge_graphs
from beam_scanner.planner.schedule import Schedule
from beam_scanner.rows.samplers import Stride, StridedPartition
from beam_scanner.storage.segments.merged_reader import MergedReader
from tests.support.fake_reader import FakeReader
from tests.support.graphs import random_graph
from tests.support.harness import (
    ListSink,
    Runner,
    call,
    drained,
    outputs_of,
    runner,
    sampled,
    sliced,
    source,
    unsliced,
    walk,
)
from tests.support.seeds import CHUNKS, NamesGraph, check, seeds
from tests.support.tiers import most_slow


def ends(merged: MergedGraph) -> list[int]:
    """The indexes of the outputs."""
    nodes = enumerate(merged.graph.nodes)
    return [index for index, node in nodes if isinstance(node, BoundOutput)]


def run_merged(
    runners: Sequence[Runner], merged: MergedGraph, work: int, pool: KernelPool
) -> list[tuple[list[Any], list[Any]]]:
    """One task of all jobs; for each of them values and times of all outputs."""
    nodes = list(enumerate(merged.graph.nodes))
    outputs = [(at, node) for at, node in nodes if isinstance(node, BoundOutput)]
    sinks = {at: ListSink(0, node.node.input) for at, node in outputs}
    readers = {
        at: MergedReader(
            "all",
            merged.starts[at],
            [it.readers[id(node.node)] for it in runners],
            node.info.keyframes,
        )
        for at, node in nodes
        if isinstance(node, BoundSource)
    }
    ops = {at: node.node for at, node in nodes if isinstance(node, BoundOp)}
    with pool.borrow(ops) as kernels:
        intervals = [(0, node.rows) for _, node in outputs]
        task = Task(
            merged.graph, intervals, work, kernels, readers, sinks, "job", "cpu"
        )
        drained(run_task(task))
    found = []
    for job in range(len(runners)):
        parts = {at: slice(*merged.starts[at][job : job + 2].tolist()) for at in sinks}
        values = [sinks[at].values[part] for at, part in parts.items()]
        found.append((values, [sinks[at].seconds[part] for at, part in parts.items()]))
    return found


@pytest.mark.parametrize("chunk", most_slow(range(0, CHUNKS, 2), 1))
def test_rows_of_each_job_are_what_the_oracle_says(chunk: int) -> None:
    for seed in seeds(chunk):
        graph = random_graph(seed)
        draw = random.Random(seed)
        pool = KernelPool("test")
        # One may be there more than once: streams of equal content are two.
        jobs = [draw.randrange(graph.jobs) for _ in range(draw.randint(2, 5))]
        work, decoded = draw.choice([1, 4, 7, 100]), draw.random() < 0.6
        how = f"jobs {jobs} as one, work packet {work}, decoded {decoded}"
        with NamesGraph(graph, how):
            runners = [runner(graph, job, decoded, pool=pool) for job in jobs]
            merged = merge_graphs([it.graph for it in runners])
            found = run_merged(runners, merged, work, pool)
            for job, (values, seconds) in zip(jobs, found, strict=True):
                check(graph, job, values, seconds, how)


def calls(graph: Any, work: int) -> dict[int, list[list[int]]]:
    outputs = [(0, output.rows) for output in graph.outputs]
    return walk(Schedule(graph, outputs, work)).calls


@pytest.mark.parametrize("chunk", most_slow(range(0, CHUNKS, 2), 1))
def test_kernels_are_called_as_they_are_for_each_job_alone(chunk: int) -> None:
    for seed in seeds(chunk):
        graph = random_graph(seed)
        draw = random.Random(seed)
        jobs = [draw.randrange(graph.jobs) for _ in range(draw.randint(2, 4))]
        with NamesGraph(graph, f"jobs {jobs}"):
            bound = [runner(graph, job, True).graph for job in jobs]
            merged = merge_graphs(bound)
            together = calls(merged.graph, draw.choice([1, 4, 100]))
            for number, one in enumerate(bound):
                for op, alone in calls(one, 4).items():
                    start, stop = merged.starts[op][number : number + 2].tolist()
                    own = [
                        [row - start for row in rows]
                        for rows in together[op]
                        if start <= rows[0] < stop
                    ]
                    # In whichever order, unless it has state.
                    assert sorted(own) == sorted(alone)
                    if one.nodes[op].stateful:  # type: ignore[union-attr]
                        assert own == alone


class Noting(Kernel):
    """Says which argument it was given, and how many rows it was called for."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.by = -1

    def new_stream(self, by: int = 0) -> None:
        self.by = by

    def execute(self, value: Sequence[Any]) -> Sequence[Any]:
        return [(each, self.by, len(value)) for each in value]


def bound_jobs(columns: Any, lengths: Sequence[int]) -> list[Runner]:
    """A runner for each job of a graph over one source."""
    outputs = outputs_of(columns[1], jobs=len(lengths))

    def maker(job: int) -> Any:
        values = [(job, row) for row in range(lengths[job])]
        return lambda: FakeReader(values)

    return [
        Runner(outputs, job, {id(columns[0].node): maker(job)})
        for job in range(len(lengths))
    ]


def test_arguments_of_streams_and_of_their_slices_stay_with_them() -> None:
    start = source(jobs=3)
    groups = sliced(start, *[StridedPartition(1, 2)] * 3)
    by = SliceList([20, 21]), 30, SliceList([])
    node = call(Noting, groups, batch=4, stream_args={"by": by})
    runners = bound_jobs((start, unsliced(node.outputs()[0])), [3, 3, 0])
    merged = merge_graphs([it.graph for it in runners])
    (op,) = [node for node in merged.graph.nodes if isinstance(node, BoundOp)]
    assert op.layout.lengths() == [2, 1, 2, 1]
    assert [stream_args(op.node, 0, n)["by"] for n in range(4)] == [20, 21, 30, 30]
    found = run_merged(runners, merged, 100, KernelPool("test"))
    assert found[0][0] == [[((0, 0), 20, 2), ((0, 1), 20, 2), ((0, 2), 21, 1)]]
    assert found[1][0] == [[((1, 0), 30, 2), ((1, 1), 30, 2), ((1, 2), 30, 1)]]
    assert found[2][0] == [[]]


@pytest.mark.parametrize("work", [1, 3, 100])
def test_ops_that_may_take_rows_of_several_streams_at_a_time(
    work: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = source(jobs=4)
    every = sampled(start, *[Stride(2)] * 4)
    node = call(Noting, every, batch=5)
    object.__setattr__(node.spec, "across_groups", True)
    runners = bound_jobs((start, node.outputs()[0]), [3, 8, 1, 9])
    merged = merge_graphs([it.graph for it in runners])
    found = run_merged(runners, merged, work, KernelPool("test"))
    values = [value for (one,), _ in found for value in one]
    rows = [(job, row) for job, n in enumerate([3, 8, 1, 9]) for row in range(0, n, 2)]
    assert [value for value, _, _ in values] == rows
    assert Counter(size for _, _, size in values) == {5: 10, 2: 2}


def test_where_rows_of_a_merged_graph_are_from() -> None:
    start = source(jobs=4)
    runners = bound_jobs((start, sampled(start, *[Stride(1)] * 4)), [2, 0, 3, 0])
    merged = merge_graphs([it.graph for it in runners])
    (end,) = ends(merged)
    assert merged.starts[end].tolist() == [0, 2, 2, 5, 5]
    found = [merged.place_of(end, row) for row in range(5)]
    assert found == [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
    assert [(a, b) for a, b in pairwise(found) if a >= b] == []


def test_keyframes_and_sizes_follow_one_another() -> None:
    start = source("frame", jobs=2)
    frames = [np.zeros((1, 1, 1), np.uint8)] * 6
    outputs = outputs_of(start, jobs=2)
    entries: list[Any] = [[0, 4], [0, 1]]
    runners = [
        Runner(
            outputs,
            job,
            {id(start.node): lambda job=job: FakeReader(frames, "frame", entries[job])},
        )
        for job in range(2)
    ]
    merged = merge_graphs([it.graph for it in runners])
    node = merged.graph.nodes[0]
    assert isinstance(node, BoundSource)
    assert node.info.keyframes is not None
    assert node.info.keyframes.tolist() == [0, 4, 6, 7]
    assert (node.info.rows, node.info.name) == (12, "stream and 1 more")
