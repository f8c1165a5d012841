"""Carries out the schedule of one task.

Two threads share the work: one makes the schedule and reads, a few packets ahead;
the other calls kernels and writes. A row lives in a buffer from the step that makes
it to its last use.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from beam_scanner.engine.instance import KernelInstance
from beam_scanner.engine.logs import Place, log_context
from beam_scanner.engine.position import CALL, READ, WRITE, Position
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.errors import GraphError
from beam_scanner.planner.bound import (
    BoundGraph,
    BoundOp,
    BoundOutput,
    BoundSource,
    Edge,
)
from beam_scanner.planner.needs import Interval
from beam_scanner.planner.schedule import Compute, Drops, Emit, Read, Schedule, Step
from beam_scanner.planner.tasks import Trace, trace
from beam_scanner.storage.base import RowReader
from beam_scanner.types import NULL, NullElement, ScannerTypeInfo

READS_AHEAD = 2
"""Reads that may wait for the kernels."""

_STEPS_AHEAD = 64


class RowSink(Protocol):
    """Where the rows of an output go."""

    def write(
        self, first_row: int, elements: list[Any], seconds: NDArray[np.float64]
    ) -> None:
        """Takes consecutive rows; see ``storage.base.SegmentWriter.write``."""


@dataclass
class Task:
    """What one task needs.

    Attributes:
        graph: The bound graph of its job.
        intervals: Rows of each output that it makes.
        work_packet: See ``Schedule``.
        kernels: An instance for each op, by its index in ``graph.nodes``.
        readers: A reader for each source, by its index.
        sinks: Where each output goes, by its index.
        stream: The job's name, for errors and logs.
        position: Is told where the task is.
    """

    graph: BoundGraph
    intervals: Sequence[Interval]
    work_packet: int
    kernels: Mapping[int, KernelInstance]
    readers: Mapping[int, RowReader]
    sinks: Mapping[int, RowSink]
    stream: str
    position: Position = field(default_factory=Position)


def run_task(task: Task) -> Generator[None, None, TaskTrace]:
    """Runs a task to its end.

    Args:
        task: What to run; its sinks are neither finished nor aborted here.

    Yields:
        None, whenever rows were written: what its sinks hold can be taken from them.

    Returns:
        What was done and how long it took.

    Raises:
        OpError: A kernel failed.
        ScannerException: Rows could not be read or written.
    """
    found = TaskTrace()
    schedule = Schedule(task.graph, task.intervals, task.work_packet)
    work = _Work(task, found)
    executor = _Executor(work)
    with closing(_ReadAhead(schedule, task, found)) as steps:
        for step, values in steps:
            # Whoever takes the rows must not log in the task's name.
            with log_context(work.place), task.position.turn():
                executor.carry_out(step, values)
            if isinstance(step, Emit):
                yield
    for index, count in schedule.counts().items():
        if task.readers[index].entries is not None:
            found.counters["frames_needed"] += count.needed
            found.counters["frames_again"] += count.again
    for reader in task.readers.values():
        for name, value in reader.counters().items():
            found.counters[name] += value
    return found


class _ReadAhead:
    """Makes steps and reads their rows in a thread of its own."""

    def __init__(self, schedule: Schedule, task: Task, found: TaskTrace) -> None:
        self._schedule = schedule
        self._readers = task.readers
        self._position = task.position
        self._names = {
            index: node.info.name
            for index, node in enumerate(task.graph.nodes)
            if isinstance(node, BoundSource)
        }
        self._clocks = {
            index: _clock(task, node)
            for index, node in enumerate(task.graph.nodes)
            if isinstance(node, BoundOutput)
        }
        self._found = found
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=_STEPS_AHEAD)
        self._reads = threading.Semaphore(READS_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="read", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[tuple[Step, Any]]:
        while True:
            item = self._queue.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            if isinstance(item[0], Read):
                self._reads.release()
            yield item

    def close(self) -> None:
        """Stops the thread and waits for it."""
        self._stop.set()
        self._reads.release()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def _produce(self) -> None:
        last: BaseException | None = None
        try:
            for step in self._schedule.steps():
                values: Any = None
                if isinstance(step, Read):
                    self._reads.acquire()
                    if self._stop.is_set():
                        return
                    values = self._read(step)
                elif isinstance(step, Emit):
                    stop = step.first + len(step.rows)
                    rows = np.arange(step.first, stop, dtype=np.int64)
                    values = self._clocks[step.node](rows)
                if not self._put((step, values)):
                    return
        except BaseException as error:
            last = error
        self._put(last)

    def _read(self, step: Read) -> Any:
        rows = step.rows.tolist()
        span = (min(rows, default=-1), max(rows, default=-1))
        entry = self._position.reading
        doing = entry.doing(READ, self._names[step.node], *span)
        with self._position.turn(), self._found.span("read"), doing:
            return self._readers[step.node].read(rows, step.cursor)

    def _put(self, item: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


class _Work:
    """What an executor and its ops share; none refers to another.

    A cycle would keep encoders and frames until Python looks for cycles.
    """

    def __init__(self, task: Task, found: TaskTrace) -> None:
        self.task = task
        self.found = found
        self.place = Place(task.stream)
        self.buffers: list[dict[int, Any]] = [{} for _ in task.graph.nodes]


class _Executor:
    def __init__(self, work: _Work) -> None:
        self.work = work
        self.ops = {
            index: _OpRunner(index, node, work)
            for index, node in enumerate(work.task.graph.nodes)
            if isinstance(node, BoundOp)
        }

    def carry_out(self, step: Step, values: Any) -> None:
        """Runs one step; ``values``: rows of a read, times of what is written."""
        if isinstance(step, Read):
            self._drop(step.drop)
            _freeze(values, step.shared)
            self.work.buffers[step.node].update(
                zip(step.rows.tolist(), values, strict=True)
            )
        elif isinstance(step, Compute):
            self.ops[step.node].compute(step)
            self._drop(step.drop)
        else:
            self._emit(step, values)
            self._drop(step.drop)

    def _emit(self, step: Emit, seconds: NDArray[np.float64]) -> None:
        node = self.work.task.graph.nodes[step.node]
        assert isinstance(node, BoundOutput)
        port = _Port(self.work.task.graph, node.edge)
        buffer = self.work.buffers[node.edge.producer]
        elements = [
            NULL if row < 0 else port.raw(buffer[row]) for row in step.rows.tolist()
        ]
        stop = step.first + len(elements) - 1
        doing = self.work.task.position.work.doing(WRITE, "", step.first, stop)
        with self.work.found.span("write"), doing:
            self.work.task.sinks[step.node].write(step.first, elements, seconds)
        self.work.found.counters["rows_written"] += len(elements)

    def _drop(self, drops: Drops) -> None:
        for index, rows in drops:
            buffer = self.work.buffers[index]
            for row in rows.tolist():
                del buffer[row]


class _Port:
    """Takes one output of a producer's row out of its buffer."""

    def __init__(self, graph: BoundGraph, edge: Edge) -> None:
        self._index = (
            edge.port if isinstance(graph.nodes[edge.producer], BoundOp) else None
        )

    def raw(self, value: Any) -> Any:
        """The element as it travels: bytes, a frame or NULL."""
        return value if self._index is None else value[self._index]


