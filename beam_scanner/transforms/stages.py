"""Plan and commit: what these stages do to one element, without Beam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from beam_scanner.engine.containment import contained
from beam_scanner.errors import Failure
from beam_scanner.planner.tasks import cut_tasks
from beam_scanner.transforms.context import JobId, JobState, RunContext
from beam_scanner.transforms.failure_records import failure_of
from beam_scanner.transforms.publish import end_family, tidy
from beam_scanner.transforms.slots import LeavingSlot
from beam_scanner.transforms.task_id import Outcome, TaskId


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
        with contained("planning"):
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
        failure = failure_of(state.record.name, error, kind="input")
        context.files.mark_failed(state.record.mark, failure)
        yield "failed", asdict(failure)
        return
    for number, cuts in planned:
        if not len(cuts):
            yield "done", (number, 0)
        for task in range(len(cuts)):
            yield TaskId(job, number, task, len(cuts), cuts.intervals(task))


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
    if not failures:
        # The worker that told may have died before its runner had heard.
        failure = context.files.failed(state.record.mark)
        failures = [] if failure is None else [failure]
    families = dict(
        value for kind, value in outcomes if kind in ("done", "skipped") and value
    )
    stopped = context.why_stopped() if _is_cut_short(outcomes) else ""
    try:
        if not failures:
            with contained("committing"):
                for family, tasks in families.items():
                    end_family(state, family, tasks)
            if stopped and any(map(state.leaves, families)):
                failures = [Failure(state.record.name, stopped, kind="skipped")]
    except Exception as error:
        failures = [failure_of(state.record.name, error)]
        if stopped:
            failures = [Failure(state.record.name, stopped, kind="skipped")]
    if state.files.is_over():
        failures = _removed(state)
        for output in state.outputs:
            tidy(output.streams[0], state.record.token)
    return failures


def _is_cut_short(outcomes: Iterable[Outcome]) -> bool:
    return any(kind == "skipped" for kind, _ in outcomes)


def _removed(state: JobState) -> list[Failure]:
    """A failure, if what has ended a job was not another run that committed it."""
    streams = [output.streams[0] for output in state.outputs]
    if all(isinstance(s, LeavingSlot) or s.committed() for s in streams):
        return []
    reason = "its unfinished work was removed while it ran, as by gc: run it again"
    return [Failure(state.record.name, reason)]
