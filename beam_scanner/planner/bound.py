"""A graph bound to the streams of one job: lengths, groups and row maps.

Samplers, Slice and Unslice vanish here: they become the row maps of the edges
between sources, ops and outputs. A short list of nodes
in topological order remains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
)
from beam_scanner.graph.validate import check_joined, check_slice_list
from beam_scanner.rows.row_maps import (
    EMPTY,
    NULL_ROW,
    Int64Array,
    Layout,
    RowMap,
    RowSet,
    union,
)

Interval = tuple[int, int]
"""Rows ``[start, stop)`` of an output."""


@dataclass(frozen=True)
class SourceInfo:
    """The properties of one input stream that planning depends on.

    Attributes:
        name: The stream's name.
        rows: Its length.
        keyframes: Rows at which decoding may start; None for random access.
        frame_bytes: Bytes of one decoded row; 0 where unknown.
        gop_bytes: Stored bytes from each keyframe up to the next, where known.
        fits_gpu: Whether GPUs decode its codec, as far as that is known.
    """

    name: str
    rows: int
    keyframes: Int64Array | None = None
    frame_bytes: int = 0
    gop_bytes: Int64Array | None = None
    fits_gpu: bool = False


@dataclass(frozen=True)
class Edge:
    """How a consumer's input rows come from a producer's rows.

    Attributes:
        producer: Index of a :class:`BoundSource` or :class:`BoundOp`.
        port: Which of the producer's outputs.
        maps: From the consumer's rows down to the producer's.
        column: The graph column that the consumer was given.
    """

    producer: int
    port: int
    maps: tuple[RowMap, ...]
    column: OpColumn

    def map(self, rows: Int64Array) -> Int64Array:
        """The producer's row of each row, ``NULL_ROW`` for nulls; any shape."""
        shape = rows.shape
        found = rows.ravel()
        for row_map in self.maps:
            there = found != NULL_ROW
            # Nulls are rare: without any, nothing need be picked apart.
            if there.all():
                found = row_map.map(found)
            else:
                mapped = np.full(len(found), NULL_ROW, dtype=np.int64)
                mapped[there] = row_map.map(found[there])
                found = mapped
        return found.reshape(shape)

    def origin(self, rows: Int64Array) -> Int64Array:
        """Like :meth:`map`, with nulls traced to the row that they follow."""
        for row_map in self.maps:
            rows = row_map.origin(rows)
        return rows

    def need(self, rows: RowSet) -> RowSet:
        """The producer's rows that these rows need."""
        for row_map in self.maps:
            rows = row_map.need(rows)
        return rows

    @property
    def ordered(self) -> bool:
        """Whether ascending rows come from ascending rows."""
        return all(row_map.ordered for row_map in self.maps)


@dataclass(frozen=True)
class BoundSource:
    """One input stream."""

    node: InputNode
    info: SourceInfo


