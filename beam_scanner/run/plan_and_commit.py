"""Plan and commit: what these stages do to one element, without Beam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from beam_scanner.engine.containment import contained
from beam_scanner.errors import Failure, OutcomeUnknownError, StreamReplacedError
from beam_scanner.run.existing_results import reason_not_made
from beam_scanner.run.failure_records import failure_of
from beam_scanner.run.job import Job, JobId
from beam_scanner.run.publish import give_up, publish_at_end, tidy
from beam_scanner.run.short_tasks import ShortTasks
from beam_scanner.run.tasks.stage_elements import Outcome, TaskId
from beam_scanner.run.worker_run import Run


def plan_job(run: Run, job_id: JobId, phase: int) -> Iterator[TaskId | Outcome]:
    """Cuts one phase of a job into tasks.

    Yields:
        Its tasks, and an outcome for each family that has none; or one outcome.
    """
    job, settings = run.job(job_id), run.settings
    if job.cached:
        yield "cached", None
        return
    try:
        with contained("planning"):
            if not settings.checked:
                job.check(settings.equal_rows, equal_types=settings.equal_rows)
            planned = [
                (number, job.cuts(number, settings.io_packet))
                for number, family in enumerate(job.families)
                if family.phase == phase
            ]
    except Exception as error:
        if job.files.is_over():
            yield "skipped", None
            return
        failure = failure_of(job.record.name, error, kind="input")
        run.files.mark_failed(job.record.mark, failure)
        yield "failed", failure._asdict()
        return
    for number, cuts in planned:
        if not len(cuts):
            yield "done", (number, 0)
        for task in range(len(cuts)):
            yield TaskId(job_id, number, task, len(cuts), cuts.intervals(task))


def plan_jobs(
    run: Run, jobs: Sequence[JobId], phase: int
) -> Iterator[tuple[JobId, Outcome | tuple[TaskId, ...]]]:
    """Cuts one phase of jobs into tasks, of which those of short streams are run as one.

    Args:
        run: The run.
        jobs: Some that follow one another.
        phase: The phase.

    Yields:
        The job of an outcome and the outcome; or the first job of tasks that are run
        together, mostly a single one, and these.
    """
    short: ShortTasks[TaskId] = ShortTasks(run.settings.io_packet)
    for job_id in jobs:
        for item in plan_job(run, job_id, phase):
            if not isinstance(item, TaskId):
                yield job_id, item
                continue
            job, family = run.job(job_id), item.family
            cuts = job.cuts(family, run.settings.io_packet)
            if not short.add(job, family, cuts, item):
                yield job_id, (item,)
    for tasks in short.together():
        yield tasks[0].job, tasks


def commit_job(run: Run, job_id: JobId, outcomes: Iterable[Outcome]) -> list[Failure]:
    """Ends one phase of a job: publishes it, or says why not.

    Args:
        run: The run.
        job_id: The job.
        outcomes: All outcomes of the phase.

    Returns:
        Why the next phase may not begin; nothing if it may.
    """
    job = run.job(job_id)
    if job.cached:
        return []
    outcomes = list(outcomes)
    # Tasks may have seen in another process that the run was stopped.
    stopped = run.stop_reason(now=True) if _is_cut_short(outcomes) else ""
    failures = _failures(run, job, outcomes, stopped)
    families = {
        value[0]: value[1]
        for kind, value in outcomes
        if kind in ("done", "skipped") and value
    }
    try:
        if not failures:
            with contained("committing"):
                for family, tasks in families.items():
                    publish_at_end(job, family, tasks)
            if stopped and any(map(job.leaves, families)):
                failures = [Failure(job.record.name, stopped, kind="skipped")]
    except OutcomeUnknownError as error:
        # What may have been published, or may still be, must stay.
        return [failure_of(job.record.name, error)]
    except StreamReplacedError as error:
        # Nothing of this job can be published any more, unless a run that has seen
        # the new stream has taken it over.
        failures = [failure_of(job.record.name, error)]
        give_up(job, job.record.seen)
    except Exception as error:
        failures = [failure_of(job.record.name, error)]
        if stopped:
            failures = [Failure(job.record.name, stopped, kind="skipped")]
    if job.files.is_over():
        # Its files were removed under its tasks, so their errors say nothing about it.
        reason = reason_not_made(job)
        failures = [Failure(job.record.name, reason)] if reason else []
        for stream in job.output_streams:
            tidy(stream, job.record.token)
    elif failures and job.record.leaves:
        # No other run can go on with it.
        give_up(job)
    return failures


def _is_cut_short(outcomes: Iterable[Outcome]) -> bool:
    return any(kind == "skipped" for kind, _ in outcomes)


def _failures(
    run: Run, job: Job, outcomes: Sequence[Outcome], stopped: str
) -> list[Failure]:
    """Why a job failed, as a list of one: of several tasks, the one with the first row."""
    found = [Failure(**value) for kind, value in outcomes if kind == "failed"]
    if not found and _is_cut_short(outcomes):
        # The outcome of the task that failed was lost with its worker.
        known = run.files.failed(job.record.mark)
        if known is not None:
            found = [known]
        elif not stopped and not job.files.is_over():
            reason = "some of its tasks were not run, and none says why: run it again"
            found = [Failure(job.record.name, reason)]
    found.sort(key=lambda f: (f.row is None, f.row or 0, f.reason))
    return found[:1]
