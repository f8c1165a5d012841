"""Plan, run and commit: what each stage does to one element, without Beam."""

from __future__ import annotations

import traceback
import uuid
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from beam_scanner.engine.executor import Task, run_task
from beam_scanner.engine.instance import OpError
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.errors import Failure, ScannerException
from beam_scanner.graph import OutputNode
from beam_scanner.planner.bound import BoundGraph, BoundOp, BoundOutput, BoundSource
from beam_scanner.planner.needs import Interval
from beam_scanner.planner.phases import INTERNAL
from beam_scanner.planner.tasks import cut_tasks
from beam_scanner.storage.backend import StoredStream
from beam_scanner.storage.base import SegmentWriter
from beam_scanner.storage.named import NamedStream
from beam_scanner.transforms.context import JobId, JobState, RunContext
from beam_scanner.transforms.slots import LeavingRows, LeavingSlot, TaggedRow
from beam_scanner.transforms.work import Manifest
from beam_scanner.types import FrameType, get_type_info


@dataclass(frozen=True)
class TaskId:
    """One task; what crosses from plan to run, as :meth:`to_tuple`.

    Attributes:
        job: Its job.
        family: Number of its family.
        task: Its own number.
        tasks: How many tasks the family has.
        intervals: Rows of each output that it makes.
    """

    job: JobId
    family: int
    task: int
    tasks: int
    intervals: tuple[Interval, ...]

    def to_tuple(self) -> tuple[Any, ...]:
        """Plain values, which every coder knows."""
        return (self.job, self.family, self.task, self.tasks, self.intervals)

    def __str__(self) -> str:
        return f"task {self.task + 1} of {self.tasks}"


Outcome = tuple[str, Any]
"""('done', (family, tasks)), where one of so many tasks has been done, or there are
none; or ('failed', failure); or ('skipped', (family, tasks)), where the job has failed
or another run has ended it; or, of a whole job, ('skipped', None) or ('cached', None),
where its outputs are there already."""


