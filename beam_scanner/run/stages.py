"""Plan and commit: what these stages do to one element, without Beam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from beam_scanner.engine.containment import contained
from beam_scanner.errors import Failure, OutcomeUnknownError, StreamReplacedError
from beam_scanner.planner.tasks import cut_tasks
from beam_scanner.run.context import JobId, JobState, RunContext
from beam_scanner.run.failure_records import failure_of
from beam_scanner.run.publish import end_family, give_up, tidy, why_over
from beam_scanner.run.tasks.task_id import Outcome, TaskId


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
    stopped = context.why_stopped() if _is_cut_short(outcomes) else ""
    failures = _failures(context, state, outcomes, stopped)
    families = dict(
        value for kind, value in outcomes if kind in ("done", "skipped") and value
    )
    try:
        if not failures:
            with contained("committing"):
                for family, tasks in families.items():
                    end_family(state, family, tasks)
            if stopped and any(map(state.leaves, families)):
                failures = [Failure(state.record.name, stopped, kind="skipped")]
    except OutcomeUnknownError as error:
        # What may have been published, or still be, must stay.
        return [failure_of(state.record.name, error)]
    except StreamReplacedError as error:
        failures = [failure_of(state.record.name, error)]
        give_up(state, state.record.seen)
    except Exception as error:
        failures = [failure_of(state.record.name, error)]
        if stopped:
            failures = [Failure(state.record.name, stopped, kind="skipped")]
    if state.files.is_over():
        # What went wrong on the way does not count: it was taken away meanwhile.
        reason = why_over(state)
        failures = [Failure(state.record.name, reason)] if reason else []
        for _, output in state.numbered_outputs:
            tidy(output.streams[0], state.record.token)
    elif failures and state.record.leaves:
        # No other run can go on with it.
        give_up(state)
    return failures


def _is_cut_short(outcomes: Iterable[Outcome]) -> bool:
    return any(kind == "skipped" for kind, _ in outcomes)


def _failures(
    context: RunContext, state: JobState, outcomes: Sequence[Outcome], stopped: str
) -> list[Failure]:
    """Why a job failed, once: of several tasks the first row tells."""
    found = [Failure(**value) for kind, value in outcomes if kind == "failed"]
    if not found and _is_cut_short(outcomes):
        # Of the task that failed, the outcome was lost with its worker.
        known = context.files.failed(state.record.mark)
        if known is not None:
            found = [known]
        elif not stopped and not state.files.is_over():
            reason = "some of its tasks were not run, and none says why: run it again"
            found = [Failure(state.record.name, reason)]
    found.sort(key=lambda f: (f.row is None, f.row or 0, f.reason))
    return found[:1]
