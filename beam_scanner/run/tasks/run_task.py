"""Runs one task: its attempts, its manifest, and the rows that leave."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

from beam_scanner.engine.containment import contained, is_interrupt
from beam_scanner.engine.displays import keep_displays
from beam_scanner.engine.executor import Task, run_task
from beam_scanner.engine.position import OPEN, PUBLISH, WRITE, Position
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.errors import Failure
from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundOutput, BoundSource
from beam_scanner.run.context import JobState, RunContext
from beam_scanner.run.failure_records import (
    TaskRows,
    failure_of,
    rows_of_manifest,
)
from beam_scanner.run.publish import has_segments, publish_if_last
from beam_scanner.run.run_files import Manifest
from beam_scanner.run.slots import Held, LeavingRows, LeavingSlot
from beam_scanner.run.tasks.attempt_marks import Attempts, Lost
from beam_scanner.run.tasks.task_id import Outcome, TaskId
from beam_scanner.storage.stored_rows import SegmentWriter
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info

ROWS_FAILED = "rows failed"
"""Tag of rows that are null because a kernel raised."""

Chunk = tuple[str, list[Held]]
"""Rows that leave, and the tag of their branch."""


@dataclass(frozen=True)
class Try:
    """One attempt at a task.

    Attributes:
        task: The task.
        done: Whether nothing is left of it but to publish its outputs.
        alone: Whether no other task may run in the same process meanwhile, since an
            earlier attempt ended in a death, perhaps by the fault of another.
        given: How many rows of each branch earlier attempts have handed on.
    """

    task: TaskId
    done: bool
    alone: bool
    given: Mapping[str, int]


@dataclass(frozen=True)
class Ended:
    """How an attempt ended.

    Attributes:
        counters: For metrics.
        failure: Why it failed; None if it did not.
        counts: Whether it is one of the attempts that a task has: not where it ended
            for what another task has done.
        rows: Rows that are null because a kernel raised.
    """

    counters: Mapping[str, int]
    failure: Failure | None = None
    counts: bool = True
    rows: tuple[TaskRows, ...] = ()


Attempt = Callable[
    [RunContext, Try, AbstractContextManager[None]], Generator[Chunk, None, Ended]
]
"""Makes an attempt; yields rows that leave. Holds the last argument open while it is at
work, but not while it waits for its turn."""


def run_one_task(
    context: RunContext, task: TaskId, attempt: Attempt | None = None
) -> Generator[tuple[str, Any], None, tuple[Outcome, Mapping[str, int]]]:
    """Runs a task, unless its manifest is there or its job has ended.

    Args:
        context: The run.
        task: The task.
        attempt: Makes one attempt elsewhere; None to make them in this process, which
            dies with them.

    Yields:
        Rows that leave the graph for the rest of the pipeline, under the tags of
        their branches; and ``TaskRows`` under ``ROWS_FAILED``.

    Returns:
        The outcome, and counters for metrics.
    """
    state = context.job(task.job)
    family = (task.family, task.tasks)
    if context.files.failed(state.record.mark) is not None or context.why_stopped():
        return ("skipped", family), {}
    marks = Attempts(context.files, state.record.mark, state.record.name, task)
    tries = _Tries(context.settings.attempts, marks.lost() if attempt else [])
    rows = _Rows(state, task)
    ended: Ended | None = None
    while tries.failure is None:
        began = time.time()
        try:
            if state.files.is_over():
                return ("skipped", family), {}
            ended = yield from _once(context, task, tries.alone, rows, marks, attempt)
        except Exception as error:
            ended = failed(state.record.name, error, began)
        if ended.failure is None:
            break
        tries.count(ended)
    if tries.lost:
        marks.forget()
    if tries.failure is None:
        assert ended is not None
        for rows_failed in ended.rows:
            yield ROWS_FAILED, rows_failed
        return ("done", family), ended.counters
    if state.files.is_over():
        return ("skipped", family), {}
    failure = _complete(tries.failure, state, task, tries.used)
    context.files.mark_failed(state.record.mark, failure)
    return ("failed", asdict(failure)), {}


def _once(
    context: RunContext,
    task: TaskId,
    alone: bool,
    rows: _Rows,
    marks: Attempts,
    attempt: Attempt | None,
) -> Generator[tuple[str, Any], None, Ended]:
    """Makes an attempt, if there is anything left to do."""
    state = context.job(task.job)
    found = None if state.leaves(task.family) else _finished(state, task)
    if found is not None and task.task + 1 < task.tasks:
        return Ended({}, rows=_null_rows(state, task, found))
    wanted = Try(task, found is not None, alone, rows.given)
    mark = marks.marked(alone) if attempt else nullcontext()
    return (yield from rows.of(context, wanted, attempt or attempt_here, mark))


class _Tries:
    """How often a task was tried, and what came of it.

    Args:
        most: How many attempts a task has.
        lost: Those that ended with their worker.
    """

    def __init__(self, most: int, lost: list[Lost]) -> None:
        self.lost = lost
        self.used = len(lost)
        self.failure: Failure | None = None
        self._most = most
        self._deaths = bool(lost)
        if lost and self.used >= most and lost[-1].alone:
            self.failure = _lost(lost[-1])

    @property
    def alone(self) -> bool:
        """Whether the next attempt must be the only task of its process.

        A death is charged to all tasks that were in flight. So none fails by one
        unless it was alone with it.
        """
        return self._deaths and self.used + 1 >= self._most

    def count(self, ended: Ended) -> None:
        """Counts an attempt that failed."""
        assert ended.failure is not None
        if not ended.counts:
            return
        was_alone, self.used = self.alone, self.used + 1
        is_death = ended.failure.kind == "death"
        self._deaths = self._deaths or ended.failure.kind in ("death", "timeout")
        if self.used >= self._most and (was_alone or not is_death):
            self.failure = ended.failure


def _lost(lost: Lost) -> Failure:
    return Failure(
        "",
        "the worker that ran the task died, or was killed",
        kind="death",
        worker=lost.worker,
        started=lost.started,
    )


def _complete(failure: Failure, state: JobState, task: TaskId, used: int) -> Failure:
    """The failure with what is known of its task."""
    first, stop = task.intervals[0] if task.intervals else (0, 0)
    return replace(
        failure,
        stream=state.record.name,
        task=task.task,
        first_row=first if stop > first else None,
        last_row=stop - 1 if stop > first else None,
        attempts=used,
    )


class _Rows:
    """Rows of a task that leave, each once however often it is tried."""

    def __init__(self, state: JobState, task: TaskId) -> None:
        self._state = state
        self._task = task
        self.given: Counter[str] = Counter()
        self._ways: dict[str, LeavingRows] = {}

    def of(
        self,
        context: RunContext,
        wanted: Try,
        attempt: Attempt,
        mark: AbstractContextManager[None],
    ) -> Generator[tuple[str, Any], None, Ended]:
        """Makes an attempt, and hands on its rows."""
        began = time.time()
        # What comes after a row may be slow, or end here.
        with closing(attempt(context, wanted, mark)) as steps:
            while True:
                try:
                    tag, held = next(steps)
                except StopIteration as end:
                    ended: Ended = end.value
                    return ended
                rows = self._way(tag).hand_on(held)
                while True:
                    try:
                        row = next(rows)
                    except StopIteration:
                        break
                    except BaseException as error:
                        return failed(self._state.record.name, error, began)
                    self.given[tag] += 1
                    yield tag, row

    def _way(self, tag: str) -> LeavingRows:
        if not self._ways:
            for node in self._state.graph(self._task.family).nodes:
                if isinstance(node, BoundOutput):
                    slot = node.node.streams[0]
                    if isinstance(slot, LeavingSlot):
                        self._ways[slot.tag] = LeavingRows(slot, node.layout)
        return self._ways[tag]


def attempt_here(
    context: RunContext, wanted: Try, mark: AbstractContextManager[None]
) -> Generator[Chunk, None, Ended]:
    """Makes an attempt in this process; an ``Attempt``."""
    with mark:
        return (yield from make_attempt(context, wanted, Position()))


def make_attempt(
    context: RunContext, wanted: Try, position: Position
) -> Generator[Chunk, None, Ended]:
    """Makes an attempt at a task; whatever it raises becomes a failure.

    Args:
        context: The run.
        wanted: The attempt.
        position: Is told where the task is.

    Yields:
        Rows that leave.
    """
    began = time.time()
    state = context.job(wanted.task.job)
    with closing(_work(context, state, wanted, position)) as steps:
        while True:
            try:
                chunk = next(steps)
            except StopIteration as end:
                counters, manifest = end.value
                rows = _null_rows(state, wanted.task, manifest)
                return Ended(counters, rows=rows)
            except BaseException as error:
                position.leave_if_forked()
                if is_interrupt(error):
                    raise
                return failed(state.record.name, error, began)
            yield chunk


def failed(stream: str, error: BaseException, began: float | None = None) -> Ended:
    """An attempt that ended by an error."""
    failure = failure_of(stream, error)
    made = replace(failure, worker=this_worker(), started=began, ended=time.time())
    return Ended({}, made)


def this_worker() -> str:
    """Machine and process, as failures name them."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _work(
    context: RunContext, state: JobState, wanted: Try, position: Position
) -> Generator[Chunk, None, tuple[Mapping[str, int], Manifest]]:
    counters: Mapping[str, int] = {}
    manifest = _finished(state, wanted.task) if wanted.done else None
    if manifest is None:
        counters, manifest = yield from _attempt(context, state, wanted, position)
    with position.work.doing(PUBLISH, state.record.name):
        publish_if_last(state, wanted.task)
    return counters, manifest