def failure_of(name: str, error: BaseException) -> Failure:
    """What to tell of an error that ended a job."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, OpError):
        return Failure(name, error.reason, error.row, error.op, error.details or text)
    if isinstance(error, ScannerException):
        return Failure(name, str(error), traceback=text)
    return Failure(name, f"{type(error).__name__}: {error}", traceback=text)


def plan_job(context: RunContext, job: JobId, phase: int) -> Iterator[TaskId | Outcome]:
    """Cuts one phase of a job into tasks.

    Yields:
        Its tasks, and an outcome for each family that has none; or one outcome.
    """
    state = context.job(job)
    if state.cached:
        yield "cached", None
        return
    settings = context.settings
    planned = []
    try:
        if not settings.checked:
            state.check(settings.equal_rows)
        for number, family in enumerate(state.families):
            if family.phase == phase:
                planned.append(
                    (number, cut_tasks(state.graph(number), settings.io_packet))
                )
    except Exception as error:
        if state.files.is_over():
            yield "skipped", None
            return
        failure = failure_of(state.record.name, error)
        context.files.mark_failed(state.record.mark)
        yield "failed", asdict(failure)
        return
    for number, cuts in planned:
        if not len(cuts):
            yield "done", (number, 0)
        for task in range(len(cuts)):
            yield TaskId(job, number, task, len(cuts), cuts.intervals(task))


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
                _publish_if_last(state, task)
            elif task.task + 1 == task.tasks:
                _publish_if_last(state, task)
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
    return manifest is not None and _has_segments(state, task, manifest)


def _has_segments(state: JobState, task: TaskId, manifest: Manifest) -> bool:
    outputs = state.families[task.family].outputs
    return all(
        not isinstance(output.streams[0], NamedStream)
        or output.streams[0].has_segment(state.record.token, record)
        for output, record in zip(outputs, manifest["outputs"], strict=True)
    )


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
        if there is None or not _has_segments(state, task, there):
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


def _publish_if_last(state: JobState, task: TaskId) -> None:
    """Publishes as soon as the family's last task is done.

    Batch runners end a stage before they start the next: without this, a crash at
    95 % would leave no stream committed.
    """
    files, family = state.files, task.family
    if not state.stores(family):
        return
    # Tasks that were done stay so: a million of them must not be asked for each time.
    at = state.waiting.get(family, task.tasks - 1)
    while at >= 0 and (at == task.task or files.manifest(family, at) is not None):
        at -= 1
    state.waiting[family] = at
    if at >= 0:
        return
    found = _manifests(state, family, task.tasks)
    if len(found) == task.tasks and all(_has_segments(state, task, m) for m in found):
        _publish_family(state, family, found)


def _manifests(state: JobState, family: int, tasks: int) -> list[Manifest]:
    listed = (state.files.manifest(family, number) for number in range(tasks))
    return [manifest for manifest in listed if manifest is not None]


def _end_family(state: JobState, number: int, tasks: int) -> None:
    """Makes sure that a family, all of whose tasks were run, is published."""
    outputs = state.families[number].outputs
    if not state.stores(number) or all(
        was_made_by(output.streams[0], state.record.token) for output in outputs
    ):
        return
    found = _manifests(state, number, tasks)
    if len(found) != tasks:
        raise ScannerException(
            f"stream {state.record.name!r}: {tasks - len(found)} of {tasks} tasks "
            "left no manifest, although all were run"
        )
    _publish_family(state, number, found)


def _publish_family(state: JobState, number: int, found: Sequence[Manifest]) -> None:
    """Commits the outputs of a family; doing it again changes nothing."""
    family = state.families[number]
    for place, (output, index) in enumerate(
        zip(family.outputs, family.numbers, strict=True)
    ):
        segments = [manifest["outputs"][place] for manifest in found]
        fingerprint = (
            state.record.fingerprint
            if index == INTERNAL
            else state.record.outputs[index]
        )
        _publish(state, output, segments, fingerprint)


def _publish(
    state: JobState, output: OutputNode, segments: list[Any], fingerprint: str
) -> None:
    stream, token = output.streams[0], state.record.token
    if isinstance(stream, NamedStream):
        kind = output.input.type or get_type_info(FrameType)
        stream.publish(
            token, segments, fingerprint, token, state.source, type_name=kind.name
        )
    else:
        stream.publish(token, segments, fingerprint, token, state.source)


def was_made_by(stream: StoredStream, token: str) -> bool:
    """Whether a stream holds what the run with this token has committed."""
    if not isinstance(stream, NamedStream):
        return False
    found = stream.try_descriptor()
    return found is not None and found.run == token


def tidy(stream: StoredStream, token: str) -> None:
    """Removes segments that lost, where a run has ended before it could."""
    if isinstance(stream, NamedStream):
        stream.tidy(token)


def commit_job(
    context: RunContext, job: JobId, phase: int, outcomes: Iterable[Outcome]
) -> list[Failure]:
    """Ends one phase of a job: publishes it, or says why not.

    Args:
        context: The run.
        job: The job.
        phase: The phase that has ended.
        outcomes: All outcomes of the phase.

    Returns:
        Why the next phase may not begin; nothing if it may.
    """
    state = context.job(job)
    if state.cached:
        return []
    outcomes = list(outcomes)
    failures = [Failure(**value) for kind, value in outcomes if kind == "failed"]
    families = dict(
        value for kind, value in outcomes if kind in ("done", "skipped") and value
    )
    try:
        if not failures:
            for family, tasks in families.items():
                _end_family(state, family, tasks)
    except Exception as error:
        failures = [failure_of(state.record.name, error)]
    if state.files.is_over():
        failures = _removed(state)
        for output in state.outputs:
            tidy(output.streams[0], state.record.token)
    return failures


def _removed(state: JobState) -> list[Failure]:
    """A failure, if what has ended a job was not another run that committed it."""
    streams = [output.streams[0] for output in state.outputs]
    if all(isinstance(s, LeavingSlot) or s.committed() for s in streams):
        return []
    reason = "its unfinished work was removed while it ran, as by gc: run it again"
    return [Failure(state.record.name, reason)]
