"""Feeds kernels the rows of their calls, and keeps what they make."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.engine.containment import is_interrupt
from beam_scanner.engine.instance import KernelInstance, OpError
from beam_scanner.engine.log_context import Place
from beam_scanner.engine.position import CALL, Position
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.errors import GraphError
from beam_scanner.kernels.device_frames import DeviceFrame, given_as
from beam_scanner.measure.spans import span
from beam_scanner.planner.bound import BoundGraph, BoundOp, Edge
from beam_scanner.planner.schedule import Compute, Drops
from beam_scanner.types.compatible import reader_as
from beam_scanner.types.element_types import NULL, DeviceType, NullElement
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info

COPIES = "frames_to_host"
"""Counts frames that were copied from a device to the memory of a process."""

Columns = list[list[Any]]
"""What rows are given: a list for each input, in which each row has its element, as it
was stored, or with a stencil the list of those of its window."""

PlaceOf = Callable[[int, int], tuple[str, int]]
"""From the index of a node and a row of it to the stream and the row there."""


@dataclass
class Work:
    """The state that an executor and its ops share; they do not refer to each other.

    A cycle would keep encoders and frames until Python looks for cycles.

    Attributes:
        graph: The bound graph of the task.
        found: Counters and spans of the task.
        place: Where the task is, for logs.
        position: The same, in memory that outlives the process.
        place_of: Tells rows of several streams apart; None where there is one.
        buffers: For each node the rows that are held.
    """

    graph: BoundGraph
    found: TaskTrace
    place: Place
    position: Position
    place_of: PlaceOf | None = None
    buffers: list[dict[int, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.buffers = [{} for _ in self.graph.nodes]

    def on_host(self, frame: Any) -> Any:
        """What is on a device, in the memory of this process."""
        if not isinstance(frame, DeviceFrame):
            return frame
        self.found.counters[COPIES] += 1
        return frame.to_host()

    def frames_as(self, library: str, on_device: bool) -> Callable[[Any], Any]:
        """How a kernel is given frames.

        Args:
            library: As whose arrays; '' for NumPy.
            on_device: Whether it runs on a device. Else its arrays are in the memory
                of this process.
        """
        if library and on_device:
            return lambda frame: given_as(frame, library)
        if library:
            return lambda frame: given_as(self.on_host(frame), library)
        return self.on_host

    def drop(self, drops: Drops) -> None:
        """Lets go of rows that are not used again."""
        for index, rows in drops:
            buffer = self.buffers[index]
            if len(rows) == len(buffer):
                # A dict keeps the room of keys that are deleted one by one.
                buffer.clear()
            for row in rows.tolist() if buffer else ():
                del buffer[row]

    def at(self, node: int, row: int) -> None:
        """Notes at which row of a node the task is."""
        if self.place_of is None:
            self.place.row = row
        else:
            self.place.stream, self.place.row = self.place_of(node, row)


class OpRunner:
    """Feeds one kernel.

    Args:
        index: The op's place in the graph.
        op: The op.
        kernel: Its instance.
        work: Of the task.
    """

    def __init__(
        self, index: int, op: BoundOp, kernel: KernelInstance, work: Work
    ) -> None:
        self.op = op
        self.work = work
        self.index = index
        self.kernel = kernel
        spec = op.node.spec
        self.batched = spec.batch > 1 or spec.whole_stream
        self.nulls = (NULL,) * len(spec.outputs)
        self.span = f"op:{spec.name}"
        wanted = [port.type for port in spec.inputs]
        if spec.native:
            as_stored = get_type_info(bytes)
            wanted = [kind and as_stored for kind in wanted]
        ports = [0 if spec.variadic else number for number in range(len(op.edges))]
        on_device = op.node.device != DeviceType.CPU
        self.inputs = [
            _Input(
                work,
                edge,
                wanted[port],
                spec.inputs[port].library,
                on_device,
                windowed=spec.stencil is not None,
            )
            for port, edge in zip(ports, op.edges, strict=True)
        ]
        self.nullable = op.node.on_error == "null"
        self.seen = _Seen(op)

    def compute(self, step: Compute) -> None:
        """Runs the calls of a step and keeps results that are used later.

        The rows that it drops go before: they are held by their calls alone.
        """
        rows = step.rows.tolist()
        groups = self.op.layout.group_of(step.rows).tolist()
        given = [
            source.take(wanted)
            for source, wanted in zip(self.inputs, step.windows, strict=True)
        ]
        self.work.drop(step.drop)
        place, job = self.work.place, self.work.graph.job
        place.op = self.op.node.spec.name
        done: list[tuple[Any, ...]] = []
        position, kernel, stop = self.work.position, self.kernel, 0
        entry = position.work
        entry.begin(CALL, place.op)
        with span(self.span):
            for length in step.calls:
                start, stop = stop, stop + length
                first, last, group = rows[start], rows[stop - 1], groups[start]
                self.work.at(self.index, first)
                entry.rows(first, last)
                try:
                    kernel.place(self.op, job, first, group)
                    if self.nullable:
                        self.seen.begin_call(first, last, group)
                    parts = [_cut(column, start, stop) for column in given]
                    done += self._call(rows[start:stop], parts)
                finally:
                    position.leave_if_forked()
                kernel.called(last)
        entry.end()
        place.op = ""
        self.work.found.counters[f"{self.span}:rows"] += len(rows)
        if self.batched:
            self.work.found.counters[f"{self.span}:calls"] += len(step.calls)
        self._keep(step, rows, done)

    def _keep(
        self, step: Compute, rows: list[int], done: list[tuple[Any, ...]]
    ) -> None:
        buffer = self.work.buffers[self.index]
        keep, shared = step.keep.tolist(), step.shared.tolist()
        for row, outputs, kept, several in zip(rows, done, keep, shared, strict=True):
            if kept:
                if several:
                    freeze(outputs, [True] * len(outputs))
                buffer[row] = outputs

    def _call(self, rows: list[int], given: Columns) -> list[tuple[Any, ...]]:
        """One kernel call; rows with a null in their inputs stay null."""
        run = self._run_or_null if self.nullable else self._run
        nulls = self._null_places(given)
        if not nulls:
            return run(rows, given)
        results = [self.nulls] * len(rows)
        taken = [at for at in range(len(rows)) if at not in nulls]
        if taken:
            parts = [[column[at] for at in taken] for column in given]
            made = run([rows[at] for at in taken], parts)
            for at, outputs in zip(taken, made, strict=True):
                results[at] = outputs
        return results

    def _null_places(self, given: Columns) -> set[int]:
        """Which rows are not for the kernel."""
        nulls: set[int] = set()
        if self.op.node.spec.takes_nulls:
            return nulls
        for column in given:
            for at, item in enumerate(column):
                if _has_null(item):
                    nulls.add(at)
        return nulls

    def _run(self, rows: list[int], given: Columns) -> list[tuple[Any, ...]]:
        """Calls the kernel; the lists are its own from now on."""
        for source, column in zip(self.inputs, given, strict=True):
            self._open(source, column, rows)
        entry = self.work.position.work
        if self.batched:
            entry.rows(rows[0], rows[-1])
            return self.kernel.call_batch(rows, given)
        made = []
        for row, *inputs in zip(rows, *given, strict=True):
            entry.rows(row, row)
            made.append(self.kernel.call_row(row, inputs))
        return made

    def _open(self, source: _Input, column: list[Any], rows: list[int]) -> None:
        """Puts values in the place of elements, one by one: few are there twice."""
        if source.open is None:
            return
        at = 0
        try:
            for at, item in enumerate(column):
                column[at] = source.opened(item)
        # A type of the user's own may raise anything as it is read.
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise self.kernel.failed(rows[at], error) from error

    def _run_or_null(self, rows: list[int], given: Columns) -> list[tuple[Any, ...]]:
        """Makes rows null where the kernel raises; a batch that raises is run by rows."""
        if self.seen.is_spoilt:
            self._restore(rows[0])
        kept = given
        if len(rows) > 1 or self.seen.is_kept:
            kept = [[_copied(item) for item in column] for column in given]
        try:
            made = self._run(rows, given)
        except OpError as error:
            self.seen.is_spoilt = self.op.stateful
            self.kernel.called(rows[0])
            if len(rows) == 1:
                self.work.found.fail_row(self.index, rows[0], error)
                return [self.nulls]
        else:
            self.seen.add(rows, kept)
            return made
        made = []
        for row, *items in zip(rows, *kept, strict=True):
            self.work.at(self.index, row)
            made += self._run_or_null([row], [[item] for item in items])
        return made

    def _restore(self, row: int) -> None:
        """Gives a kernel that has raised the state that the rows before ``row`` leave."""
        while self.seen.is_spoilt:
            self.seen.is_spoilt = False
            group = self.seen.group or 0
            self.kernel.start_again(self.op, self.work.graph.job, row, group)
            for before, items in self.seen.before(row):
                self.kernel.called(before)
                try:
                    self._run([before], [[_copied(item)] for item in items])
                except OpError:
                    # It did not raise before: now it counts as if it had.
                    self.seen.forget(before)
                    self.seen.is_spoilt = True
                    break


class _Seen:
    """The rows a kernel with bounded state has seen, as many as restore its state.

    Kept only for ops that make rows null where their kernel raises. Such a row may
    leave half a step in the state; it is to count as not seen, like a row with a null
    in its inputs.

    Attributes:
        group: The slice group of the latest call.
        is_spoilt: Whether the state is that of a call that raised.
        is_kept: Whether rows are remembered.
    """

    def __init__(self, op: BoundOp) -> None:
        self._warmup = op.node.bounded_state or 0
        self._rows: deque[tuple[int, tuple[Any, ...]]] = deque()
        self.is_kept = op.node.on_error == "null" and self._warmup > 0
        self._next_row = -1
        self.group: int | None = None
        self.is_spoilt = False

    def begin_call(self, first: int, last: int, group: int) -> None:
        """Forgets all at the beginning of each contiguous run, as the kernel does."""
        if group != self.group or first != self._next_row:
            self._rows.clear()
            self.is_spoilt = False
        self.group, self._next_row = group, last + 1

    def add(self, rows: Sequence[int], given: Columns) -> None:
        """Remembers rows that the kernel has seen."""
        if self.is_kept:
            items = zip(*given, strict=True)
            self._rows.extend(zip(rows, items, strict=True))
            while self._rows[0][0] <= rows[-1] - self._warmup:
                self._rows.popleft()

    def before(self, row: int) -> list[tuple[int, tuple[Any, ...]]]:
        """The rows that warm the kernel up for ``row``, and what each was given."""
        return [seen for seen in self._rows if row - self._warmup <= seen[0] < row]

    def forget(self, row: int) -> None:
        """Takes a row for one that was not seen."""
        self._rows = deque(seen for seen in self._rows if seen[0] != row)


def _cut(column: list[Any], start: int, stop: int) -> list[Any]:
    """Some elements of a list, which no longer holds them."""
    part = column[start:stop]
    column[start:stop] = [None] * (stop - start)
    return part


def _has_null(item: Any) -> bool:
    """Whether an element is null, or one of a window."""
    if isinstance(item, list):
        return any(isinstance(element, NullElement) for element in item)
    return isinstance(item, NullElement)


def _copied(item: Any) -> Any:
    """An element, or a window of them, of which a kernel may write into one copy."""
    if isinstance(item, list):
        return [_copied(element) for element in item]
    writable = isinstance(item, np.ndarray) and item.flags.writeable
    return item.copy() if writable or isinstance(item, DeviceFrame) else item


class _Input:
    """Gives one input of an op its elements, and opens them."""

    def __init__(
        self,
        work: Work,
        edge: Edge,
        wanted: ScannerTypeInfo | None,
        library: str,
        on_device: bool,
        windowed: bool,
    ) -> None:
        self._take = Port(work, edge).take
        self._windowed = windowed
        self.open = opener(edge.column.type, wanted)
        if wanted is None and edge.column.type is None:
            self.open = work.frames_as(library, on_device)

    def take(self, wanted: NDArray[np.int64]) -> list[Any]:
        """The elements of rows, or their windows of elements.

        Args:
            wanted: int64[n, k]: for each row the producer's rows.
        """
        if self._windowed:
            return [self._take(window) for window in wanted.tolist()]
        return self._take(wanted[:, 0].tolist())

    def opened(self, item: Any) -> Any:
        """The value of an element, as the kernel takes it, or those of a window."""
        if isinstance(item, list):
            return [self.opened(element) for element in item]
        if self.open is None or isinstance(item, NullElement):
            return item
        return self.open(item)


class Port:
    """Takes one output of a producer's rows out of their buffer.

    Args:
        work: Holds the buffers.
        edge: Leads to the producer.
    """

    def __init__(self, work: Work, edge: Edge) -> None:
        self._buffer = work.buffers[edge.producer]
        # A row of an op is a tuple of its outputs; that of a source is the element.
        is_op = isinstance(work.graph.nodes[edge.producer], BoundOp)
        self._index = edge.port if is_op else None

    def take(self, rows: list[int]) -> list[Any]:
        """The elements of rows, serialized; NULL where a row is -1."""
        index, buffer = self._index, self._buffer
        if index is None:
            return [NULL if row < 0 else buffer[row] for row in rows]
        return [NULL if row < 0 else buffer[row][index] for row in rows]


def opener(
    made: ScannerTypeInfo | None, wanted: ScannerTypeInfo | None
) -> Callable[[Any], Any] | None:
    """How a consumer opens the serialized elements of a producer.

    Args:
        made: Element type of the producer's column; None for frames.
        wanted: Element type that the consumer declares; None for frames.

    Returns:
        A function from bytes to the value; None if elements are passed as they are.

    Raises:
        GraphError: One is frames, the other is not.

    Examples:
        >>> from beam_scanner.types.element_types import Any
        >>> from beam_scanner.types.type_info import get_type_info
        >>> bytes_info, any_info = get_type_info(bytes), get_type_info(Any)
        >>> opener(any_info, bytes_info) is None
        True
        >>> opener(any_info, any_info)(any_info.serialize([1]))
        [1]
    """
    if (made is None) != (wanted is None):
        raise GraphError(
            "frames were connected to an input of blobs, or blobs to one of frames"
        )
    if made is None or wanted is None or wanted.type is bytes:
        return None
    if wanted.type is Any:
        return None if made.type is bytes else made.deserialize
    return reader_as(made, wanted) or wanted.deserialize


def freeze(values: Sequence[Any], shared: Sequence[bool] | NDArray[np.bool_]) -> None:
    """Makes frames that several uses see read-only: none may change another's.

    Frames on devices cannot be made so: each use is given a copy.
    """
    for value, several in zip(values, shared, strict=True):
        if several and isinstance(value, np.ndarray):
            value.flags.writeable = False
        elif several and isinstance(value, DeviceFrame):
            value.is_shared = True
