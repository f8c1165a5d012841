"""Carries out the schedule of one task.

Two threads share the work: one makes the schedule and reads, a few packets ahead;
the other calls kernels and writes. A row lives in a buffer from the step that makes
it to its last use.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from beam_scanner.engine.containment import contained, foreign
from beam_scanner.engine.instance import KernelInstance
from beam_scanner.engine.log_context import Place, log_context
from beam_scanner.engine.op_runner import OpRunner, PlaceOf, Port, Work, freeze
from beam_scanner.engine.position import READ, WRITE, Position
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.kernels.device_frames import DeviceFrame
from beam_scanner.measure.spans import span
from beam_scanner.planner.bound import (
    BoundGraph,
    BoundOp,
    BoundOutput,
    BoundSource,
    Interval,
)
from beam_scanner.planner.cut_tasks import Trace
from beam_scanner.planner.schedule import Compute, Emit, Read, Schedule, Step
from beam_scanner.storage.stored_rows import RowReader

READS_AHEAD = 2
"""Reads that may wait for the kernels."""

_STEPS_AHEAD = 64


class RowSink(Protocol):
    """Where the rows of an output go."""

    def write(
        self, first_row: int, elements: list[Any], seconds: NDArray[np.float64]
    ) -> None:
        """Takes consecutive rows; see ``storage.SegmentWriter.write``."""


@dataclass
class Task:
    """The inputs of one task.

    Attributes:
        graph: The bound graph of its job.
        intervals: Rows of each output that it makes.
        work_packet: See ``Schedule``.
        kernels: An instance for each op, by its index in ``graph.nodes``.
        readers: A reader for each source, by its index.
        sinks: Where each output goes, by its index.
        stream: The job's name, for errors and logs.
        decoder: Where videos are decoded: 'cpu' or 'cuda'.
        position: Where the task is, for whoever supervises the process.
        place_of: Tells rows of several streams apart, for logs; None where there is
            one.
        found: What is counted and measured.
    """

    graph: BoundGraph
    intervals: Sequence[Interval]
    work_packet: int
    kernels: Mapping[int, KernelInstance]
    readers: Mapping[int, RowReader]
    sinks: Mapping[int, RowSink]
    stream: str
    decoder: str
    position: Position = field(default_factory=Position)
    place_of: PlaceOf | None = None
    found: TaskTrace = field(default_factory=TaskTrace)


def run_task(task: Task) -> Generator[None, None, TaskTrace]:
    """Runs a task to its end.

    Args:
        task: What to run; its sinks are neither finished nor aborted here.

    Yields:
        None, after each step: what its sinks hold can be taken from them.

    Returns:
        What was done and how long it took.

    Raises:
        OpError: A kernel failed.
        ScannerException: Rows could not be read or written.
    """
    found = task.found
    schedule = Schedule(task.graph, task.intervals, task.work_packet)
    place = Place(task.stream)
    work = Work(task.graph, found, place, task.position, task.place_of)
    executor = _Executor(task, work)
    readers = _Readers(task.readers, task.decoder)
    with closing(readers), closing(_ReadAhead(schedule, task, readers, found)) as steps:
        while (item := steps.next()) is not None:
            step, values = item
            # Whoever takes the rows must not log in the task's name.
            with log_context(work.place), task.position.turn(), found.recording():
                executor.carry_out(step, values)
                if found.levels.are_due():
                    found.levels.add(
                        {**executor.levels(), "steps read ahead": steps.waiting()}
                    )
            yield
    for index, count in schedule.counts().items():
        if task.readers[index].keyframes is not None:
            found.counters["frames_needed"] += count.needed
            found.counters["frames_again"] += count.again
    for reader in readers.all():
        for name, value in reader.counters().items():
            found.counters[name] += value
    return found


class _Readers:
    """The readers of a task's sources, one for each position that is read at.

    Args:
        first: The reader at position 0 of each source, by its index; the caller's to
            close.
        decoder: Where they decode video.
    """

    def __init__(self, first: Mapping[int, RowReader], decoder: str) -> None:
        self._first = first
        self._decoder = decoder
        for reader in first.values():
            reader.decode_on(decoder)
        self._others: dict[tuple[int, int], RowReader] = {}

    def at(self, node: int, position: int) -> RowReader:
        """The reader of a source at a position."""
        if position == 0:
            return self._first[node]
        if (node, position) not in self._others:
            other = self._first[node].reopen()
            self._others[node, position] = other
            if other is not self._first[node]:
                other.decode_on(self._decoder)
        return self._others[node, position]

    def all(self) -> list[RowReader]:
        """All of them, each once."""
        readers = [*self._first.values(), *self._others.values()]
        return list({id(reader): reader for reader in readers}.values())

    def close(self) -> None:
        """Closes those that were opened here."""
        for (node, _), reader in self._others.items():
            if reader is not self._first[node]:
                reader.close()


class _ReadAhead:
    """Makes steps and reads their rows in a thread of its own."""

    def __init__(
        self, schedule: Schedule, task: Task, readers: _Readers, found: TaskTrace
    ) -> None:
        self._schedule = schedule
        self._readers = readers
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

    def next(self) -> tuple[Step, Any] | None:
        """Waits for the next step and what it has read; None at the end."""
        with self._found.recording(), span("wait for input"):
            item = self._queue.get()
        if isinstance(item, BaseException):
            raise item
        if item is not None and isinstance(item[0], Read):
            self._reads.release()
        found: tuple[Step, Any] | None = item
        return found

    def waiting(self) -> int:
        """How many steps are ready."""
        return self._queue.qsize()

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
        with self._found.recording():
            self._make_steps()

    def _make_steps(self) -> None:
        last: BaseException | None = None
        try:
            for step in self._schedule.steps():
                values: Any = None
                if isinstance(step, Read):
                    with span("wait for kernels"):
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
        except Exception as error:
            last = error
        except BaseException as error:
            last = foreign("reading its input", error)
            last.__cause__ = error
        self._put(last)

    def _read(self, step: Read) -> Any:
        rows = step.rows.tolist()
        ends = (min(rows, default=-1), max(rows, default=-1))
        doing = self._position.reading.doing(READ, self._names[step.node], *ends)
        with self._position.turn(), span("read"), doing:
            return self._readers.at(step.node, step.cursor).read(rows)

    def _put(self, item: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


class _Executor:
    def __init__(self, task: Task, work: Work) -> None:
        self.task = task
        self.work = work
        self.ops = {
            index: OpRunner(index, node, task.kernels[index], work)
            for index, node in enumerate(task.graph.nodes)
            if isinstance(node, BoundOp)
        }

    def carry_out(self, step: Step, values: Any) -> None:
        """Runs one step; ``values``: rows of a read, times of what is written."""
        if isinstance(step, Read):
            # First, so that what was evicted makes room for what was read.
            self.work.drop(step.drop)
            freeze(values, step.shared)
            rows = zip(step.rows.tolist(), values, strict=True)
            self.work.buffers[step.node].update(rows)
            return
        if isinstance(step, Compute):
            self.ops[step.node].compute(step)
        else:
            self._emit(step, values)
            self.work.drop(step.drop)

    def _emit(self, step: Emit, seconds: NDArray[np.float64]) -> None:
        node = self.task.graph.nodes[step.node]
        assert isinstance(node, BoundOutput)
        taken = Port(self.work, node.edge).take(step.rows.tolist())
        elements = [self.work.on_host(element) for element in taken]
        stop = step.first + len(elements) - 1
        doing = self.task.position.work.doing(WRITE, "", step.first, stop)
        with span("write"), contained("writing its output"), doing:
            self.task.sinks[step.node].write(step.first, elements, seconds)
        self.work.found.counters["rows_written"] += len(elements)

    def levels(self) -> dict[str, int]:
        """Rows in memory, and frames among them and their bytes, about.

        Of each buffer one row is looked at: there may be very many.
        """
        rows = frames = size = 0
        for buffer in self.work.buffers:
            first = next(iter(buffer.values()), None)
            rows += len(buffer)
            for value in first if isinstance(first, tuple) else (first,):
                if isinstance(value, DeviceFrame):
                    value = value.array
                if hasattr(value, "nbytes"):
                    frames += len(buffer)
                    size += len(buffer) * value.nbytes
        return {"rows in memory": rows, "frames in memory": frames, "frame bytes": size}


def _clock(
    task: Task, output: BoundOutput
) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """Gives the presentation times of an output's rows, in seconds."""
    follow = Trace(task.graph, output)
    reader = task.readers[follow.index]
    return lambda rows: reader.seconds(follow(rows))
