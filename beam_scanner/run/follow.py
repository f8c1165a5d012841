"""Follows runs from any process, by what stands in the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from beam_scanner import errors
from beam_scanner.errors import (
    GO_ON,
    ArgumentError,
    Failure,
    JobCancelled,
    JobFailure,
    ScannerException,
    StorageError,
    Tally,
    WorkerError,
)
from beam_scanner.run.active_runs import (
    ActiveRun,
    RunWatch,
    active_runs,
    find_active,
)
from beam_scanner.run.kept_work import hint_about_kept
from beam_scanner.run.profiler import Profile, has_profile, run_number
from beam_scanner.run.progress import Progress, ProgressBar
from beam_scanner.run.run_files import RunFiles
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.object_store import ObjectStore


class JobStatus(dict[str, Any]):
    """How far a run is; its keys are attributes, too.

    ``finished``; ``tasks_done`` and ``total_tasks``; ``jobs_done``, ``jobs_failed`` and
    ``total_jobs``, where a job makes the outputs of one stream. Of a run with more than
    10,000 jobs the tasks are not counted while it runs. ``result`` has ``success``,
    False if the run has ended with an error, and ``msg``, the text of that error.

    Examples:
        >>> status = JobStatus(finished=False, tasks_done=3)
        >>> status.tasks_done == status['tasks_done'] == 3
        True
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"the status of a run has no {name!r}; it has {', '.join(self)}"
            ) from None


def going_on(storage: NamedStorage) -> list[ActiveRun]:
    """The runs of a database that somebody goes on with."""
    store = storage.store()
    return [
        run
        for run in active_runs(store)
        if not has_profile(store, run.number)
        and not RunWatch(store, run, waits=False).is_dead()
    ]


def follow(
    storage: NamedStorage, number: int, show_progress: bool = False
) -> Iterator[JobStatus]:
    """Waits for the end of a run.

    Args:
        storage: The database.
        number: The run's.
        show_progress: Whether to draw a bar, in a terminal or notebook.

    Yields:
        How far it is, again and again; the last one is ``finished``.

    Raises:
        ArgumentError: There was no such run.
        JobFailure: What ``run`` raises where streams have failed.
        WorkerError: It has died, or its pipeline could not be run.
    """
    number, store = run_number(number), storage.store()
    run = find_active(store, number)
    if run is not None:
        bar = ProgressBar(show_progress)
        try:
            yield from _until_ended(store, run, bar)
        finally:
            bar.close()
    profile = Profile.load(storage, number)
    error = _ending_error(storage, profile)
    yield _end_status(profile, error)
    if error is not None:
        raise error


def cancel(storage: NamedStorage, number: int) -> None:
    """Ends a run, and waits until it has ended.

    Args:
        storage: The database.
        number: The run's.

    Raises:
        ArgumentError: There was no such run, or it has ended.
        WorkerError: It has died.
    """
    number, store = run_number(number), storage.store()
    run = find_active(store, number)
    if run is None or has_profile(store, number):
        Profile.load(storage, number)
        raise ArgumentError(f"run {number} has ended: there is nothing to cancel")
    watch = RunWatch(store, run, waits=False)
    if watch.is_dead():
        raise watch.death()
    RunFiles(store, run.run).cancel()
    for _ in _until_ended(store, run, ProgressBar(False)):
        pass


def status_of(store: ObjectStore, run: ActiveRun) -> JobStatus:
    """How far a run is that goes on."""
    files = RunFiles(store, run.run)
    jobs = files.tasks()
    progress = Progress(store, files, jobs)
    progress.look(len(jobs))
    return _status(run, files, progress)


def _until_ended(
    store: ObjectStore, run: ActiveRun, bar: ProgressBar
) -> Iterator[JobStatus]:
    """Looks at a run until it has left its profile."""
    files, watch = RunFiles(store, run.run), RunWatch(store, run, waits=True)
    progress = Progress(store, files, [])
    while not has_profile(store, run.number):
        # It may be that its job has become known since.
        found = find_active(store, run.number)
        if found is not None and found != run:
            run, watch = found, RunWatch(store, found, waits=True)
        if watch.is_dead():
            raise watch.death()
        if not progress.total_tasks:
            progress = Progress(store, files, files.tasks())
        progress.look()
        bar.show(progress)
        yield _status(run, files, progress)
        time.sleep(progress.pace.seconds)


def _status(run: ActiveRun, files: RunFiles, progress: Progress) -> JobStatus:
    return JobStatus(
        finished=False,
        tasks_done=progress.tasks,
        total_tasks=progress.total_tasks,
        jobs_done=progress.jobs_done(),
        jobs_failed=files.failed_jobs(),
        total_jobs=run.jobs,
        result=_result(None),
    )


def _result(error: ScannerException | None) -> JobStatus:
    return JobStatus(success=error is None, msg="" if error is None else str(error))


def _end_status(profile: Profile, error: ScannerException | None) -> JobStatus:
    counts = profile.counts()
    ended = profile.ended
    done = profile.tasks + counts["reused"]
    made = len(profile.committed) + counts["cached"]
    failed = ended.get("failed", len(profile.failures))
    return JobStatus(
        finished=True,
        tasks_done=done,
        total_tasks=ended.get("total_tasks", done),
        jobs_done=made,
        jobs_failed=failed,
        total_jobs=made + failed,
        result=_result(error),
    )


def _ending_error(storage: NamedStorage, profile: Profile) -> ScannerException | None:
    """What ``run`` has raised, or would have."""
    ended = profile.ended
    if ended.get("error"):
        name, text = ended["error"]
        known = getattr(errors, name, None)
        if isinstance(known, type) and issubclass(known, ScannerException):
            return known(text)
        return WorkerError(f"run {profile.job_id} was ended by {name}: {text}. {GO_ON}")
    if not ended.get("raises") or not ended["failed"]:
        return None
    failures = _failures(storage.store(), ended)
    hint = hint_about_kept(ended["kept"], storage.db_path)
    committed, cached = len(profile.committed), profile.counts()["cached"]
    kind = JobCancelled if ended["cancelled"] else JobFailure
    return kind(failures, hint, Tally(committed, cached, ended["failure_file"]))


def _failures(store: ObjectStore, ended: dict[str, Any]) -> list[Failure]:
    """All failures: from their file, where they are too many for a profile."""
    kept = [Failure(**failure) for failure in ended["failures"]]
    if len(kept) == ended["failed"]:
        return kept
    # They are in Parquet, whose reader takes long to load.
    from beam_scanner.storage.failure_files import failure_files, read_failures

    for file in failure_files(store):
        if store.describe(file.key) == ended["failure_file"]:
            try:
                found = read_failures(store, file.key)
                return [failure for failure in found if failure.kind != "row"]
            except StorageError:
                # Those of the profile are the first ones.
                break
    return kept
