"""Runs a graph with the planner and the executor, in this process and in memory."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from beam_scanner.engine.executor import Task, run_task
from beam_scanner.engine.instance_pool import KernelPool
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.graph.nodes import (
    InputNode,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceNode,
    UnsliceNode,
    topological,
)
from beam_scanner.kernels import read_spec
from beam_scanner.planner.bound import (
    BoundGraph,
    BoundOp,
    BoundOutput,
    BoundSource,
    SourceInfo,
    bind,
)
from beam_scanner.planner.cut_tasks import TaskCuts, cut_tasks
from beam_scanner.planner.schedule import Compute, Emit, Read, Schedule
from beam_scanner.types import NULL, NullElement
from tests.support.fake_reader import FakeReader, random_entries
from tests.support.graphs import TYPES, RandomGraph


def drained(steps: Generator[Any, None, Any]) -> Any:
    """Runs a generator to its end, for what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


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


class ListSink:
    """Collects the rows of one output."""

    def __init__(self, first: int, column: Any) -> None:
        self.next_row = first
        self.column = column
        self.values: list[Any] = []
        self.seconds: list[float] = []

    def write(self, first_row: int, elements: list[Any], seconds: Any) -> None:
        assert first_row == self.next_row, "rows must follow each other"
        assert len(seconds) == len(elements)
        self.next_row += len(elements)
        self.values += [self._open(element) for element in elements]
        self.seconds += seconds.tolist()

    def _open(self, element: Any) -> Any:
        if isinstance(element, NullElement):
            return NULL
        if self.column.type is None:
            assert isinstance(element, np.ndarray)
            assert element.flags.c_contiguous
            return element
        assert isinstance(element, bytes)
        return self.column.type.deserialize(element)


@dataclass
class Runner:
    """Runs the tasks of one job.

    Args:
        outputs: Of the graph.
        job: Which job.
        readers: Makes a reader for each input node, by ``id``, anew for each task.
        pool: Lends kernels.
    """

    outputs: Sequence[OutputNode]
    job: int
    readers: Mapping[int, Any]
    pool: KernelPool = field(default_factory=lambda: KernelPool("test"))
    graph: BoundGraph = field(init=False)

    def __post_init__(self) -> None:
        nodes = topological(self.outputs)
        sources = {}
        for node in nodes:
            if isinstance(node, InputNode):
                reader = self.readers[id(node)]()
                sources[id(node)] = SourceInfo(
                    "stream", len(reader), reader.keyframes, reader.frame_bytes
                )
        self.graph = bind(nodes, self.job, sources)

    def cuts(self, io_packet: int) -> TaskCuts:
        return cut_tasks(self.graph, io_packet)

    def open_readers(self) -> dict[int, Any]:
        return {
            index: self.readers[id(node.node)]()
            for index, node in enumerate(self.graph.nodes)
            if isinstance(node, BoundSource)
        }

    def run(
        self, intervals: Sequence[tuple[int, int]], work_packet: int
    ) -> tuple[list[ListSink], dict[int, Any], TaskTrace]:
        """One task; gives its outputs in order, its readers and its trace."""
        outputs = [
            (index, node)
            for index, node in enumerate(self.graph.nodes)
            if isinstance(node, BoundOutput)
        ]
        sinks = {
            index: ListSink(start, node.node.input)
            for (index, node), (start, _) in zip(outputs, intervals, strict=True)
        }
        ops = {
            index: node.node
            for index, node in enumerate(self.graph.nodes)
            if isinstance(node, BoundOp)
        }
        readers = self.open_readers()
        with ExitStack() as stack:
            kernels = stack.enter_context(self.pool.borrow(ops))
            task = Task(
                self.graph,
                intervals,
                work_packet,
                kernels,
                readers,
                sinks,
                "job",
                "cpu",
            )
            trace = drained(run_task(task))
        return list(sinks.values()), readers, trace

    def run_all(
        self, io_packet: int, work_packet: int
    ) -> tuple[list[list[Any]], list[list[float]]]:
        """Every task; gives values and times of each output."""
        count = len(self.graph.outputs)
        values: list[list[Any]] = [[] for _ in range(count)]
        seconds: list[list[float]] = [[] for _ in range(count)]
        cuts = self.cuts(io_packet)
        for task in range(len(cuts)):
            sinks, _, _ = self.run(cuts.intervals(task), work_packet)
            for number, sink in enumerate(sinks):
                values[number] += sink.values
                seconds[number] += sink.seconds
        return values, seconds


def runner(
    graph: RandomGraph,
    job: int,
    decoded: bool,
    frame_bytes: int = 0,
    pool: KernelPool | None = None,
) -> Runner:
    """Runs a random graph; ``decoded``: from readers with keyframes."""

    def maker(node: int, values: list[Any], number: int) -> Any:
        entries = (
            list(random_entries(graph.seed + number, len(values))) if decoded else None
        )
        return lambda: FakeReader(values, graph.kinds[node], entries, frame_bytes)

    readers = {
        node: maker(node, values, number)
        for number, (node, values) in enumerate(graph.streams[job].items())
    }
    return Runner(graph.outputs, job, readers, pool or KernelPool("test"))


