"""The order of reads, kernel calls and writes inside one task.

Outputs are pulled work packet by work packet; a pull computes missing rows and
drops each row after its last use. The schedule is made of row numbers alone: a run
carries it out, and ``explain`` counts it, so that both agree.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from beam_scanner.planner.bound import (
    BoundGraph,
    BoundOp,
    BoundOutput,
    BoundSource,
    Interval,
)
from beam_scanner.rows.gops import DecodePosition, keyframe_at
from beam_scanner.rows.row_maps import NULL_ROW, Int64Array, RowSet

REORDER_BYTES = 256 << 20
"""Most bytes of decoded rows that one source keeps for later use."""

MAX_CURSORS = 4
"""Most decoders that one task opens on one source."""

_BLOCK = 1 << 16

Drops = list[tuple[int, Int64Array]]


@dataclass
class Read:
    """Drop rows ``drop``, then read ``rows`` (ascending) of a source."""

    node: int
    rows: Int64Array
    cursor: int
    shared: NDArray[np.bool_]
    drop: Drops


@dataclass
class Compute:
    """Call a kernel for ``rows``, then drop.

    Attributes:
        node: The op.
        rows: int64[n], ascending.
        windows: For each edge int64[n, k]: the producer's rows, -1 for null.
        calls: How many rows each kernel call takes, in order.
        keep: bool[n], whether a later step uses the row.
        shared: bool[n], whether more than one use follows.
        drop: Rows of nodes that nothing uses any more.
    """

    node: int
    rows: Int64Array
    windows: list[Int64Array]
    calls: list[int]
    keep: NDArray[np.bool_]
    shared: NDArray[np.bool_]
    drop: Drops


@dataclass
class Emit:
    """Write rows ``first, first + 1, ...`` of an output, then drop.

    ``rows`` are the producer's, -1 for null.
    """

    node: int
    first: int
    rows: Int64Array
    drop: Drops


Step = Read | Compute | Emit

_Steps = Iterator["Step | _Steps"]
"""Steps, among them others that come in their place."""


@dataclass
class DecodeCount:
    """The frames that tasks decode of one source.

    Attributes:
        needed: Rows that the task needs, each counted once.
        decoded: Rows that the decoder gives, needed or not.
        again: Those of ``decoded`` that had been decoded before.
        seeks: Times that the decoder starts at a keyframe.
    """

    needed: int = 0
    decoded: int = 0
    again: int = 0
    seeks: int = 0

    def __iadd__(self, other: DecodeCount) -> Self:
        self.needed += other.needed
        self.decoded += other.decoded
        self.again += other.again
        self.seeks += other.seeks
        return self


@dataclass
class _State:
    """The state of one node while the schedule is made.

    Attributes:
        needs: The rows that the task needs of it.
        uses: int32[n], for each of these how many uses are still to come.
        present: bool[n], whether the row is in memory now.
        call_starts: See ``_call_starts``.
        next_call: The first kernel call of a stateful op that was not made yet.
    """

    needs: RowSet
    uses: NDArray[np.int32]
    present: NDArray[np.bool_]
    call_starts: Int64Array | None = None
    next_call: int = 0


@dataclass
class _SourceState(_State):
    """The same of a source.

    Attributes:
        keyframes: Rows at which decoding may start; None for random access.
        room: Most rows in memory.
        resident: Rows in memory now.
        cursors: The decoders, by the consumer that opened them.
        spans: ``[start, stop)`` of each stretch that was decoded.
        count: What was read so far.
    """

    keyframes: Int64Array | None = None
    room: int = sys.maxsize
    resident: int = 0
    cursors: dict[tuple[int, int], DecodePosition] = field(default_factory=dict)
    spans: list[list[int]] = field(default_factory=list)
    count: DecodeCount = field(default_factory=DecodeCount)

    def room_beside(self, rows: Int64Array) -> int:
        """How many more rows fit into memory once these are read."""
        return max(0, self.room - self.resident - len(rows))


class Schedule:
    """The steps of one task.

    Args:
        graph: The bound graph of the task's job.
        intervals: Rows ``[start, stop)`` of each output that the task makes.
        work_packet: Most rows of an output, or of a kernel, handled at a time.
        reorder_bytes: See ``REORDER_BYTES``.
    """

    def __init__(
        self,
        graph: BoundGraph,
        intervals: Sequence[Interval],
        work_packet: int,
        reorder_bytes: int = REORDER_BYTES,
    ) -> None:
        self.graph = graph
        self.intervals = list(intervals)
        self.work_packet = work_packet
        self.needs = graph.needs(intervals)
        self._pins: list[tuple[int, Int64Array]] = []
        self._states = [self._state(i, reorder_bytes) for i in range(len(graph.nodes))]
        self._count_uses()

    def counts(self) -> dict[int, DecodeCount]:
        """What was read of each source by the steps made so far."""
        found = {}
        for index, state in enumerate(self._states):
            if isinstance(state, _SourceState):
                state.count.needed = len(state.needs)
                state.count.again = state.count.decoded - _covered(state.spans)
                found[index] = state.count
        return found

    def steps(self) -> Iterator[Step]:
        """Makes the steps, in order; may be called once."""
        outputs = [
            (i, node)
            for i, node in enumerate(self.graph.nodes)
            if isinstance(node, BoundOutput)
        ]
        longest = max((stop - start for start, stop in self.intervals), default=0)
        packets = -(-longest // self.work_packet)
        for packet in range(packets):
            # Each packet takes its share of every output, however long: outputs that
            # use the same rows use them at about the same time.
            for (index, node), (start, stop) in zip(
                outputs, self.intervals, strict=True
            ):
                first = start + (stop - start) * packet // packets
                last = start + (stop - start) * (packet + 1) // packets
                if first < last:
                    yield from _flat(self._emit(index, node, first, last))

    def _state(self, index: int, reorder_bytes: int) -> _State:
        node, needs = self.graph.nodes[index], self.needs[index]
        if isinstance(node, BoundOutput):
            return _State(needs, np.zeros(0, np.int32), np.zeros(0, bool))
        uses = np.zeros(len(needs), dtype=np.int32)
        present = np.zeros(len(needs), dtype=bool)
        if isinstance(node, BoundOp):
            return _State(needs, uses, present, _call_starts(node, needs))
        source = _SourceState(needs, uses, present, keyframes=node.info.keyframes)
        if node.info.frame_bytes:
            source.room = max(1, reorder_bytes // node.info.frame_bytes)
        return source

    def _count_uses(self) -> None:
        for index, node in enumerate(self.graph.nodes):
            needs = self.needs[index]
            if isinstance(node, BoundSource):
                continue
            edges = node.edges if isinstance(node, BoundOp) else (node.edge,)
            # Block by block: the windows of a whole film would fill the memory.
            for start in range(0, len(needs), _BLOCK):
                rows = needs.array(start, start + _BLOCK)
                windows = node.windows(rows) if isinstance(node, BoundOp) else rows
                for edge in edges:
                    self._add_uses(edge.producer, edge.map(windows).ravel())

    def _add_uses(self, producer: int, rows: Int64Array) -> None:
        rows = rows[rows != NULL_ROW]
        if len(rows):
            state = self._states[producer]
            at = state.needs.positions(rows)
            low = int(at.min())
            counts = np.bincount(at - low)
            state.uses[low : low + len(counts)] += counts.astype(np.int32)

    def _emit(self, index: int, node: BoundOutput, first: int, last: int) -> _Steps:
        rows = np.arange(first, last, dtype=np.int64)
        mapped = node.edge.map(rows)
        yield from self._ensure(node.edge.producer, mapped, (index, 0))
        drop = self._release([(node.edge.producer, mapped)])
        yield Emit(index, first, mapped, drop)

    def _ensure(
        self, index: int, rows: Int64Array, consumer: tuple[int, int]
    ) -> _Steps:
        """Makes those rows of a node that are not there."""
        rows = _without_nulls(rows if _ascends(rows) else np.unique(rows))
        if not len(rows):
            return
        state = self._states[index]
        at = state.needs.positions(rows)
        missing = ~state.present[at]
        if not missing.any():
            return
        if isinstance(state, _SourceState):
            yield from self._read(index, state, rows, rows[missing], consumer)
        else:
            yield from self._compute(index, state, at[missing])

    def _read(
        self,
        index: int,
        state: _SourceState,
        wanted: Int64Array,
        missing: Int64Array,
        consumer: tuple[int, int],
    ) -> Iterator[Read]:
        if state.keyframes is None:
            yield self._take(index, state, wanted, missing, 0)
            return
        while len(missing):
            position = self._pick(state, state.keyframes, int(missing[0]), consumer)
            rows = _left_behind(state, position, missing)
            if not len(rows):
                share = _share(state, position, missing)
                rows = _with_riders(state, position, share)
            cursor = self._decode(state, position, rows)
            yield self._take(index, state, wanted, rows, cursor)
            if rows is missing:
                return
            missing = np.setdiff1d(missing, rows)

    def _take(
        self,
        index: int,
        state: _SourceState,
        wanted: Int64Array,
        rows: Int64Array,
        cursor: int,
    ) -> Read:
        at = state.needs.positions(rows)
        state.present[at] = True
        state.resident += len(rows)
        drop = self._evict(index, state, wanted, rows)
        return Read(index, rows, cursor, state.uses[at] > 1, drop)

    def _decode(
        self, state: _SourceState, position: DecodePosition, rows: Int64Array
    ) -> int:
        """Counts what a decoder decodes for these rows; returns its number."""
        for first, stop in _runs(rows):
            state.count.seeks += position.seeks(first)
            decoded = position.advance(first, stop - first)
            state.count.decoded += decoded
            start = stop - decoded
            if state.spans and state.spans[-1][1] == start:
                state.spans[-1][1] = stop
            else:
                state.spans.append([start, stop])
        return list(state.cursors.values()).index(position)

    def _pick(
        self,
        state: _SourceState,
        keyframes: Int64Array,
        row: int,
        consumer: tuple[int, int],
    ) -> DecodePosition:
        ready = [p for p in state.cursors.values() if not p.seeks(row)]
        if ready:
            # Of those that need not seek, the one with the fewest frames to go.
            return max(ready, key=lambda position: position.next_row or 0)
        # Each consumer has a decoder of its own, so that two branches far apart in a
        # film do not send one decoder to and fro.
        if consumer not in state.cursors:
            if len(state.cursors) >= MAX_CURSORS:
                # Any will do, but the same one in every process.
                return list(state.cursors.values())[sum(consumer) % MAX_CURSORS]
            state.cursors[consumer] = DecodePosition(keyframes)
        return state.cursors[consumer]

    def _evict(
        self, index: int, state: _SourceState, wanted: Int64Array, read: Int64Array
    ) -> Drops:
        """Lets go of rows that do not fit; they are read again when they are used."""
        if state.resident <= state.room:
            return []
        held = state.needs.at(np.flatnonzero(state.present))
        # Rows that are about to be used would only be read again at once.
        pinned = [wanted, read, *(rows for node, rows in self._pins if node == index)]
        free = np.setdiff1d(held, np.concatenate(pinned))
        # Reading mostly goes forward, so the rows farthest away are used last.
        far = np.argsort(-np.abs(free - wanted[-1]), kind="stable")
        gone = np.sort(free[far[: state.resident - state.room]])
        if not len(gone):
            return []
        state.present[state.needs.positions(gone)] = False
        state.resident -= len(gone)
        return [(index, gone)]

    def _compute(self, index: int, state: _State, missing: Int64Array) -> _Steps:
        node = self.graph.nodes[index]
        assert isinstance(node, BoundOp)
        starts = state.call_starts
        calls = (
            missing
            if starts is None
            else np.unique(np.searchsorted(starts, missing, side="right") - 1)
        )
        size = max(1, self.work_packet // max(1, node.node.batch))
        if node.stateful:
            # Every call up to the last wanted one, in order: state must have seen the
            # rows between, whether or not anything uses their results yet.
            last = int(calls[-1])
            while state.next_call <= last:
                stop = min(state.next_call + size, last + 1)
                chunk = np.arange(state.next_call, stop, dtype=np.int64)
                state.next_call = stop
                yield from self._call(index, node, state, chunk)
        else:
            for start in range(0, len(calls), size):
                chunk = calls[start : start + size]
                yield from self._call(index, node, state, chunk)

    def _call(
        self, index: int, node: BoundOp, state: _State, calls: Int64Array
    ) -> _Steps:
        at, lengths = _positions_of_calls(state, calls)
        rows = state.needs.at(at)
        windows = node.windows(rows)
        mapped = [edge.map(windows) for edge in node.edges]
        pins = len(self._pins)
        for number, (edge, wanted) in enumerate(zip(node.edges, mapped, strict=True)):
            flat = wanted.ravel()
            # Not from here: a chain of a thousand ops would be as many frames deep.
            yield self._ensure(edge.producer, flat, (index, number))
            # Reading for the next input must not drop the rows of this one.
            self._pins.append((edge.producer, flat))
        del self._pins[pins:]
        keep = state.uses[at] > 0
        state.present[at] = keep
        drop = self._release(
            [
                (edge.producer, wanted.ravel())
                for edge, wanted in zip(node.edges, mapped, strict=True)
            ]
        )
        yield Compute(index, rows, mapped, lengths, keep, state.uses[at] > 1, drop)

    def _release(self, used: list[tuple[int, Int64Array]]) -> Drops:
        drops = []
        for index, rows in used:
            counts: Any = 1
            if not _ascends(rows):
                rows, counts = np.unique(rows[rows != NULL_ROW], return_counts=True)
            listed = _without_nulls(rows)
            if not len(listed):
                continue
            state = self._states[index]
            at = state.needs.positions(listed)
            left = state.uses[at] - counts
            state.uses[at] = left
            done = (left == 0) & state.present[at]
            if done.any():
                state.present[at[done]] = False
                drops.append((index, listed[done]))
                if isinstance(state, _SourceState):
                    state.resident -= int(done.sum())
        return drops


def _flat(steps: _Steps) -> Iterator[Step]:
    """Steps one after the other, whatever they are nested in."""
    stack = [steps]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
        elif isinstance(step, Iterator):
            stack.append(step)
        else:
            yield step


def _ascends(rows: Int64Array) -> bool:
    """Whether rows ascend, each once: then nothing need be sorted."""
    return bool((rows[1:] > rows[:-1]).all())


def _without_nulls(rows: Int64Array) -> Int64Array:
    """Rows that ascend, without the one that stands for null."""
    return rows[1:] if len(rows) and rows[0] == NULL_ROW else rows


def _runs(rows: Int64Array) -> list[tuple[int, int]]:
    """``[first, stop)`` of each stretch of rows that ascend without a gap."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return [(int(rows[0]), int(rows[-1]) + 1)]
    cuts = np.flatnonzero(np.diff(rows) != 1) + 1
    firsts = [rows[0], *rows[cuts]]
    lasts = [*rows[cuts - 1], rows[-1]]
    return [(int(a), int(b) + 1) for a, b in zip(firsts, lasts, strict=True)]


