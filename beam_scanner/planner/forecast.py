"""What a job would do, counted without doing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beam_scanner.graph.nodes import OpNode
from beam_scanner.planner.bound import (
    BoundGraph,
    BoundNode,
    BoundOp,
    BoundSource,
    Interval,
)
from beam_scanner.planner.cut_tasks import TaskCuts
from beam_scanner.planner.decoder_advice import decoder_text
from beam_scanner.planner.schedule import REORDER_BYTES, DecodeCount, Schedule
from beam_scanner.rows.gops import ascending_cost
from beam_scanner.rows.row_maps import RowSet
from beam_scanner.types.element_types import DeviceType


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
        calls: For an op with batches, with a model or on a GPU: how it is called.
        where: For a video that GPUs decode: where it is decoded, and what the other
            place would take.
    """

    label: str
    kind: str
    rows: int
    made: int = 0
    decode: DecodeCount | None = None
    bytes: int = 0
    calls: str = ""
    where: str = ""


def calls_of(node: OpNode) -> str:
    """How an op is called: its batch, its device and the copies of its model.

    '' for one that takes row by row, on the CPU.
    """
    parts = [f"batch {node.batch}"] if node.batch > 1 or node.spec.note else []
    if parts or node.device != DeviceType.CPU:
        parts.append(f"on {node.device.name}")
    return ", ".join([*parts, *filter(None, [node.spec.note])])


def forecast(
    graph: BoundGraph, cuts: TaskCuts, work_packet: int, decoder: str = "cpu"
) -> list[NodeForecast]:
    """Counts the rows and frames that the tasks of a job's family make.

    Args:
        graph: The bound graph.
        cuts: Its tasks.
        work_packet: Rows handled at a time.
        decoder: Where videos are decoded.

    Returns:
        One forecast for each node. Frames are those that a run then counts.
    """
    found = [_new_forecast(node, graph.job) for node in graph.nodes]
    simple = _decodes_in_order(graph, work_packet)
    for task in range(len(cuts)):
        intervals = cuts.intervals(task)
        needs = graph.needs(intervals)
        counts = {} if simple else _simulated(graph, intervals, work_packet)
        for index, (node, rows) in enumerate(zip(graph.nodes, needs, strict=True)):
            forecast_ = found[index]
            forecast_.made += len(rows)
            if isinstance(node, BoundSource) and forecast_.decode is not None:
                forecast_.decode += counts.get(index) or _in_order(node, rows)
                forecast_.bytes += _bytes(node, rows)
    for node, forecast_ in zip(graph.nodes, found, strict=True):
        if isinstance(node, BoundSource) and node.info.fits_gpu and forecast_.decode:
            pixels = node.info.frame_bytes // 3
            forecast_.where = decoder_text(decoder, forecast_.decode, pixels)
    return found


def _new_forecast(node: BoundNode, job: int) -> NodeForecast:
    if isinstance(node, BoundSource):
        count = DecodeCount() if node.info.keyframes is not None else None
        return NodeForecast(node.info.name, "source", node.info.rows, decode=count)
    if isinstance(node, BoundOp):
        calls = calls_of(node.node)
        return NodeForecast(node.node.label, "op", node.layout.rows, calls=calls)
    return NodeForecast(node.node.streams[job].name(), "output", node.rows)


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


def _in_order(node: BoundSource, rows: RowSet) -> DecodeCount:
    """The cost of rows that are read once, ascending."""
    if node.info.keyframes is None or not len(rows):
        return DecodeCount()
    decoded, seeks = ascending_cost(node.info.keyframes, rows.array())
    return DecodeCount(needed=len(rows), decoded=decoded, seeks=seeks)


def _simulated(
    graph: BoundGraph, intervals: Sequence[Interval], work_packet: int
) -> dict[int, DecodeCount]:
    """What each source of a task costs, by its index, found by making all steps."""
    schedule = Schedule(graph, intervals, work_packet)
    for _ in schedule.steps():
        continue
    return schedule.counts()


def _bytes(node: BoundSource, rows: RowSet) -> int:
    sizes, keyframes = node.info.gop_bytes, node.info.keyframes
    if sizes is None or keyframes is None or not len(rows):
        return 0
    touched = np.unique(np.searchsorted(keyframes, rows.array(), side="right") - 1)
    return int(sizes[touched].sum())