@dataclass(frozen=True)
class BoundOp:
    """One kernel, with the rows and groups of its stream."""

    node: OpNode
    edges: tuple[Edge, ...]
    layout: Layout
    sliced: bool

    @property
    def in_order(self) -> bool:
        """Whether it needs its slice group in order, from the group's first row."""
        return self.node.spec.unbounded_state or self.node.spec.whole_stream

    @property
    def stateful(self) -> bool:
        """Whether its rows must be computed in ascending order."""
        return self.in_order or self.node.bounded_state is not None

    @property
    def offsets(self) -> tuple[int, ...]:
        """The stencil; (0,) where there is none."""
        return (0,) if self.node.stencil is None else self.node.stencil

    def compute_set(self, needed: RowSet) -> RowSet:
        """The rows to compute so that the needed ones are right."""
        if not len(needed):
            return EMPTY
        if self.in_order:
            return self._from_group_starts(needed)
        if self.node.bounded_state:
            return needed.dilate(self.node.bounded_state, 0, self.layout)
        return needed

    def _from_group_starts(self, needed: RowSet) -> RowSet:
        if len(self.layout) == 1:
            last = self.layout.rows if self.node.spec.whole_stream else needed.last + 1
            return RowSet.interval(0, last)
        rows = needed.array()
        start, stop = self.layout.bounds(rows)
        if not self.node.spec.whole_stream:
            stop = rows + 1
        first = np.concatenate(([True], start[1:] != start[:-1]))
        last_of_group = np.concatenate((start[1:] != start[:-1], [True]))
        return union(
            RowSet.interval(low, high)
            for low, high in zip(
                start[first].tolist(), stop[last_of_group].tolist(), strict=True
            )
        )

    def window_set(self, rows: RowSet) -> RowSet:
        """The input rows that the windows of these rows hold.

        Raises:
            ArgumentError: A window leaves its group, and edges are errors.
        """
        offsets = sorted(set(self.offsets))
        if offsets == [0]:
            return rows
        if self.node.stencil_edge == "error" and len(rows):
            self._check_windows(rows)
        low, high = offsets[0], offsets[-1]
        if low <= 0 <= high and len(offsets) == high - low + 1:
            return rows.dilate(-low, high, self.layout)
        if not len(rows):
            return rows
        listed = np.unique(self.windows(rows.array()))
        return RowSet.of_sorted(listed[listed != NULL_ROW])

    def _check_windows(self, rows: RowSet) -> None:
        few = np.array([rows.first, rows.last], dtype=np.int64)
        listed = few if len(self.layout) == 1 else rows.array()
        start, stop = self.layout.bounds(listed)
        low = listed + min(self.offsets) < start
        beyond = listed[low | (listed + max(self.offsets) >= stop)]
        if len(beyond):
            raise ArgumentError(
                f"{self.node.label}: stencil {list(self.offsets)} reaches beyond the "
                f"stream's ends at row {beyond[0]}, and stencil_edge is 'error'; "
                "sample the op's output so that no such row is needed"
            )

    def windows(self, rows: Int64Array) -> Int64Array:
        """The op's own input rows of each row's window.

        Args:
            rows: int64[n].

        Returns:
            int64[n, k] for k offsets; ``NULL_ROW`` beyond an end with null edges.
        """
        if self.node.stencil is None:
            return rows[:, None]
        wanted = rows[:, None] + np.array(self.offsets, dtype=np.int64)[None, :]
        start, stop = (bound[:, None] for bound in self.layout.bounds(rows))
        if self.node.stencil_edge == "repeat":
            found: Int64Array = np.clip(wanted, start, stop - 1)
        else:
            beyond = (wanted < start) | (wanted >= stop)
            found = np.where(beyond, NULL_ROW, wanted)
        return found


@dataclass(frozen=True)
class BoundOutput:
    """One output stream; ``layout`` are the groups it was unsliced from."""

    node: OutputNode
    edge: Edge
    layout: Layout

    @property
    def rows(self) -> int:
        """Length of the output."""
        return self.layout.rows


BoundNode = BoundSource | BoundOp | BoundOutput