def _left_behind(
    state: _SourceState, position: DecodePosition, missing: Int64Array
) -> Int64Array:
    """Rows used later that a decoder is on its way to, if it must now turn away.

    To come back for them it would have to decode again what lies before them. None
    if they do not fit.
    """
    at = position.next_row
    if at is None or not position.seeks(int(missing[0])):
        return missing[:0]
    keyframes = position.keyframes
    after = int(np.searchsorted(keyframes, at - 1, side="right"))
    stop = int(keyframes[after]) if after < len(keyframes) else state.needs.last + 1
    rows = _pending(state, at, stop)
    return rows if len(rows) <= state.room_beside(missing) else missing[:0]


def _share(
    state: _SourceState, position: DecodePosition, missing: Int64Array
) -> Int64Array:
    """The first of these rows, up to one that another decoder is on its way to."""
    cut = len(missing)
    for other in state.cursors.values():
        if other is position or other.next_row is None:
            continue
        at = int(np.searchsorted(missing, other.next_row))
        if 0 < at < cut and not other.seeks(int(missing[at])):
            cut = at
    return missing if cut == len(missing) else missing[:cut]


def _pending(state: _SourceState, low: int, high: int) -> Int64Array:
    """Rows in ``[low, high)`` that are used later and are not there."""
    rows = state.needs.between(low, high)
    at = state.needs.positions(rows)
    return rows[~state.present[at] & (state.uses[at] > 0)]