def _finished(state: JobState, task: TaskId) -> Manifest | None:
    """The manifest of a task that need not be run."""
    manifest = state.files.manifest(task.family, task.task)
    if manifest is None or not has_segments(state, task, manifest):
        return None
    return manifest


def _null_rows(
    state: JobState, task: TaskId, manifest: Manifest
) -> tuple[TaskRows, ...]:
    name = state.record.name
    return tuple(rows_of_manifest(name, task.family, task.task, manifest))


def _attempt(
    context: RunContext, state: JobState, wanted: Try, position: Position
) -> Generator[Chunk, None, tuple[Mapping[str, int], Manifest]]:
    """Runs a task once and puts its manifest, which it gives with the counters."""
    task = wanted.task
    graph = state.graph(task.family)
    with contained("opening its output"):
        writers = _writers(state, task, graph)
    leaving = [w for w in writers.values() if isinstance(w, LeavingRows)]
    for rows in leaving:
        rows.skip = wanted.given.get(rows.tag, 0)
    try:
        with ExitStack() as stack:
            steps = run_task(
                _task(context, state, task, graph, writers, stack, position)
            )
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    found: TaskTrace = end.value
                    break
                for rows in leaving:
                    held = rows.take()
                    if held:
                        yield rows.tag, held
        ending = position.work.doing(WRITE, "", *_ends(task))
        with contained("writing its output"), ending:
            records = [writer.finish() for writer in writers.values()]
    except BaseException:
        position.leave_if_forked()
        for writer in writers.values():
            writer.abort()
        raise
    manifest = {
        "run": context.files.run,
        "outputs": records,
        "trace": found.to_json(),
    }
    if len(leaving) == len(writers):
        return found.counters, manifest
    if not state.files.put_manifest(task.family, task.task, manifest):
        there = state.files.manifest(task.family, task.task)
        if there is None or not has_segments(state, task, there):
            state.files.put_manifest(task.family, task.task, manifest, replace=True)
    return found.counters, manifest


