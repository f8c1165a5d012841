"""Runs one task: tries it as often as it may be tried, and hands on rows that leave."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from typing import Any

from beam_scanner.engine.position import Position
from beam_scanner.errors import Failure
from beam_scanner.planner.bound import BoundOutput
from beam_scanner.run.job import Job
from beam_scanner.run.made import finished
from beam_scanner.run.run import Run
from beam_scanner.run.slots import LeavingRows, LeavingSlot
from beam_scanner.run.tasks.attempt import (
    Chunk,
    Ended,
    Try,
    failed,
    make_attempt,
    null_rows,
)
from beam_scanner.run.tasks.attempt_marks import Attempts, Lost
from beam_scanner.run.tasks.steps import Steps
from beam_scanner.run.tasks.task_id import Outcome, TaskId

ROWS_FAILED = "rows failed"
"""Tag of rows that are null because a kernel raised."""

Attempt = Callable[
    [Run, Try, AbstractContextManager[None]], Generator[Chunk, None, Ended]
]
"""Makes an attempt; yields rows that leave. Holds the last argument open while it is at
work, but not while it waits for its turn."""


def run_one_task(
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
    if run.files.failed(job.record.mark) is not None or run.stop_reason():
        return ("skipped", family), {}
    marks = Attempts(run.files, job.record.mark, job.record.name, task)
    tries = _Tries(run.settings.limits.attempts, marks.lost() if attempt else [])
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
        tries.count(ended)
    if tries.lost:
        marks.forget()
    if tries.failure is None:
        assert ended is not None
        for rows_failed in ended.rows:
            yield ROWS_FAILED, rows_failed
        return ("done", family), ended.counters
    if job.files.is_over():
        return ("skipped", family), {}
    failure = _complete(tries.failure, job, task, tries.used)
    run.files.mark_failed(job.record.mark, failure)
    return ("failed", asdict(failure)), {}


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


def _complete(failure: Failure, job: Job, task: TaskId, used: int) -> Failure:
    """The failure with what is known of its task."""
    first, stop = task.intervals[0] if task.intervals else (0, 0)
    return replace(
        failure,
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
        self._branches: dict[str, LeavingRows] = {}

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
        with Steps(attempt(run, wanted, mark)) as steps:
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

    def _branch(self, tag: str) -> LeavingRows:
        if not self._branches:
            for node in self._job.graphs[self._task.family].nodes:
                if isinstance(node, BoundOutput):
                    slot = node.node.streams[0]
                    if isinstance(slot, LeavingSlot):
                        self._branches[slot.tag] = LeavingRows(slot, node.layout)
        return self._branches[tag]


def attempt_here(
    run: Run, wanted: Try, mark: AbstractContextManager[None]
) -> Generator[Chunk, None, Ended]:
    """Makes an attempt in this process; an ``Attempt``."""
    with mark:
        return (yield from make_attempt(run, wanted, Position()))
