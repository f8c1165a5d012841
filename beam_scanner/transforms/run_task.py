"""Runs one task: its attempts, its manifest, and the rows that leave."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import asdict

from beam_scanner.engine.displays import keep_displays
from beam_scanner.engine.executor import Task, run_task
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundOutput, BoundSource
from beam_scanner.storage.base import SegmentWriter
from beam_scanner.transforms.context import JobState, RunContext
from beam_scanner.transforms.failure_records import failure_of
from beam_scanner.transforms.publish import has_segments, publish_if_last
from beam_scanner.transforms.slots import LeavingRows, TaggedRow
from beam_scanner.transforms.task_id import Outcome, TaskId
from beam_scanner.types import FrameType, get_type_info


def run_one_task(
    context: RunContext, task: TaskId
) -> Generator[TaggedRow, None, tuple[Outcome, Mapping[str, int]]]:
    """Runs a task, unless its manifest is there or its job has ended.

    Yields:
        Rows that leave the graph for the rest of the pipeline.

    Returns:
        The outcome, and counters for metrics.
    """
    state = context.job(task.job)
    counters: Mapping[str, int] = {}
    family = (task.family, task.tasks)
    skipped = ("skipped", family)
    if context.files.is_failed(state.record.mark):
        return skipped, counters
    given: Counter[str] = Counter()
    for attempt in range(context.settings.attempts):
        try:
            if state.leaves(task.family) or not _is_done(state, task):
                if state.files.is_over():
                    break
                counters = yield from _attempt(context, state, task, given)
                publish_if_last(state, task)
            elif task.task + 1 == task.tasks:
                publish_if_last(state, task)
            return ("done", family), counters
        except Exception as error:
            if state.files.is_over():
                break
            if attempt + 1 < context.settings.attempts:
                continue
            context.files.mark_failed(state.record.mark)
            failure = failure_of(state.record.name, error)
            return ("failed", asdict(failure)), counters
    return skipped, counters


def _is_done(state: JobState, task: TaskId) -> bool:
    manifest = state.files.manifest(task.family, task.task)
    return manifest is not None and has_segments(state, task, manifest)


def _attempt(
    context: RunContext, state: JobState, task: TaskId, given: Counter[str]
) -> Generator[TaggedRow, None, Mapping[str, int]]:
    """Runs a task once and puts its manifest; ``given``: rows that have left."""
    graph = state.graph(task.family)
    writers = _writers(state, task, graph)
    leaving = [w for w in writers.values() if isinstance(w, LeavingRows)]
    for rows in leaving:
        rows.skip = given[rows.tag]
    try:
        with ExitStack() as stack:
            steps = run_task(_task(context, state, task, graph, writers, stack))
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    found: TaskTrace = end.value
                    break
                for rows in leaving:
                    for row in rows.take():
                        given[rows.tag] += 1
                        yield rows.tag, row
        records = [writer.finish() for writer in writers.values()]
    except BaseException:
        for writer in writers.values():
            writer.abort()
        raise
    if len(leaving) == len(writers):
        return found.counters
    manifest = {
        "run": context.files.run,
        "outputs": records,
        "trace": found.to_json(),
    }
    if not state.files.put_manifest(task.family, task.task, manifest):
        there = state.files.manifest(task.family, task.task)
        if there is None or not has_segments(state, task, there):
            state.files.put_manifest(task.family, task.task, manifest, replace=True)
    return found.counters


def _task(
    context: RunContext,
    state: JobState,
    task: TaskId,
    graph: BoundGraph,
    writers: Mapping[int, SegmentWriter],
    stack: ExitStack,
) -> Task:
    """What the engine is to do; ``stack`` keeps what it uses."""
    ops = {
        index: node.node
        for index, node in enumerate(graph.nodes)
        if isinstance(node, BoundOp)
    }
    kernels = stack.enter_context(context.kernels.borrow(ops, task.family))
    readers = {
        index: stack.enter_context(node.node.streams[0].reader())
        for index, node in enumerate(graph.nodes)
        if isinstance(node, BoundSource)
    }
    keep_displays(graph, readers, writers)
    return Task(
        graph,
        task.intervals,
        context.settings.work_packet or state.work_packet(),
        kernels,
        readers,
        writers,
        state.record.name,
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
        if isinstance(writer, LeavingRows):
            writer.layout = output.layout
        writers[index] = writer
    return writers