class _OpRunner:
    """Feeds one kernel."""

    def __init__(self, index: int, op: BoundOp, work: _Work) -> None:
        self.op = op
        self.work = work
        self.index = index
        self.kernel = work.task.kernels[index]
        spec = op.node.spec
        self.batched = spec.batch > 1 or spec.whole_stream
        self.nulls = (NULL,) * len(spec.outputs)
        self.span = f"op:{spec.name}"
        self.inputs = [
            _Input(work, edge, spec.inputs[0 if spec.variadic else number].type)
            for number, edge in enumerate(op.edges)
        ]

    def compute(self, step: Compute) -> None:
        """Runs the calls of a step and keeps what is used later."""
        rows = step.rows.tolist()
        groups = self.op.layout.group_of(step.rows).tolist()
        windows = [wanted.tolist() for wanted in step.windows]
        place, job = self.work.place, self.work.task.graph.job
        place.op = self.op.node.spec.name
        done: list[tuple[Any, ...]] = []
        position = self.work.task.position
        position.work.begin(CALL, place.op)
        with self.work.found.span(self.span):
            first = 0
            for length in step.calls:
                place.row = rows[first]
                stop = first + length
                position.work.rows(rows[first], rows[stop - 1])
                try:
                    self.kernel.place(self.op, job, rows[first], groups[first])
                    done += self._call(
                        rows[first:stop], [wanted[first:stop] for wanted in windows]
                    )
                finally:
                    position.leave_if_forked()
                self.kernel.called(rows[stop - 1])
                first = stop
        position.work.end()
        place.op = ""
        self.work.found.counters[f"{self.span}:rows"] += len(rows)
        self._keep(step, rows, done)

    def _keep(
        self, step: Compute, rows: list[int], done: list[tuple[Any, ...]]
    ) -> None:
        buffer = self.work.buffers[self.index]
        keep, shared = step.keep.tolist(), step.shared.tolist()
        for row, outputs, kept, several in zip(rows, done, keep, shared, strict=True):
            if kept:
                if several:
                    _freeze(outputs, [True] * len(outputs))
                buffer[row] = outputs

    def _call(
        self, rows: list[int], windows: list[list[list[int]]]
    ) -> list[tuple[Any, ...]]:
        """One kernel call; rows with a null in their inputs stay null."""
        taken: list[int] = []
        values: list[list[Any]] = [[] for _ in self.inputs]
        for at in range(len(rows)):
            row_values = [
                source.take(wanted[at])
                for source, wanted in zip(self.inputs, windows, strict=True)
            ]
            if self._skips(row_values):
                continue
            taken.append(at)
            for column, value in zip(values, row_values, strict=True):
                column.append(value)
        results = [self.nulls] * len(rows)
        if taken:
            for at, outputs in zip(taken, self._run(rows, taken, values), strict=True):
                results[at] = outputs
        return results

    def _run(
        self, rows: list[int], taken: list[int], values: list[list[Any]]
    ) -> list[tuple[Any, ...]]:
        if self.op.node.spec.stencil is None:
            values = [[window[0] for window in column] for column in values]
        entry = self.work.task.position.work
        if self.batched:
            called = [rows[at] for at in taken]
            entry.rows(called[0], called[-1])
            return self.kernel.call_batch(called, values)
        results = []
        for number, at in enumerate(taken):
            entry.rows(rows[at], rows[at])
            results.append(
                self.kernel.call_row(rows[at], [column[number] for column in values])
            )
        return results

    def _skips(self, row_values: list[list[Any]]) -> bool:
        if self.op.node.spec.takes_nulls:
            return False
        return any(
            isinstance(value, NullElement) for window in row_values for value in window
        )