def _ends(task: TaskId) -> tuple[int, int]:
    first, stop = task.intervals[0]
    return first, stop - 1


def _task(
    context: RunContext,
    state: JobState,
    task: TaskId,
    graph: BoundGraph,
    writers: Mapping[int, SegmentWriter],
    stack: ExitStack,
    position: Position,
) -> Task:
    """What the engine is to do; ``stack`` keeps what it uses."""
    ops = {
        index: node.node
        for index, node in enumerate(graph.nodes)
        if isinstance(node, BoundOp)
    }
    kernels = stack.enter_context(context.kernels.borrow(ops, task.family, position))
    readers = {}
    for index, node in enumerate(graph.nodes):
        if isinstance(node, BoundSource):
            doing = position.work.doing(OPEN, node.info.name)
            with contained("opening its input"), doing:
                opened = node.node.streams[0].reader()
                readers[index] = stack.enter_context(opened)
    keep_displays(graph, readers, writers)
    return Task(
        graph,
        task.intervals,
        context.settings.work_packet or state.work_packet(),
        kernels,
        readers,
        writers,
        state.record.name,
        position,
    )


def _writers(
    state: JobState, task: TaskId, graph: BoundGraph
) -> dict[int, SegmentWriter]:
    attempt = uuid.uuid4().hex[:12]
    outputs = [
        (index, node)
        for index, node in enumerate(graph.nodes)
        if isinstance(node, BoundOutput)
    ]
    writers: dict[int, SegmentWriter] = {}
    for (index, output), (first, _) in zip(outputs, task.intervals, strict=True):
        writer: SegmentWriter = output.node.streams[0].segment_writer(
            state.record.token,
            task.task,
            attempt,
            first,
            output.node.input.encoding,
            output.node.input.type or get_type_info(FrameType),
        )
        writers[index] = writer
    return writers
