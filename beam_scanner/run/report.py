"""How a run went: what is told of it while it is prepared, and read when it has ended."""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from beam_scanner.errors import Failure, JobCancelled, JobFailure, StorageError, Tally
from beam_scanner.graph.nodes import OpNode, topological
from beam_scanner.planner.forecast import calls_of
from beam_scanner.run.failure_records import (
    TaskRows,
    each_once,
    rows_of_manifest,
)
from beam_scanner.run.job import Job
from beam_scanner.run.job_files import JobFiles, Manifest
from beam_scanner.run.kept_work import hint_about_kept
from beam_scanner.run.pickled_outputs import warn_of_pickles
from beam_scanner.run.prepare import Prepared
from beam_scanner.run.run_files import CANCELLED, RunFiles
from beam_scanner.storage.failure_files import write_failures
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.object_store import ObjectStore


@dataclass
class Report:
    """How a run went.

    Attributes:
        committed: Names of the jobs that were committed.
        cached: Names of the jobs that were there already.
        failures: One for each job that failed.
        lost: By name of each input video with rows that cannot be decoded: which
            rows and times, and why.
        counters: Sums over the tasks of this run: frames_needed, frames_decoded,
            frames_again, bytes_read, rows_written, ...
        tasks: Tasks that were run now.
        reused: Tasks that an earlier, interrupted run had finished.
        kept: Finished tasks of jobs that failed, from which another run can resume.
        rows_failed: Rows of ops with ``on_error='null'`` that are null because their
            kernel raised, those that an interrupted run had found included.
        failure_file: The Parquet file with every failure, of streams and of rows; ''
            where nothing failed.
        number: The run's, in its database; 0 for a run without one.
        cancelled: Whether it was to be cancelled.
        stopped: Whether it ended before its time: cancelled, or after too many failures.
        total_tasks: Tasks that the run has, as far as that was known before it began.
        seconds: How long it took.
        traces: Trace of every task, for profiles.
        spans: What took how long outside tasks: process, name, begin and end in seconds
            since 1970, thread.
        null_rows: The rows of ``rows_failed``, by task.
        calls: How ops with batches, with models or on GPUs are called, by their names.
    """

    committed: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    tasks: int = 0
    reused: int = 0
    kept: int = 0
    rows_failed: int = 0
    failure_file: str = ""
    number: int = 0
    cancelled: bool = False
    stopped: bool = False
    total_tasks: int = 0
    seconds: float = 0.0
    traces: list[dict[str, Any]] = field(default_factory=list)
    spans: list[list[Any]] = field(default_factory=list)
    null_rows: list[TaskRows] = field(default_factory=list, repr=False)
    calls: dict[str, str] = field(default_factory=dict)

    def error(self, db_path: str) -> JobFailure:
        """What the failures are raised as.

        Args:
            db_path: The database.
        """
        kind = JobCancelled if self.cancelled else JobFailure
        return kind(self.failures, hint_about_kept(self.kept, db_path), self.tally)

    @property
    def tally(self) -> Tally:
        """The streams that did not fail, in numbers."""
        return Tally(len(self.committed), len(self.cached), self.failure_file)


def begin_report(
    prepared: Prepared, storage: NamedStorage
) -> tuple[ObjectStore, Report]:
    """Begins the report with what is known before the run."""
    store = storage.store(create=True)
    report = Report(cached=[job.record.name for job in prepared.cached])
    report.failures = list(prepared.failures.values())
    ops = [n for n in topological(prepared.outputs) if isinstance(n, OpNode)]
    report.calls = {op.label: calls for op in ops if (calls := calls_of(op))}
    for job in prepared.published:
        # Its rows that are null belong into this report: the run that made them died
        # before it could report them.
        token = job.files.token()
        if token is not None:
            own = job.record._replace(token=token).files(store, "")
            for family, task, manifest in _manifests(own):
                rows = rows_of_manifest(job.record.name, family, task, manifest)
                report.null_rows += rows
    return store, report


def keep_report(store: ObjectStore, report: Report, run: str = "") -> None:
    """Stores what failed beside the outputs, and counts it."""

    def failures() -> Iterator[Failure]:
        for failure in each_once([*report.failures, *report.null_rows]):
            report.rows_failed += failure.kind == "row"
            yield failure

    report.failure_file = keep_failures(store, failures(), run)


def keep_failures(
    store: ObjectStore, failures: Iterable[Failure], run: str = ""
) -> str:
    """Stores failures in a database.

    Args:
        store: The database.
        failures: Any number.
        run: Names the run; a new name if empty.

    Returns:
        The path or URL of the file; '' if there are no failures.

    Warns:
        UserWarning: They cannot be stored.
    """
    try:
        return write_failures(store, run or uuid.uuid4().hex, failures, time.time())
    except StorageError as error:
        # The streams are committed all the same, and the failures are in the report.
        warnings.warn(
            f"the failures of this run could not be stored: {error}", stacklevel=4
        )
        return ""


def conclude(
    jobs: Sequence[Job], phases: int, run: RunFiles, report: Report
) -> list[Job]:
    """Reads how every job ended; returns those that are done.

    Args:
        jobs: Of the run.
        phases: How many phases its graph has.
        run: Files of the run.
        report: To be completed.
    """
    results = run.results()
    with suppress(StorageError):
        stopped = run.stopped_at()
        report.cancelled, report.stopped = stopped == CANCELLED, stopped is not None
    done: list[Job] = []
    for index, job in enumerate(jobs):
        ends = [results.get((index, phase)) for phase in range(phases)]
        failures = [failure for end in ends if end for failure in end.failures]
        report.spans += [each for end in ends if end for each in end.spans]
        finished = _count_tasks(job, run.run, report)
        if failures or ends[-1] is None:
            reason = "the run ended before it was done"
            report.failures.append((failures or [Failure(job.record.name, reason)])[0])
            report.kept += finished
            continue
        report.committed.append(job.record.name)
        done.append(job)
    return done


def end_jobs(done: Sequence[Job]) -> None:
    """Removes the work of jobs that are done."""
    for job in done:
        job.files.remove()
    warn_of_pickles(done)


def _count_tasks(job: Job, run: str, report: Report) -> int:
    """Adds what the tasks of a job counted; returns how many are finished."""
    finished = 0
    for family, task, manifest in _manifests(job.files):
        finished += 1
        report.null_rows += rows_of_manifest(job.record.name, family, task, manifest)
        if manifest["run"] != run:
            report.reused += 1
            continue
        report.tasks += 1
        trace = manifest["trace"]
        trace.pop("failed", None)
        report.traces.append({"task": f"{family}-{task}", **trace})
        for name, value in trace["counters"].items():
            report.counters[name] = report.counters.get(name, 0) + value
    return finished


def _manifests(files: JobFiles) -> Iterator[tuple[int, int, Manifest]]:
    """(family, task, manifest) of every finished task of a job."""
    for family, task in files.manifests():
        manifest = files.manifest(family, task)
        if manifest is not None:
            yield family, task, manifest