@dataclass
class BoundGraph:
    """The bound nodes of one job, in topological order."""

    job: int
    nodes: list[BoundNode] = field(default_factory=list)

    @property
    def outputs(self) -> list[BoundOutput]:
        """The outputs, in order."""
        return [node for node in self.nodes if isinstance(node, BoundOutput)]

    def needs(self, intervals: Sequence[Interval]) -> list[RowSet]:
        """Works back from intervals of the outputs to the rows of every node.

        Args:
            intervals: ``[start, stop)`` of each output, in the order of
                :attr:`outputs`.

        Returns:
            For each node: for a source the rows to read, for an op the rows to compute
            (warm-up included), for an output its interval.

        Raises:
            ArgumentError: A stencil window leaves its stream and may not.
        """
        wanted: list[list[RowSet]] = [[] for _ in self.nodes]
        made = [EMPTY] * len(self.nodes)
        left = list(intervals)
        for index in reversed(range(len(self.nodes))):
            node = self.nodes[index]
            if isinstance(node, BoundOutput):
                made[index] = RowSet.interval(*left.pop())
                wanted[node.edge.producer].append(node.edge.need(made[index]))
            elif isinstance(node, BoundOp):
                made[index] = node.compute_set(union(wanted[index]))
                windows = node.window_set(made[index])
                for edge in node.edges:
                    wanted[edge.producer].append(edge.need(windows))
            else:
                made[index] = union(wanted[index])
        return made

    def all_needs(self) -> list[RowSet]:
        """The rows of every node if one task made all of every output."""
        return self.needs([(0, output.rows) for output in self.outputs])

    @property
    def in_order(self) -> bool:
        """Whether some op needs its whole slice group in order."""
        return any(isinstance(node, BoundOp) and node.in_order for node in self.nodes)

    def restricted(self, numbers: Sequence[int]) -> BoundGraph:
        """The graph of some of its outputs.

        Args:
            numbers: Theirs, ascending.
        """
        at = [i for i, node in enumerate(self.nodes) if isinstance(node, BoundOutput)]
        used = {at[number] for number in numbers}
        for index in reversed(range(len(self.nodes))):
            node = self.nodes[index]
            if index in used and not isinstance(node, BoundSource):
                edges = node.edges if isinstance(node, BoundOp) else (node.edge,)
                used.update(edge.producer for edge in edges)
        new = {old: index for index, old in enumerate(sorted(used))}
        nodes: list[BoundNode] = []
        for old in sorted(used):
            node = self.nodes[old]
            if isinstance(node, BoundOp):
                moved = [replace(e, producer=new[e.producer]) for e in node.edges]
                node = replace(node, edges=tuple(moved))
            elif isinstance(node, BoundOutput):
                edge = replace(node.edge, producer=new[node.edge.producer])
                node = replace(node, edge=edge)
            nodes.append(node)
        return BoundGraph(self.job, nodes)

    def edges(self) -> list[tuple[BoundOp | BoundOutput, Edge]]:
        """Every edge with its consumer."""
        found: list[tuple[BoundOp | BoundOutput, Edge]] = []
        for node in self.nodes:
            if isinstance(node, BoundOp):
                found.extend((node, edge) for edge in node.edges)
            elif isinstance(node, BoundOutput):
                found.append((node, node.edge))
        return found


@dataclass(frozen=True)
class _Stream:
    """A column while binding: where it comes from and how its rows are grouped."""

    producer: int
    port: int
    maps: tuple[RowMap, ...]
    layout: Layout
    sliced: bool

    @property
    def groups(self) -> Layout:
        """The groups that an op sees: behind an Unslice all rows are one group."""
        return self.layout if self.sliced else Layout.single(self.layout.rows)

    def edge(self, column: OpColumn) -> Edge:
        """The edge to a consumer of ``column``."""
        return Edge(self.producer, self.port, self.maps, column)


