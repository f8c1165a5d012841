"""The rows that each node must make for one task, worked out from the outputs back."""

from __future__ import annotations

from collections.abc import Sequence

from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundOutput
from beam_scanner.rows.row_maps import RowSet, union

Interval = tuple[int, int]


def task_needs(graph: BoundGraph, intervals: Sequence[Interval]) -> list[RowSet]:
    """Works back from intervals of the outputs to the rows of every node.

    Args:
        graph: The bound graph of a job.
        intervals: ``[start, stop)`` of each output, in the order of
            ``graph.outputs``.

    Returns:
        For each node of the graph: for a source the rows to read, for an op the
        rows to compute (warm-up included), for an output its interval.

    Raises:
        ArgumentError: A stencil window leaves its stream and may not.
    """
    wanted: list[list[RowSet]] = [[] for _ in graph.nodes]
    made: list[RowSet] = [RowSet.interval(0, 0)] * len(graph.nodes)
    left = list(intervals)
    for index in reversed(range(len(graph.nodes))):
        node = graph.nodes[index]
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


def all_needs(graph: BoundGraph) -> list[RowSet]:
    """The rows of every node if one task made all of every output."""
    return task_needs(graph, [(0, output.rows) for output in graph.outputs])
