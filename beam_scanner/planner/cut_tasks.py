"""Where the output rows of a job are cut into tasks.

A cut follows from the graph, the packet size and the input's frame index alone,
never from the machine or the runner, so that equal arguments give equal segments
everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from beam_scanner.graph.nodes import SliceNode, topological
from beam_scanner.planner.bound import (
    BoundGraph,
    BoundOp,
    BoundOutput,
    BoundSource,
    Interval,
)
from beam_scanner.rows.gops import ascending_cost, keyframe_at
from beam_scanner.rows.row_maps import Int64Array, Layout, RowSet

TARGET_DECODED = 500
"""Frames that a task decodes, about, where the packet size is left to the planner."""

PACKET_BYTES = 16 << 20
"""Bytes of frames in a work packet, about, where its size is left to the planner."""

_PROBE_ROWS = 2000


@dataclass(frozen=True)
class TaskCuts:
    """The tasks of one job.

    Attributes:
        bounds: int64[k + 1, outputs]: task ``t`` makes rows
            ``[bounds[t, o], bounds[t + 1, o])`` of output ``o``.
        reason: Why the cuts are where they are, as ``explain`` shows it.
    """

    bounds: Int64Array
    reason: str

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def intervals(self, task: int) -> tuple[Interval, ...]:
        """Rows ``[start, stop)`` of each output that a task makes."""
        starts, stops = self.bounds[task].tolist(), self.bounds[task + 1].tolist()
        return tuple(zip(starts, stops, strict=True))


def cut_tasks(graph: BoundGraph, io_packet: int) -> TaskCuts:
    """Cuts a job into tasks.

    Args:
        graph: The bound graph.
        io_packet: Output rows a task, about; 0 to choose by what must be decoded.

    Returns:
        The cuts; no task if the outputs are empty.
    """
    outputs = graph.outputs
    rows = [output.rows for output in outputs]
    longest = max(rows)
    if not longest:
        return TaskCuts(np.zeros((1, len(rows)), np.int64), "no rows")
    size = io_packet or _packet_for(graph)
    if min(rows) < longest:
        # An in-order op would start at row 0 again in each task.
        count = 1 if graph.in_order else -(-longest // size)
        shares = np.arange(count + 1, dtype=np.int64)[:, None] * np.array(rows)
        return TaskCuts(
            shares // count, f"{count} equal parts of outputs of unequal length"
        )
    if graph.in_order:
        cuts, reason = _cut_groups(graph, longest, size)
    else:
        cuts, reason = _cut_at_keyframes(graph, outputs[0], longest, size)
    bounds = np.array(cuts, dtype=np.int64)
    return TaskCuts(np.repeat(bounds[:, None], len(rows), axis=1), reason)


def work_packet(sizes: Iterable[int]) -> int:
    """Rows to handle at a time.

    Args:
        sizes: Bytes of an element of each input, 0 where unknown.

    Examples:
        >>> work_packet([640 * 480 * 3, 0]), work_packet([1920 * 1080 * 3])
        (18, 4)
    """
    return max(4, min(32, PACKET_BYTES // max([1, *sizes])))


def frames_to_decode(graph: BoundGraph, needs: Sequence[RowSet]) -> int:
    """Frames that decoders give for these needs, if rows are read ascending.

    Args:
        graph: The bound graph.
        needs: Of its nodes, see ``BoundGraph.needs``.

    Returns:
        The sum over all sources; rows that need no decoder count once.
    """
    decoded = 0
    for node, rows in zip(graph.nodes, needs, strict=True):
        if isinstance(node, BoundSource) and len(rows):
            keyframes = node.info.keyframes
            if keyframes is None:
                decoded += len(rows)
            else:
                decoded += ascending_cost(keyframes, rows.array())[0]
    return decoded


def _packet_for(graph: BoundGraph) -> int:
    """Output rows that make a task decode about ``TARGET_DECODED`` frames."""
    # The first rows stand for all: samplers mostly repeat themselves, and to trace
    # every row of a long film costs more than an uneven task.
    probe = [(0, min(output.rows, _PROBE_ROWS)) for output in graph.outputs]
    decoded = frames_to_decode(graph, graph.needs(probe))
    probed = max(stop for _, stop in probe)
    return max(16, min(10_000, probed * TARGET_DECODED // max(1, decoded)))


def _cut_groups(graph: BoundGraph, total: int, size: int) -> tuple[list[int], str]:
    """Whole slice groups, small ones together."""
    layout = _shared_groups(graph)
    if layout is None:
        return [0, total], "one task: an op needs the whole stream in order"
    cuts = [0]
    for index in range(len(layout)):
        stop = layout.group(index).stop
        if stop - cuts[-1] >= size:
            cuts.append(stop)
    if cuts[-1] != total:
        cuts.append(total)
    return cuts, "at slice groups: an op needs each group in order"


def _shared_groups(graph: BoundGraph) -> Layout | None:
    """The slice groups that tasks may be cut at, None if there are none."""
    outputs = graph.outputs
    layout = outputs[0].layout
    slices = [
        node
        for node in topological([output.node for output in outputs])
        if isinstance(node, SliceNode)
    ]
    ops = [node for node in graph.nodes if isinstance(node, BoundOp) and node.in_order]
    fits = (
        len(slices) == 1
        and all(output.layout.same_groups(layout) for output in outputs)
        and all(op.sliced and len(op.layout) == len(layout) for op in ops)
    )
    return layout if fits and len(layout) > 1 else None


def _cut_at_keyframes(
    graph: BoundGraph, lead: BoundOutput, total: int, size: int
) -> tuple[list[int], str]:
    """Every ``size`` rows, moved to where no frame is decoded twice."""
    nominal = list(range(size, total, size))
    follow = Trace(graph, lead)
    keyframes = follow.source.info.keyframes
    if keyframes is None:
        return [0, *nominal, total], f"every {size} rows"
    cuts = [0]
    for at in nominal:
        cut = _clean_cut(follow, keyframes, at, size, total)
        if cut is not None and cut > cuts[-1]:
            cuts.append(cut)
    cuts.append(total)
    reason = f"at keyframes, about every {size} rows"
    if len(cuts) - 1 <= len(nominal) // 2:
        reason += "; fewer tasks, since the video has few keyframes"
    return cuts, reason


class Trace:
    """Follows rows of an output along first inputs to the source of their times.

    Attributes:
        index: The source's index in the graph.
        source: The source.
        ops: The ops on the way, from the output back.
    """

    def __init__(self, graph: BoundGraph, output: BoundOutput) -> None:
        self._edges = [output.edge]
        self.ops: list[BoundOp] = []
        self.index = output.edge.producer
        while isinstance(node := graph.nodes[self.index], BoundOp):
            self.ops.append(node)
            self._edges.append(node.edges[0])
            self.index = node.edges[0].producer
        assert isinstance(node, BoundSource)
        self.source = node

    def __call__(self, rows: Int64Array) -> Int64Array:
        """The source row of each output row; int64[n] to int64[n]."""
        for edge in self._edges:
            rows = edge.origin(rows)
        return rows


def _clean_cut(
    follow: Trace, keyframes: Int64Array, at: int, size: int, total: int
) -> int | None:
    """The row nearest to ``at`` that begins a keyframe group.

    Without one within half a packet, ``at`` itself if decoding up to it again costs
    less than half a packet, else None: a film with a single keyframe is one task.
    """
    low, high = max(1, at - size // 2), min(total, at + size // 2 + 1)
    origins = follow(np.arange(low - 1, high, dtype=np.int64))
    clean = keyframe_at(keyframes, origins[1:]) > origins[:-1]
    # Where the rows turn back, the decoder seeks in any case.
    clean |= origins[1:] < origins[:-1]
    found = np.flatnonzero(clean) + low
    if len(found):
        return int(found[np.argmin(np.abs(found - at))])
    source_row = int(origins[at - low + 1])
    wasted = source_row - int(keyframe_at(keyframes, source_row))
    span = int(origins[-1]) - int(origins[0])
    return at if wasted * 2 <= span else None
