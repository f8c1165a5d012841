"""Runs one task: tries it as often as it may be tried, and hands on rows that leave."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from beam_scanner.engine.position import Position
from beam_scanner.errors import Failure
from beam_scanner.planner.bound import BoundOutput
from beam_scanner.run.existing_results import finished
from beam_scanner.run.job import Job, JobId
from beam_scanner.run.stream_slots import BranchRows, BranchSlot
from beam_scanner.run.tasks.attempt import (
    Chunk,
    Ended,
    Try,
    failed,
    make_attempt,
    null_rows,
)
from beam_scanner.run.tasks.attempt_marks import Attempts
from beam_scanner.run.tasks.generator_result import WithResult
from beam_scanner.run.tasks.retries import Tries
from beam_scanner.run.tasks.stage_elements import Outcome, TaskId
from beam_scanner.run.worker_run import Run

_log = logging.getLogger(__name__)

ROWS_FAILED = "rows failed"
"""Tag of rows that are null because a kernel raised."""

Attempt = Callable[
    [Run, Try, AbstractContextManager[None]], Generator[Chunk, None, Ended]
]
"""Makes an attempt; yields rows that leave. Holds the last argument open while it is at
work, but not while it waits for its turn."""


def try_tasks(
    run: Run, tasks: Sequence[TaskId], attempt: Attempt | None = None
) -> Generator[
    tuple[str, Any], None, tuple[list[tuple[JobId, Outcome]], Mapping[str, int]]
]:
    """Runs tasks of several jobs: once as one, then each that is not done by itself.

    So whatever goes wrong costs the stream that is to blame, and names it; the attempt
    at all of them is nobody's.

    Args:
        run: The run.
        tasks: One, or some that make all rows of short streams.
        attempt: See :func:`try_task`.

    Yields:
        See :func:`try_task`.

    Returns:
        The outcome of each, with its job, and counters for metrics.
    """
    counted: Counter[str] = Counter()
    record = run.job(tasks[0].job).record
    marks = Attempts(run.files, f"{record.mark}-merged", record.name, tasks[0])
    # If a worker has died of such an attempt, it may be the fault of any of them.
    has_died = len(tasks) > 1 and attempt is not None and bool(marks.lost())
    if len(tasks) > 1 and not has_died:
        counted.update(_try_as_one(run, tasks, marks, attempt))
    outcomes = []
    for task in tasks:
        steps = WithResult(try_task(run, task, attempt))
        yield from steps
        outcome, counters = steps.result
        counted.update(counters)
        outcomes.append((task.job, outcome))
    if has_died:
        marks.forget()
    return outcomes, counted


def _try_as_one(
    run: Run, tasks: Sequence[TaskId], marks: Attempts, attempt: Attempt | None
) -> Mapping[str, int]:
    """Makes one attempt at all tasks that are to be run; it may fail."""
    left = [task for task in tasks if _is_open(run, task)]
    if len(left) < 2 or run.stop_reason():
        return {}
    names = [run.job(task.job).record.name for task in left]
    wanted = Try(left[0], done=False, alone=False, given={}, others=tuple(left[1:]))
    mark = marks.marked(alone=False) if attempt else nullcontext()
    began = time.time()
    try:
        with WithResult((attempt or attempt_here)(run, wanted, mark)) as steps:
            for _ in steps:
                continue
        ended = steps.result
    except Exception as error:
        ended = failed(names[0], error, began)
    failure = ended.failure
    if failure and failure.kind != "skipped" and not run.is_cancelled():
        _log.warning(
            "%d streams that share a task are tried one by one, since it failed (%s): %s",
            len(left),
            ", ".join(names),
            failure.reason,
        )
    return ended.counters


def _is_open(run: Run, task: TaskId) -> bool:
    """Whether a task is to be run, as far as anybody knows."""
    job = run.job(task.job)
    return (
        run.files.failed(job.record.mark) is None
        and not job.files.is_over()
        and finished(job, task) is None
    )


def try_task(
    run: Run, task: TaskId, attempt: Attempt | None = None
) -> Generator[tuple[str, Any], None, tuple[Outcome, Mapping[str, int]]]:
    """Runs a task, unless its manifest is there or its job has ended.

    Args:
        run: The run.
        task: The task.
        attempt: Makes one attempt elsewhere; None to make them in this process, which
            dies with them.

    Yields:
        Rows that leave the graph for the rest of the pipeline, under the tags of
        their branches; and ``TaskRows`` under ``ROWS_FAILED``.

    Returns:
        The outcome, and counters for metrics.
    """
    job = run.job(task.job)
    family = (task.family, task.tasks)
    if run.stop_reason() or run.files.failed(job.record.mark) is not None:
        return ("skipped", family), {}
    marks = Attempts(run.files, job.record.mark, job.record.name, task)
    tries = Tries(run.settings.limits.attempts, marks.lost() if attempt else [])
    rows = _Rows(job, task)
    ended: Ended | None = None
    while tries.failure is None:
        began = time.time()
        try:
            # Another run may have published the streams, or gc removed the work.
            if job.files.is_over():
                return ("skipped", family), {}
            ended = yield from _once(run, task, tries.alone, rows, marks, attempt)
        except Exception as error:
            ended = failed(job.record.name, error, began)
        if ended.failure is None:
            break
        if ended.failure.kind == "skipped" or run.is_cancelled():
            return ("skipped", family), {}
        tries.count(ended)
    if tries.lost:
        marks.forget()
    if tries.failure is None:
        assert ended is not None
        for rows_failed in ended.rows:
            yield ROWS_FAILED, rows_failed
        spans = (ended.spans,) if ended.spans else ()
        return ("done", (*family, *spans)), ended.counters
    if job.files.is_over():
        return ("skipped", family), {}
    failure = _complete(tries.failure, job, task, tries.used)
    run.files.mark_failed(job.record.mark, failure)
    return ("failed", failure._asdict()), {}


def _once(
    run: Run,
    task: TaskId,
    alone: bool,
    rows: _Rows,
    marks: Attempts,
    attempt: Attempt | None,
) -> Generator[tuple[str, Any], None, Ended]:
    """Makes an attempt, if there is anything left to do."""
    job = run.job(task.job)
    # Rows that leave are in no segment: they must be computed again.
    found = None if job.leaves(task.family) else finished(job, task)
    # The last task goes on even if it is done: the run that did it may have died before
    # it published the family.
    if found is not None and task.task + 1 < task.tasks:
        return Ended({}, rows=null_rows(job, task, found))
    wanted = Try(task, found is not None, alone, rows.given)
    mark = marks.marked(alone) if attempt else nullcontext()
    return (yield from rows.of(run, wanted, attempt or attempt_here, mark))


def _complete(failure: Failure, job: Job, task: TaskId, used: int) -> Failure:
    """The failure with what is known of its task."""
    first, stop = task.intervals[0] if task.intervals else (0, 0)
    return failure._replace(
        stream=job.record.name,
        task=task.task,
        first_row=first if stop > first else None,
        last_row=stop - 1 if stop > first else None,
        attempts=used,
    )


class _Rows:
    """Rows of a task that leave, each once however often it is tried."""

    def __init__(self, job: Job, task: TaskId) -> None:
        self._job = job
        self._task = task
        self.given: Counter[str] = Counter()
        self._branches: dict[str, BranchRows] = {}

    def of(
        self,
        run: Run,
        wanted: Try,
        attempt: Attempt,
        mark: AbstractContextManager[None],
    ) -> Generator[tuple[str, Any], None, Ended]:
        """Makes an attempt, and hands on its rows."""
        began = time.time()
        # What comes after a row may be slow, or end here.
        with WithResult(attempt(run, wanted, mark)) as steps:
            for tag, held in steps:
                rows = self._branch(tag).hand_on(held)
                while True:
                    try:
                        row = next(rows)
                    except StopIteration:
                        break
                    except BaseException as error:
                        return failed(self._job.record.name, error, began)
                    self.given[tag] += 1
                    yield tag, row
        return steps.result

    def _branch(self, tag: str) -> BranchRows:
        if not self._branches:
            for node in self._job.graphs[self._task.family].nodes:
                if isinstance(node, BoundOutput):
                    slot = node.node.streams[0]
                    if isinstance(slot, BranchSlot):
                        self._branches[slot.tag] = BranchRows(slot, node.layout)
        return self._branches[tag]


def attempt_here(
    run: Run, wanted: Try, mark: AbstractContextManager[None]
) -> Generator[Chunk, None, Ended]:
    """Makes an attempt in this process; an ``Attempt``."""
    with mark:
        return (yield from make_attempt(run, wanted, Position()))
