"""Where the output rows of a job are cut into tasks.

A cut follows from the graph, the packet size and the input's frame index alone,
never from the machine or the runner, so that equal arguments give equal segments
everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

_LOOKS = 64
_NOWHERE = np.zeros(0, dtype=np.int64)

_WIDEST_GROUPS, _WIDEST_DECODED = 4, 8 * TARGET_DECODED
"""Largest slice group, in packets or in frames, at which outputs that need no groups are
cut as well: with larger ones too few workers would share their work."""


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
    kinds = _kinds_of_outputs(graph)
    if len(kinds) > 1 or not _are_in_step(graph):
        in_step = _cut_in_step(graph, size)
        if in_step is not None:
            return in_step
    if len(kinds) > 1:
        return _one_after_the_other(graph, kinds, io_packet)
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
    ops = [node for node in graph.nodes if isinstance(node, BoundOp) and node.in_order]
    layout = _groups_of(graph.outputs, ops)
    return layout if layout is not None and len(layout) > 1 else None


def _groups_of(outputs: Sequence[BoundOutput], ops: Sequence[BoundOp]) -> Layout | None:
    """The slice groups of outputs, with the in-order ops that make them."""
    layout = outputs[0].layout
    slices = [
        node
        for node in topological([output.node for output in outputs])
        if isinstance(node, SliceNode)
    ]
    fits = (
        len(slices) == 1
        and all(output.layout.same_groups(layout) for output in outputs)
        and all(op.sliced and len(op.layout) == len(layout) for op in ops)
    )
    return layout if fits else None


def _kinds_of_outputs(graph: BoundGraph) -> dict[frozenset[int], list[int]]:
    """Numbers of the outputs, by the in-order ops that make them."""
    above: list[frozenset[int]] = []
    kinds: dict[frozenset[int], list[int]] = {}
    for index, node in enumerate(graph.nodes):
        edges = node.edges if isinstance(node, BoundOp) else ()
        edges = (node.edge,) if isinstance(node, BoundOutput) else edges
        found = frozenset[int]().union(*(above[edge.producer] for edge in edges))
        if isinstance(node, BoundOp) and node.in_order:
            found |= {index}
        above.append(found)
        if isinstance(node, BoundOutput):
            kinds.setdefault(found, []).append(sum(map(len, kinds.values())))
    return kinds


def _are_in_step(graph: BoundGraph) -> bool:
    """Whether equal rows of all outputs come from the same frames, as far as a look says."""
    first, *others = graph.outputs
    if not others:
        return True
    if any(output.rows != first.rows for output in others):
        return False
    rows = np.linspace(0, max(0, first.rows - 1), _LOOKS).astype(np.int64)
    origins = Trace(graph, first)(rows)
    return all(np.array_equal(Trace(graph, o)(rows), origins) for o in others)


def _cut_in_step(graph: BoundGraph, size: int) -> TaskCuts | None:
    """Cuts all outputs at the same rows of their source, so that tasks share no frame.

    Returns:
        The cuts; None where outputs read other sources, or read theirs in another order,
        and where tasks would be too few.
    """
    outputs = [output for output in graph.outputs if output.rows]
    follow = [Trace(graph, output) for output in graph.outputs]
    if len({each.index for each in follow}) > 1 or not all(f.ordered for f in follow):
        return None
    outputs.sort(key=lambda output: -output.rows)
    held = [graph.outputs[n] for n in _in_order_outputs(graph) if graph.outputs[n].rows]
    places, reason = _NOWHERE, "at slice groups: an op needs each group in order"
    if held:
        starts = _group_starts(graph, follow)
        if starts is None:
            return None
        lead = max(held, key=lambda output: output.rows)
        rows = _first_rows(Trace(graph, lead), lead.rows, starts)
        places = _enough(starts, rows, size, lead.rows)
        there = set(map(id, held))
        outputs = [output for output in outputs if id(output) not in there]
    reached = [_reach(graph, output) for output in held]
    for output in outputs:
        low, high = _reach(graph, output)
        # Frames that others read have their cuts.
        first = min((start for start, _ in reached), default=low)
        last = max((stop for _, stop in reached), default=low - 1)
        if not reached or low < first or high > last:
            own, why = _cut_at_keyframes(graph, output, output.rows, size)
            reason = reason if reached else why
            found = Trace(graph, output)(np.array(own[1:-1], dtype=np.int64))
            free = found[(found < first) | (found > last)]
            places = np.concatenate((places, free, [first, last + 1]))
        reached.append((low, high))
    places = np.unique(places)
    first, last = min(low for low, _ in reached), max(high for _, high in reached)
    places = places[(places > first) & (places <= last)]
    widest = np.diff([first, *places.tolist(), last + 1]).max()
    if held and widest > max(_WIDEST_GROUPS * size, _WIDEST_DECODED):
        return None
    columns = [
        [0, *_first_rows(each, output.rows, places).tolist(), output.rows]
        for each, output in zip(follow, graph.outputs, strict=True)
    ]
    bounds = np.array(columns, dtype=np.int64).T
    # Between two places there may be no row of any output.
    moves = np.concatenate(([True], np.diff(bounds, axis=0).any(axis=1)))
    return TaskCuts(bounds[moves], f"{reason}; all outputs at the same frames")


def _in_order_outputs(graph: BoundGraph) -> list[int]:
    """Numbers of the outputs that an in-order op makes."""
    kinds = _kinds_of_outputs(graph)
    return [n for in_order, numbers in kinds.items() if in_order for n in numbers]


def _reach(graph: BoundGraph, output: BoundOutput) -> Interval:
    """The first and the last row of the source that an output comes from."""
    ends = Trace(graph, output)(np.array([0, output.rows - 1], dtype=np.int64))
    return int(ends[0]), int(ends[1])


def _group_starts(graph: BoundGraph, follow: Sequence[Trace]) -> Int64Array | None:
    """Source rows at which a slice group of each in-order output begins, sorted."""
    found: Int64Array | None = None
    for in_order, numbers in _kinds_of_outputs(graph).items():
        if not in_order:
            continue
        ops = [node for n in in_order if isinstance(node := graph.nodes[n], BoundOp)]
        layout = _groups_of([graph.outputs[number] for number in numbers], ops)
        if layout is None:
            return None
        starts = np.arange(0, layout.rows, layout.size or layout.rows or 1)
        if layout.offsets is not None:
            starts = np.unique(layout.offsets)
        starts = starts[(starts > 0) & (starts < layout.rows)].astype(np.int64)
        for number in numbers:
            begin, before = follow[number](starts), follow[number](starts - 1)
            clean = begin[begin > before]
            found = clean if found is None else np.intersect1d(found, clean)
    return found


def _enough(places: Int64Array, rows: Int64Array, size: int, total: int) -> Int64Array:
    """Of places to cut at, and their rows, those that leave tasks of a size."""
    kept, last = [], 0
    for place, row in zip(places.tolist(), rows.tolist(), strict=True):
        if row - last >= size and row < total:
            kept.append(place)
            last = row
    return np.array(kept, dtype=np.int64)


def _first_rows(follow: Trace, rows: int, places: Int64Array) -> Int64Array:
    """The first row of an output that comes from each source row, or a later one."""
    low = np.zeros(len(places), dtype=np.int64)
    high = np.full(len(places), rows, dtype=np.int64)
    while (open_ := low < high).any():
        middle = (low + high) // 2
        there = np.zeros(len(places), dtype=bool)
        there[open_] = follow(middle[open_]) >= places[open_]
        high = np.where(open_ & there, middle, high)
        low = np.where(open_ & ~there, middle + 1, low)
    return low


def _one_after_the_other(
    graph: BoundGraph, kinds: Mapping[frozenset[int], Sequence[int]], io_packet: int
) -> TaskCuts:
    """Tasks of some outputs, then of others: each is cut as it would be alone."""
    ends = np.array([output.rows for output in graph.outputs], dtype=np.int64)
    made = np.zeros(len(ends), dtype=np.int64)
    bounds, reasons = [made.copy()], []
    for numbers in kinds.values():
        cuts = cut_tasks(graph.restricted(numbers), io_packet)
        for row in cuts.bounds[1:]:
            made[list(numbers)] = row
            bounds.append(made.copy())
        if len(cuts):
            reasons.append(f"{len(cuts)} {cuts.reason}")
    assert (made == ends).all()
    reason = "; then ".join(reasons) + ": frames that they share are decoded for each"
    return TaskCuts(np.array(bounds), reason)


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

    @property
    def ordered(self) -> bool:
        """Whether the rows of the output come from rows that never descend."""
        return all(edge.ordered for edge in self._edges)

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
