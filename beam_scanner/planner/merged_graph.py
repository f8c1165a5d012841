"""The bound graphs of several jobs as one: the streams of each stand as slice groups.

Rows of the jobs follow one another in every node, and no window, state or sampler leaves
its group. So what a task of the merged graph makes is what a task of each job makes;
only ops that take rows of several groups in a call are called less often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from beam_scanner.graph.nodes import OpNode, SliceList
from beam_scanner.planner.bound import (
    BoundGraph,
    BoundNode,
    BoundOp,
    BoundOutput,
    BoundSource,
    Edge,
    SourceInfo,
    stream_args,
)
from beam_scanner.rows.row_maps import Int64Array, Layout, RowMap


@dataclass(frozen=True)
class MergedGraph:
    """The graphs of several jobs as one.

    Attributes:
        graph: The one graph.
        starts: For each node int64[k + 1]: the first row of each of ``k`` jobs, then the
            number of rows.
    """

    graph: BoundGraph
    starts: list[Int64Array]

    def place_of(self, node: int, row: int) -> tuple[int, int]:
        """Which job a row of a node is of, and its number there."""
        starts = self.starts[node]
        job = int(np.searchsorted(starts[1:], row, side="right"))
        return job, row - int(starts[job])


def merge_graphs(graphs: Sequence[BoundGraph]) -> MergedGraph:
    """Merges bound graphs of one graph.

    Args:
        graphs: One a job, each of the same nodes.

    Returns:
        The merged graph; its job has number 0.
    """
    # A list of nodes for each place in the graph, one of each job.
    listed: list[list[BoundNode]] = list(
        map(list, zip(*(g.nodes for g in graphs), strict=True))
    )
    starts = [_starts([_rows(node) for node in nodes]) for nodes in listed]
    jobs = [graph.job for graph in graphs]
    merged = BoundGraph(0, [_merged(nodes, jobs, starts) for nodes in listed])
    return MergedGraph(merged, starts)


def _starts(rows: Sequence[int]) -> Int64Array:
    return np.array([0, *accumulate(rows)], dtype=np.int64)


def _rows(node: BoundNode) -> int:
    return node.info.rows if isinstance(node, BoundSource) else node.layout.rows


def _merged(
    nodes: Sequence[BoundNode], jobs: Sequence[int], starts: Sequence[Int64Array]
) -> BoundNode:
    """One node of the nodes of all jobs."""
    first = nodes[0]
    if isinstance(first, BoundSource):
        return _source([node for node in nodes if isinstance(node, BoundSource)])
    if isinstance(first, BoundOutput):
        outputs = [node for node in nodes if isinstance(node, BoundOutput)]
        edge = _edge([output.edge for output in outputs], outputs, starts)
        return BoundOutput(first.node, edge, _layout(outputs))
    ops = [node for node in nodes if isinstance(node, BoundOp)]
    edges = tuple(
        _edge(edges, ops, starts)
        for edges in zip(*(op.edges for op in ops), strict=True)
    )
    return BoundOp(_node(ops, jobs), edges, _layout(ops), first.sliced)


def _layout(nodes: Sequence[BoundOp | BoundOutput]) -> Layout:
    return Layout.of_lengths([n for node in nodes for n in node.layout.lengths()])


def _source(sources: Sequence[BoundSource]) -> BoundSource:
    infos = [source.info for source in sources]
    starts = _starts([info.rows for info in infos])[:-1].tolist()
    keyframes, sizes = None, None
    if all(info.keyframes is not None for info in infos):
        keyframes = np.concatenate(
            [
                start + np.asarray(info.keyframes)
                for start, info in zip(starts, infos, strict=True)
            ]
        )
        if all(info.gop_bytes is not None for info in infos):
            sizes = np.concatenate([np.asarray(info.gop_bytes) for info in infos])
    name = f"{infos[0].name} and {len(infos) - 1} more"
    largest = max(info.frame_bytes for info in infos)
    rows = sum(info.rows for info in infos)
    info = SourceInfo(name, rows, keyframes, largest, sizes)
    return BoundSource(sources[0].node, info)


def _edge(
    edges: Sequence[Edge],
    consumers: Sequence[BoundOp | BoundOutput],
    starts: Sequence[Int64Array],
) -> Edge:
    """An edge whose maps are those of all jobs, one after the other."""
    first = edges[0]
    rows = np.diff(starts[first.producer]).tolist()
    # Samplers that change nothing have left no map behind.
    most = max(len(edge.maps) for edge in edges)
    listed = [
        [*edge.maps, *[RowMap.identity(n)] * (most - len(edge.maps))]
        for edge, n in zip(edges, rows, strict=True)
    ]
    for maps, consumer in zip(listed, consumers, strict=True):
        assert not maps or len(maps[0]) == consumer.layout.rows
    maps = []
    for level in range(most):
        below = rows if level + 1 == most else [len(of[level + 1]) for of in listed]
        shifts = _starts(below)[:-1].tolist()
        maps.append(RowMap.concatenate([of[level] for of in listed], shifts))
    return replace(first, maps=tuple(maps))


def _node(ops: Sequence[BoundOp], jobs: Sequence[int]) -> OpNode:
    """The op, with the arguments of all jobs as those of slice groups."""
    node = ops[0].node
    if not node.stream_args:
        return node
    listed = [
        stream_args(op.node, job, group)
        for op, job in zip(ops, jobs, strict=True)
        for group in range(len(op.layout))
    ]
    merged = {
        name: (SliceList([of_group[name] for of_group in listed]),)
        for name in node.stream_args
    }
    return replace(node, stream_args=merged)