def _with_riders(
    state: _SourceState, position: DecodePosition, missing: Int64Array
) -> Int64Array:
    """Adds rows used later that are decoded on the way, if they fit.

    Those are the rows that the decoder passes, and, where it continues in another
    keyframe group, the rest of the group that it leaves.
    """
    first, last = int(missing[0]), int(missing[-1])
    start = position.next_row
    if start is None or position.seeks(first):
        start = int(keyframe_at(position.keyframes, first))
    pending = _pending(state, start, last)
    if np.array_equal(pending, missing[:-1]):
        return missing
    keyframe = keyframe_at(position.keyframes, missing)
    starts = np.append(start, np.maximum(keyframe[1:], missing[:-1] + 1))
    before = np.searchsorted(missing, pending)
    passed = pending >= starts[before]
    passed |= keyframe_at(position.keyframes, pending) == keyframe[before - 1]
    riders = np.setdiff1d(pending[passed], missing)
    near = np.argsort(np.abs(riders - last), kind="stable")
    return np.union1d(missing, riders[near[: state.room_beside(missing)]])


def _call_starts(node: BoundOp, needs: RowSet) -> Int64Array | None:
    """Positions in ``needs`` at which a kernel call begins; None for every one.

    Calls are cut by position alone, so the size of work packets cannot change what
    a kernel is given: every ``batch`` rows, starting over in each slice group, unless
    the op takes rows of several in a call, and, for ops with state, in each contiguous
    run.
    """
    whole = node.node.spec.whole_stream
    if (node.node.batch == 1 and not whole) or not len(needs):
        return None
    rows = needs.array()
    group = node.layout.group_of(rows)
    new = group[1:] != group[:-1]
    if node.node.spec.across_groups:
        new[:] = False
    if node.stateful and not whole:
        new |= rows[1:] != rows[:-1] + 1
    firsts = np.concatenate(([0], np.flatnonzero(new) + 1)).astype(np.int64)
    if whole:
        return firsts
    stops = np.append(firsts[1:], len(rows))
    return np.concatenate(
        [
            np.arange(first, stop, node.node.batch, dtype=np.int64)
            for first, stop in zip(firsts.tolist(), stops.tolist(), strict=True)
        ]
    )


def _positions_of_calls(
    state: _State, calls: Int64Array
) -> tuple[Int64Array, list[int]]:
    if state.call_starts is None:
        return calls, [1] * len(calls)
    bounds = np.append(state.call_starts, len(state.needs))
    starts, stops = bounds[calls], bounds[calls + 1]
    parts = [
        np.arange(start, stop, dtype=np.int64)
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
    ]
    return np.concatenate(parts), (stops - starts).tolist()


def _covered(spans: list[list[int]]) -> int:
    """Rows that lie in at least one span."""
    covered, reached = 0, 0
    for start, stop in sorted(spans):
        covered += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return covered