class _Binder:
    def __init__(self, job: int, sources: Mapping[int, SourceInfo]) -> None:
        self.graph = BoundGraph(job)
        self.job = job
        self.sources = sources
        self.producers: dict[int, int] = {}
        self.streams: dict[tuple[int, int], _Stream] = {}
        self.stream_name = ""

    def where(self, node: Node) -> str:
        return f"{node.label} on stream {self.stream_name!r}"

    def add(self, node: Node) -> None:
        if isinstance(node, InputNode):
            self._add_source(node)
        elif isinstance(node, OpNode):
            self._add_op(node)
        elif not isinstance(node, OutputNode):
            # Now, while its input is known: a chain of samplers would recurse later.
            self._input(OpColumn(node))
        else:
            stream = self._input(node.input)
            assert not stream.sliced, "refused by graph.validate"
            bound = BoundOutput(node, stream.edge(node.input), stream.layout)
            self.graph.nodes.append(bound)

    def _input(self, column: OpColumn) -> _Stream:
        key = (id(column.node), column.index)
        if key not in self.streams:
            self.streams[key] = self._derive(column)
        return self.streams[key]

    def _derive(self, column: OpColumn) -> _Stream:
        node = column.node
        if isinstance(node, (InputNode, OpNode)):
            producer = self.producers[id(node)]
            bound = self.graph.nodes[producer]
            if isinstance(bound, BoundOp):
                return _Stream(producer, column.index, (), bound.layout, bound.sliced)
            assert isinstance(bound, BoundSource)
            return _Stream(producer, 0, (), Layout.single(bound.info.rows), False)
        stream = self._input(node.inputs[0])
        if isinstance(node, SampleNode):
            return self._sample(node, stream)
        if isinstance(node, SliceNode):
            assert not stream.sliced, "refused by graph.validate"
            partition = node.partitions[self.job]
            taken, layout = partition.groups(stream.layout.rows, self.where(node))
            return _chain(stream, taken, layout, sliced=True)
        assert isinstance(node, UnsliceNode)
        return replace(stream, sliced=False)

    def _sample(self, node: SampleNode, stream: _Stream) -> _Stream:
        sampler = node.samplers[self.job]
        rows, where = stream.layout.rows, self.where(node)
        if not stream.sliced:
            assert not isinstance(sampler, SliceList), "refused by graph.validate"
            taken = sampler.row_map(rows, where)
            return _chain(stream, taken, Layout.single(len(taken)), sliced=False)
        groups = len(stream.layout)
        check_slice_list(where, sampler, groups)
        samplers = sampler if isinstance(sampler, SliceList) else [sampler] * groups
        maps, shifts = [], []
        for index, one in enumerate(samplers):
            group = stream.layout.group(index)
            maps.append(one.row_map(len(group), f"{where}, slice group {index}"))
            shifts.append(group.start)
        taken = RowMap.concatenate(maps, shifts)
        layout = Layout.of_lengths([len(row_map) for row_map in maps])
        return _chain(stream, taken, layout, sliced=True)

    def _add_source(self, node: InputNode) -> None:
        info = self.sources[id(node)]
        # Errors name the job by its first input.
        self.stream_name = self.stream_name or info.name
        self.producers[id(node)] = len(self.graph.nodes)
        self.graph.nodes.append(BoundSource(node, info))

    def _add_op(self, node: OpNode) -> None:
        streams = [self._input(column) for column in node.columns]
        first, where = streams[0], self.where(node)
        layouts = [stream.groups for stream in streams]
        check_joined(
            where, [_input_name(node, i) for i in range(len(layouts))], layouts
        )
        for name, values in node.stream_args.items():
            what = f"{where}, argument {name!r}"
            check_slice_list(what, values[self.job], len(first.layout))
        edges = tuple(
            stream.edge(column)
            for column, stream in zip(node.columns, streams, strict=True)
        )
        self.producers[id(node)] = len(self.graph.nodes)
        self.graph.nodes.append(BoundOp(node, edges, first.groups, first.sliced))


def _chain(stream: _Stream, taken: RowMap, layout: Layout, sliced: bool) -> _Stream:
    maps = stream.maps
    if not taken.is_identity_of(stream.layout.rows):
        maps = (taken, *maps)
    return replace(stream, maps=maps, layout=layout, sliced=sliced)


def bind(
    nodes: Sequence[Node], job: int, sources: Mapping[int, SourceInfo]
) -> BoundGraph:
    """Puts the lengths of one job's streams into a graph.

    Args:
        nodes: In topological order, see ``graph.nodes.topological``.
        job: Which job.
        sources: ``id`` of each input node to its stream.

    Returns:
        The bound graph.

    Raises:
        GraphError: Joined inputs differ in rows or groups, or a SliceList does not
            fit its slice.
        ArgumentError: A sampler cannot be applied to its stream.
    """
    binder = _Binder(job, sources)
    for node in nodes:
        binder.add(node)
    return binder.graph


def _input_name(node: OpNode, index: int) -> str:
    if node.spec.variadic:
        return f"input {index}"
    return f"input {node.spec.inputs[index].name}"


def stream_args(node: OpNode, job: int, group: int) -> dict[str, Any]:
    """The ``new_stream`` arguments of one slice group."""
    found = {}
    for name, values in node.stream_args.items():
        value = values[job]
        found[name] = value[group] if isinstance(value, SliceList) else value
    return found