class _Input:
    """Gives one input of an op the elements of a window."""

    def __init__(self, work: _Work, edge: Edge, wanted: ScannerTypeInfo | None) -> None:
        self.buffer = work.buffers[edge.producer]
        self.port = _Port(work.task.graph, edge)
        self.open = opener(edge.column.type, wanted)

    def take(self, window: list[int]) -> list[Any]:
        """The elements of these producer rows; NULL where a row is -1."""
        found = []
        for row in window:
            value = NULL if row < 0 else self.port.raw(self.buffer[row])
            if self.open is not None and not isinstance(value, NullElement):
                value = self.open(value)
            found.append(value)
        return found


def opener(
    made: ScannerTypeInfo | None, wanted: ScannerTypeInfo | None
) -> Callable[[bytes], Any] | None:
    """How a consumer opens the serialized elements of a producer.

    Args:
        made: Element type of the producer's column; None for frames.
        wanted: Element type that the consumer declares; None for frames.

    Returns:
        A function from bytes to the value; None if elements are passed as they are.

    Raises:
        GraphError: One is frames, the other is not.

    Example:
        >>> from beam_scanner.types import Any, get_type_info
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
    kind = made if wanted.type is Any else wanted
    return None if kind.type is bytes else kind.deserialize


def _freeze(values: Sequence[Any], shared: Sequence[bool] | NDArray[np.bool_]) -> None:
    """Makes frames that several uses see read-only: none may change another's."""
    for value, several in zip(values, shared, strict=True):
        if several and isinstance(value, np.ndarray):
            value.flags.writeable = False


def _clock(
    task: Task, output: BoundOutput
) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """Gives the presentation times of an output's rows, in seconds."""
    found = trace(task.graph, output)
    if found is None:
        return lambda rows: np.full(len(rows), np.nan)
    source, follow = found
    return _Clock(task.readers[_index_of(task.graph, source)], follow)


def _index_of(graph: BoundGraph, source: BoundSource) -> int:
    return next(i for i, node in enumerate(graph.nodes) if node is source)


class _Clock:
    def __init__(self, reader: RowReader, follow: Trace) -> None:
        self._reader = reader
        self._follow = follow

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._reader.seconds(self._follow(rows))