@dataclass
class Walk:
    """What a schedule does, found by carrying it out with row numbers alone.

    Attributes:
        peak: Most rows that were held at once, over all nodes.
        decoded: For each source the frames that its decoders gave.
        rows_read: For each source the rows of its reads, in order.
        calls: For each op the rows of each kernel call.
    """

    peak: int = 0
    decoded: dict[int, int] = field(default_factory=dict)
    rows_read: dict[int, list[int]] = field(default_factory=dict)
    calls: dict[int, list[list[int]]] = field(default_factory=dict)
    live: list[set[int]] = field(default_factory=list)

    def drop(self, drops: Any) -> None:
        for index, rows in drops:
            for row in rows.tolist():
                assert row in self.live[index], f"n{index}: row {row} dropped twice"
                self.live[index].remove(row)

    def need(self, index: int, rows: Any) -> None:
        missing = {row for row in rows.ravel().tolist() if row >= 0} - self.live[index]
        assert not missing, f"n{index}: rows {missing} used, but not there"

    def hold(self) -> None:
        self.peak = max(self.peak, sum(len(rows) for rows in self.live))


def walk(schedule: Schedule) -> Walk:
    """Carries out a schedule and checks that no step uses a row that is not there."""
    graph = schedule.graph
    found = Walk(live=[set() for _ in graph.nodes])
    made: list[set[int]] = [set() for _ in graph.nodes]
    for step in schedule.steps():
        if isinstance(step, Read):
            found.drop(step.drop)
            again = found.live[step.node] & set(step.rows.tolist())
            assert not again, f"rows {again} read while they were held"
            found.live[step.node].update(step.rows.tolist())
            found.rows_read.setdefault(step.node, []).extend(step.rows.tolist())
        elif isinstance(step, Compute):
            node = graph.nodes[step.node]
            assert isinstance(node, BoundOp)
            for edge, wanted in zip(node.edges, step.windows, strict=True):
                found.need(edge.producer, wanted)
            rows = step.rows.tolist()
            assert rows == sorted(set(rows))
            assert not made[step.node] & set(rows), "computed twice"
            made[step.node].update(rows)
            assert sum(step.calls) == len(rows)
            calls = found.calls.setdefault(step.node, [])
            for length in step.calls:
                calls.append(rows[:length])
                rows = rows[length:]
            found.live[step.node].update(step.rows[step.keep].tolist())
            found.hold()
            found.drop(step.drop)
        else:
            assert isinstance(step, Emit)
            node = graph.nodes[step.node]
            assert isinstance(node, BoundOutput)
            found.need(node.edge.producer, step.rows)
            found.drop(step.drop)
        found.hold()
    left = {index: rows for index, rows in enumerate(found.live) if rows}
    assert not left, f"rows were never dropped: {left}"
    return found


def source(kind: str = "any", jobs: int = 1) -> OpColumn:
    """The column of a new input."""
    node = InputNode((None,) * jobs)
    return OpColumn(node, 0, TYPES[kind])


def call(kernel: Any, *columns: OpColumn, **attributes: Any) -> OpNode:
    """An op node for a kernel that is not registered.

    ``attributes``: of ``read_spec``, and ``init_args``, ``stream_args``, and
    ``set_stencil``, ``set_batch`` and ``set_bounded`` for what a call overrides.
    """
    node = {
        name: attributes.pop(name)
        for name in ("init_args", "stream_args")
        if name in attributes
    }
    override = {
        name: attributes.pop(f"set_{name}", None)
        for name in ("stencil", "batch", "bounded")
    }
    spec = read_spec(kernel, frame=sys._getframe(1), **attributes)
    return OpNode(
        spec,
        columns,
        batch=override["batch"] or spec.batch,
        stencil=override["stencil"] or spec.stencil,
        stencil_edge=spec.stencil_edge,
        bounded_state=spec.bounded_state
        if override["bounded"] is None
        else override["bounded"],
        **node,
    )


def outputs_of(*columns: OpColumn, jobs: int = 1) -> list[OutputNode]:
    """One output for each column."""
    return [OutputNode(column, (None,) * jobs) for column in columns]


def sampled(column: OpColumn, *samplers: Any) -> OpColumn:
    """The column after a sampler; one for each job."""
    return OpColumn(
        SampleNode(column, type(samplers[0]).__name__, samplers), 0, column.type
    )


def sliced(column: OpColumn, *partitions: Any) -> OpColumn:
    return OpColumn(SliceNode(column, partitions), 0, column.type)


def unsliced(column: OpColumn) -> OpColumn:
    return OpColumn(UnsliceNode(column), 0, column.type)


def run_columns(
    columns: Sequence[OpColumn],
    streams: Mapping[OpColumn, Sequence[Any]],
    *,
    job: int = 0,
    io_packet: int = 1000,
    work_packet: int = 4,
    pool: KernelPool | None = None,
) -> list[list[Any]]:
    """Runs a graph over values and gives those of each column."""

    def maker(column: OpColumn, values: Sequence[Any]) -> Any:
        kind = next(name for name, info in TYPES.items() if info is column.type)
        return lambda: FakeReader(values, kind)

    readers = {
        id(column.node): maker(column, values) for column, values in streams.items()
    }
    jobs = max(node.job_count() or 1 for node in topological(outputs_of(*columns)))
    it = Runner(
        outputs_of(*columns, jobs=jobs), job, readers, pool or KernelPool("test")
    )
    return it.run_all(io_packet, work_packet)[0]
