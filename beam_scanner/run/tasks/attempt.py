"""One attempt at a task: runs it in this process, and leaves its manifest."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from beam_scanner.engine.containment import contained, is_interrupt
from beam_scanner.engine.displays import keep_displays
from beam_scanner.engine.executor import Task, run_task
from beam_scanner.engine.position import OPEN, PUBLISH, WRITE, Position
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.errors import Failure
from beam_scanner.measure.spans import Recorder, span
from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundSource
from beam_scanner.run.existing_results import finished
from beam_scanner.run.failure_records import TaskRows, failure_of, rows_of_manifest
from beam_scanner.run.job import Job
from beam_scanner.run.job_files import Manifest
from beam_scanner.run.publish import publish_if_last
from beam_scanner.run.stream_slots import BranchRows, Held
from beam_scanner.run.tasks.merged_attempt import run_merged
from beam_scanner.run.tasks.rows_so_far import RowsSoFar
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.tasks.task_outputs import (
    manifest_of,
    numbered,
    open_writers,
    put_manifest,
)
from beam_scanner.run.worker_run import Run, RunCancelled
from beam_scanner.storage.stored_rows import SegmentWriter
from beam_scanner.text.exception_parts import is_a

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
        others: Tasks of other streams that are run with it, as one. What they leave is
            theirs, and nothing is published.
    """

    task: TaskId
    done: bool
    alone: bool
    given: Mapping[str, int]
    others: tuple[TaskId, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How an attempt ended.

    Attributes:
        counters: For metrics.
        failure: Why it failed; None if it did not.
        counts: Whether it uses up one of the task's attempts; not where another task
            ended it.
        rows: Rows that are null because a kernel raised.
        spans: What came after the manifest: worker, name, begin, end and thread.
    """

    counters: Mapping[str, int]
    failure: Failure | None = None
    counts: bool = True
    rows: tuple[TaskRows, ...] = ()
    spans: tuple[tuple[Any, ...], ...] = ()


def make_attempt(
    run: Run, wanted: Try, position: Position, loaded_from: float | None = None
) -> Generator[Chunk, None, Ended]:
    """Makes an attempt at a task; whatever it raises becomes a failure.

    Args:
        run: The run.
        wanted: The attempt.
        position: Where to note what the task is doing.
        loaded_from: When the process has begun to load the run, in seconds since 1970.

    Yields:
        Rows that leave.
    """
    began = time.time()
    job, found, ending = run.job(wanted.task.job), TaskTrace(), Recorder()
    if loaded_from is not None:
        found.started = loaded_from
        found.add("load run", loaded_from, began)
    with closing(_work(run, job, wanted, position, found, ending)) as steps:
        # No plain loop: what the consumer of a row raises is not the task's failure.
        while True:
            try:
                chunk = next(steps)
            except StopIteration as end:
                counters, rows = end.value
                spans = tuple((this_worker(), *each) for each in ending.spans)
                return Ended(counters, rows=rows, spans=spans)
            except BaseException as error:
                position.leave_if_forked()
                if is_interrupt(error):
                    raise
                if is_a(error, RunCancelled):
                    return cancelled()
                return failed(job.record.name, error, began)
            yield chunk


def cancelled() -> Ended:
    """An attempt that ended since the run was cancelled."""
    failure = Failure("", "the run was cancelled", kind="skipped")
    return Ended({}, failure, counts=False)


def failed(stream: str, error: BaseException, began: float | None = None) -> Ended:
    """An attempt that ended by an error."""
    failure = failure_of(stream, error)
    made = failure._replace(worker=this_worker(), started=began, ended=time.time())
    return Ended({}, made)


def this_worker() -> str:
    """Machine and process, as failures name them."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _work(
    run: Run,
    job: Job,
    wanted: Try,
    position: Position,
    found: TaskTrace,
    ending: Recorder,
) -> Generator[Chunk, None, tuple[Mapping[str, int], tuple[TaskRows, ...]]]:
    if wanted.others:
        tasks = (wanted.task, *wanted.others)
        return run_merged(run, tasks, position, found), ()
    counters: Mapping[str, int] = {}
    manifest = finished(job, wanted.task) if wanted.done else None
    if manifest is None:
        with RowsSoFar(run, job.record.mark, wanted.task, found) as so_far:
            steps = _attempt(run, job, wanted, position, found, so_far)
            counters, manifest = yield from steps
    doing = position.work.doing(PUBLISH, job.record.name)
    with doing, ending.recording(), span("commit"):
        publish_if_last(job, wanted.task)
    return counters, null_rows(job, wanted.task, manifest)


def null_rows(job: Job, task: TaskId, manifest: Manifest) -> tuple[TaskRows, ...]:
    """Rows of a finished task that are null because a kernel raised."""
    name = job.record.name
    return tuple(rows_of_manifest(name, task.family, task.task, manifest))


def _attempt(
    run: Run,
    job: Job,
    wanted: Try,
    position: Position,
    found: TaskTrace,
    so_far: RowsSoFar,
) -> Generator[Chunk, None, tuple[Mapping[str, int], Manifest]]:
    """Runs a task once and puts its manifest; returns the counters and the manifest."""
    task = wanted.task
    graph = job.graphs[task.family]
    with contained("opening its output"):
        writers = open_writers(job, task, graph)
    leaving = [w for w in writers.values() if isinstance(w, BranchRows)]
    for rows in leaving:
        rows.skip = wanted.given.get(rows.tag, 0)
    try:
        with ExitStack() as stack:
            with found.recording():
                made = _task(run, job, task, graph, writers, stack, position, found)
            for _ in run_task(made):
                if run.is_cancelled():
                    raise RunCancelled
                so_far.note()
                for rows in leaving:
                    held = rows.take()
                    if held:
                        yield rows.tag, held
        ending = position.work.doing(WRITE, "", *_ends(task))
        finishing = span("finish")
        with contained("writing its output"), ending, found.recording(), finishing:
            records = [writer.finish() for writer in writers.values()]
    except BaseException:
        position.leave_if_forked()
        for writer in writers.values():
            writer.abort()
        raise
    manifest = manifest_of(run, records, found.to_json())
    if len(leaving) == len(writers):
        # A manifest would say that there is nothing to compute, but rows that leave
        # are computed by every run.
        return found.counters, manifest
    put_manifest(job, task, manifest)
    return found.counters, manifest


def _ends(task: TaskId) -> tuple[int, int]:
    first, stop = task.intervals[0]
    return first, stop - 1


def _task(
    run: Run,
    job: Job,
    task: TaskId,
    graph: BoundGraph,
    writers: Mapping[int, SegmentWriter],
    stack: ExitStack,
    position: Position,
    found: TaskTrace,
) -> Task:
    """What the engine is to do; ``stack`` keeps what it uses."""
    ops = {index: op.node for index, op in numbered(graph, BoundOp)}
    kernels = stack.enter_context(run.kernels.borrow(ops, task.family, position))
    readers = {}
    for index, source in numbered(graph, BoundSource):
        doing = position.work.doing(OPEN, source.info.name)
        with contained("opening its input"), doing, span("open"):
            opened = job.open_input(source.node.streams[0])
            readers[index] = stack.enter_context(opened)
    keep_displays(graph, readers, writers)
    return Task(
        graph,
        task.intervals,
        run.settings.work_packet or job.work_packet(),
        kernels,
        readers,
        writers,
        job.record.name,
        run.settings.decoder,
        position,
        found=found,
    )
