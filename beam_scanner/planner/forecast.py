"""What a job would do, counted without doing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundSource
from beam_scanner.planner.needs import Interval, task_needs
from beam_scanner.planner.schedule import REORDER_BYTES, DecodeCount, Schedule
from beam_scanner.planner.tasks import TaskCuts
from beam_scanner.rows.gops import ascending_cost
from beam_scanner.rows.row_maps import RowSet


@dataclass
class NodeForecast:
    """What one node of a job makes.

    Attributes:
        label: The stream's name, or the op's.
        kind: 'source', 'op' or 'output'.
        rows: Length of its stream.
        made: Rows that tasks read, compute or write; more than ``rows`` where tasks
            overlap (stencils, warm-up).
        decode: For a source that is decoded: frames needed, decoded, again, seeks.
        bytes: For such a source: stored bytes of the keyframe groups it touches.
    """

    label: str
    kind: str
    rows: int
    made: int = 0
    decode: DecodeCount | None = None
    bytes: int = 0


def forecast(graph: BoundGraph, cuts: TaskCuts, work_packet: int) -> list[NodeForecast]:
    """Counts what the tasks of a job's family do.

    Args:
        graph: The bound graph.
        cuts: Its tasks.
        work_packet: Rows handled at a time.

    Returns:
        One forecast for each node. Frames are those that a run then counts.
    """
    found = [_empty(node, graph.job) for node in graph.nodes]
    simple = _decodes_in_order(graph, work_packet)
    for task in range(len(cuts)):
        intervals = cuts.intervals(task)
        needs = task_needs(graph, intervals)
        for node, rows in zip(found, needs, strict=True):
            node.made += len(rows)
        if simple:
            _count_in_order(graph, needs, found)
        else:
            _simulate(graph, intervals, work_packet, found)
    return found


def _empty(node: object, job: int) -> NodeForecast:
    if isinstance(node, BoundSource):
        count = DecodeCount() if node.info.keyframes is not None else None
        return NodeForecast(node.info.name, "source", node.info.rows, decode=count)
    if isinstance(node, BoundOp):
        return NodeForecast(node.node.label, "op", node.layout.rows)
    name = node.node.streams[job].name()  # type: ignore[attr-defined]
    return NodeForecast(name, "output", node.rows)  # type: ignore[attr-defined]


def _decodes_in_order(graph: BoundGraph, work_packet: int) -> bool:
    """Whether every source is read once, ascending: then nothing need be tried."""
    consumers = [edge.producer for _, edge in graph.edges()]
    sources = [i for i, n in enumerate(graph.nodes) if isinstance(n, BoundSource)]
    return (
        all(consumers.count(source) == 1 for source in sources)
        and all(edge.ordered for _, edge in graph.edges())
        and all(_is_gapless(n) for n in graph.nodes if isinstance(n, BoundOp))
        and _windows_fit(graph, work_packet)
    )


def _is_gapless(op: BoundOp) -> bool:
    """Whether its windows hold all rows that they span, so that none is fetched late."""
    return max(op.offsets) - min(op.offsets) + 1 == len(set(op.offsets))


def _windows_fit(graph: BoundGraph, work_packet: int) -> bool:
    """Whether frames surely stay in the reorder buffer while windows pass them."""
    held, packet, largest = 1, work_packet, 0
    for node in graph.nodes:
        if isinstance(node, BoundOp):
            held *= max(0, *node.offsets) - min(0, *node.offsets) + 1
            packet = max(packet, node.node.batch)
        elif isinstance(node, BoundSource):
            largest = max(largest, node.info.frame_bytes)
    return held == 1 or (held + packet) * largest <= REORDER_BYTES


def _count_in_order(
    graph: BoundGraph, needs: Sequence[RowSet], found: list[NodeForecast]
) -> None:
    for node, rows, forecast_ in zip(graph.nodes, needs, found, strict=True):
        if not isinstance(node, BoundSource) or forecast_.decode is None:
            continue
        if node.info.keyframes is None or not len(rows):
            continue
        decoded, seeks = ascending_cost(node.info.keyframes, rows.array())
        forecast_.decode.needed += len(rows)
        forecast_.decode.decoded += decoded
        forecast_.decode.seeks += seeks
        forecast_.bytes += _bytes(node, rows)


def _simulate(
    graph: BoundGraph,
    intervals: Sequence[Interval],
    work_packet: int,
    found: list[NodeForecast],
) -> None:
    schedule = Schedule(graph, intervals, work_packet)
    for _ in schedule.steps():
        continue
    for index, count in schedule.counts().items():
        node, forecast_ = graph.nodes[index], found[index]
        if forecast_.decode is None or not isinstance(node, BoundSource):
            continue
        forecast_.decode.needed += count.needed
        forecast_.decode.decoded += count.decoded
        forecast_.decode.again += count.again
        forecast_.decode.seeks += count.seeks
        forecast_.bytes += _bytes(node, schedule.needs[index])


def _bytes(node: BoundSource, rows: RowSet) -> int:
    sizes, keyframes = node.info.gop_bytes, node.info.keyframes
    if sizes is None or keyframes is None or not len(rows):
        return 0
    touched = np.unique(np.searchsorted(keyframes, rows.array(), side="right") - 1)
    return int(sizes[touched].sum())
