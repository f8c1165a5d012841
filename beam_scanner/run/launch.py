"""Runs what was prepared, and says how it went."""

from __future__ import annotations

import shlex
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.engine.instance_pool import forget_fetched
from beam_scanner.errors import ArgumentError, Failure, StorageError, Tally
from beam_scanner.kernels.pickling import for_workers
from beam_scanner.run.context import StoredRun, close_contexts, process_token
from beam_scanner.run.failure_records import (
    TaskRows,
    rows_of_manifest,
    told_once,
)
from beam_scanner.run.fingerprints import SharedGraph, check_ships
from beam_scanner.run.keep_failures import Home, KeepFailures
from beam_scanner.run.options import Limits, ScannerOptions
from beam_scanner.run.prepare import Job, Prepared
from beam_scanner.run.progress import Watcher
from beam_scanner.run.publish import is_spent, tidy
from beam_scanner.run.run_files import (
    JobFiles,
    JobRecord,
    Manifest,
    RunFiles,
    RunSettings,
    remove_abandoned,
)
from beam_scanner.run.run_graph import EndRun, RunGraph
from beam_scanner.run.tasks.supervisor import end_hosts
from beam_scanner.runners.dataflow import run_hints
from beam_scanner.runners.start import (
    ends_with_us,
    preflight,
    run_pipeline,
    runs_here,
)
from beam_scanner.storage.failure_files import write_failures
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.object_store import ObjectStore

SMALL_JOBS = 2
"""Runs of no more jobs, all of them small, stay in one process."""


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
        kept: Finished tasks of jobs that failed, which another run can go on with.
        rows_failed: Rows of ops with ``on_error='null'`` that are null because their
            kernel raised, those that an interrupted run had found included.
        failure_file: The Parquet file with every failure, of streams and of rows; ''
            where nothing failed.
        seconds: How long it took.
        traces: Trace of every task, for profiles.
        null_rows: The rows of ``rows_failed``, by task.
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
    seconds: float = 0.0
    traces: list[dict[str, Any]] = field(default_factory=list)
    null_rows: list[TaskRows] = field(default_factory=list, repr=False)

    @property
    def tally(self) -> Tally:
        """The streams that did not fail, in numbers."""
        return Tally(len(self.committed), len(self.cached), self.failure_file)


def hint_about_kept(kept: int, db_path: str) -> str:
    """What to say of finished tasks of jobs that failed; '' where there are none.

    Example:
        >>> print(hint_about_kept(1, 'db'))
        1 finished task of failed streams is kept: the same run again does only the \
others, 'beam-scanner gc --unfinished db' gives it up
    """
    if not kept:
        return ""
    what, it = (
        ("1 finished task", "it") if kept == 1 else (f"{kept} finished tasks", "them")
    )
    return (
        f"{what} of failed streams {'is' if kept == 1 else 'are'} kept: the same run "
        f"again does only the others, 'beam-scanner gc --unfinished "
        f"{shlex.quote(db_path)}' gives {it} up"
    )


def execute(
    prepared: Prepared,
    storage: NamedStorage,
    options: PipelineOptions,
    show_progress: bool,
    max_failures: float | None = None,
    limits: Limits | None = None,
) -> Report:
    """Runs the jobs of a prepared run as one Beam pipeline.

    Args:
        prepared: What to run.
        storage: The database.
        options: The user's Beam options.
        show_progress: Whether to draw a progress bar.
        max_failures: See ``Client.run``.
        limits: Of each task; as the options say if None.

    Returns:
        How it went; failures are listed, not raised.

    Raises:
        ArgumentError: A kernel or an argument cannot be sent to workers.
        WorkerError: The pipeline could not be run; finished tasks are kept.
    """
    limits = limits or Limits.of(options)
    small = _is_small(prepared)
    began = time.monotonic()
    store, report = _begin(prepared, storage)
    run = RunFiles(store, uuid.uuid4().hex)
    most = _most_failures(prepared, max_failures)
    if most is not None and len(prepared.failures) > most:
        report.failures += _not_run(prepared, most)
    elif prepared.jobs:
        preflight(options, [store.url, *prepared.places()])
        files = [JobFiles(store, job.fingerprint) for job in prepared.jobs]
        # A runner elsewhere goes on when this process has died.
        with run.held() if ends_with_us(options) else nullcontext():
            try:
                here = process_token() if runs_here(options, small) else ""
                alone = bool(here) and not limits.timeout
                with for_workers(elsewhere=not ends_with_us(options), here=alone):
                    phases, digest = _write_run(
                        prepared, run, files, limits, most, here
                    )
                with Watcher(prepared, files, show_progress):
                    run_pipeline(
                        options,
                        _pipeline(
                            StoredRun(store.url, run.run, digest),
                            phases,
                            len(prepared.jobs),
                            run_hints(options.view_as(ScannerOptions)),
                        ),
                        small=small,
                        again=True,
                    )
                _conclude(prepared, run, files, report)
            finally:
                end_hosts(run.run)
                close_contexts(run.run)
                forget_fetched(run.run)
                run.remove()
    return _end(store, run.run, report, began)


def check_max_failures(given: Any) -> None:
    """Refuses what is neither a number of streams nor a share of them.

    Raises:
        ArgumentError: Tells what was expected.

    Example:
        >>> check_max_failures(0.05), check_max_failures(3), check_max_failures(None)
        (None, None, None)
    """
    whole = type(given) is int and given >= 0
    if not (given is None or whole or (type(given) is float and 0 < given < 1)):
        raise ArgumentError(
            "max_failures must be a number of streams (0, 1, 2, ...) or a share of "
            f"them above 0.0 and below 1.0, got {given!r}"
        )


def _most_failures(prepared: Prepared, given: float | None) -> int | None:
    """How many streams may fail, where a share of them may be given."""
    if isinstance(given, float):
        return int(given * _jobs(prepared))
    return given


def _jobs(prepared: Prepared) -> int:
    return len(prepared.jobs) + len(prepared.cached) + len(prepared.failures)


def _not_run(prepared: Prepared, most: int) -> list[Failure]:
    failed, jobs = len(prepared.failures), _jobs(prepared)
    reason = (
        f"not run: stopped after {failed} of {jobs} streams failed "
        f"(max_failures={most})"
    )
    return [Failure(job.name, reason, kind="skipped") for job in prepared.jobs]


def _end(store: ObjectStore, run: str, report: Report, began: float) -> Report:
    """Completes a report, and stores what failed beside the outputs."""

    def told() -> Iterator[Failure]:
        for failure in told_once([*report.failures, *report.null_rows]):
            report.rows_failed += failure.kind == "row"
            yield failure

    report.failure_file = keep_failures(store, told(), run)
    report.seconds = time.monotonic() - began
    return report


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
        warnings.warn(f"the failures of this run are not kept: {error}", stacklevel=4)
        return ""


def submit(
    prepared: Prepared,
    storage: NamedStorage,
    options: PipelineOptions,
    max_failures: float | None = None,
    limits: Limits | None = None,
) -> Report:
    """Starts the jobs of a prepared run on a runner that goes on without us.

    The workers commit and tidy up, and store what failed beside the outputs.

    Args:
        prepared: What to run.
        storage: The database.
        options: The user's Beam options.
        max_failures: See ``Client.run``.
        limits: Of each task; as the options say if None.

    Returns:
        What is known already: streams that are there, and inputs that cannot be read.

    Raises:
        ArgumentError: A kernel or an argument cannot be sent to workers.
        WorkerError: The runner did not take the job.
    """
    began = time.monotonic()
    limits = limits or Limits.of(options)
    store, report = _begin(prepared, storage)
    run = RunFiles(store, uuid.uuid4().hex)
    most = _most_failures(prepared, max_failures)
    if most is not None and len(prepared.failures) > most:
        report.failures += _not_run(prepared, most)
    elif prepared.jobs:
        preflight(options, [store.url, *prepared.places()])
        files = [JobFiles(store, job.fingerprint) for job in prepared.jobs]
        with for_workers(elsewhere=True):
            phases, digest = _write_run(
                prepared, run, files, limits, most, detached=True
            )
        hints = run_hints(options.view_as(ScannerOptions))
        source = StoredRun(store.url, run.run, digest)
        try:
            run_pipeline(
                options,
                _pipeline(source, phases, len(prepared.jobs), hints, True),
                wait=False,
            )
        except BaseException:
            run.remove()
            raise
    return _end(store, "", report, began)


def _begin(prepared: Prepared, storage: NamedStorage) -> tuple[ObjectStore, Report]:
    """Tidies up behind earlier runs, and begins the report."""
    store = storage.store(create=True)
    report = Report(cached=[job.name for job in prepared.cached])
    report.failures = list(prepared.failures.values())
    for job in prepared.finished:
        files = JobFiles(store, job.fingerprint)
        _finish(prepared, job, files, report)
    remove_abandoned(store)
    return store, report


def _write_run(
    prepared: Prepared,
    run: RunFiles,
    files: Sequence[JobFiles],
    limits: Limits,
    max_failures: int | None = None,
    here: str = "",
    detached: bool = False,
) -> tuple[int, str]:
    """Returns how many phases there are, and the digest of what was written."""
    shared, nodes = SharedGraph.of(prepared.families)
    settings = RunSettings(
        shared,
        prepared.perf.work_packet_size,
        prepared.perf.io_packet_size,
        checked=bool(prepared.plans),
        detached=detached,
        max_failures=max_failures,
        jobs=_jobs(prepared),
        failed=len(prepared.failures),
        attempts=limits.attempts,
        task_timeout=limits.timeout,
        here=here,
    )
    first = SharedGraph.own_values(nodes, prepared.jobs[0].number)
    check_ships((settings, first), nodes)
    records = [
        JobRecord(
            job.name,
            SharedGraph.own_values(nodes, job.number),
            job.fingerprint,
            list(job.outputs),
            job_files.begin(job.seen, _spent(prepared, job)),
            mark=str(number),
            seen=job.seen,
        )
        for number, (job, job_files) in enumerate(
            zip(prepared.jobs, files, strict=True)
        )
    ]
    work = run.write(settings, records)
    if prepared.fingerprints is not None:
        prepared.fingerprints.check_unchanged(
            (job.number, job.fingerprint) for job in prepared.jobs
        )
    return shared.phases, work


def _spent(prepared: Prepared, job: Job) -> Callable[[str], bool]:
    streams = [output.streams[job.number] for output in prepared.outputs]
    return lambda token: is_spent(streams, token)


def _pipeline(
    source: StoredRun,
    phases: int,
    jobs: int,
    hints: Mapping[str, str],
    detached: bool = False,
) -> Callable[[Any], Any]:
    def build(pipeline: Any) -> None:
        numbers = pipeline | "Jobs" >> beam.Create(range(jobs))
        graph = RunGraph(source, phases, hints)
        ended = numbers | "Run graph" >> graph
        if detached:
            failed = graph.failed | "Failed" >> beam.Flatten()
            failed | "Keep failures" >> KeepFailures(Home(source.db, source.run))
            ended | "End" >> EndRun(source)

    return build


def _finish(prepared: Prepared, job: Job, files: JobFiles, report: Report) -> None:
    """Ends a job whose run was interrupted after its last stream was committed."""
    token = files.token()
    if token is not None:
        own = JobFiles(files.store, job.fingerprint, token)
        for family, task in own.manifests():
            manifest = own.manifest(family, task)
            if manifest is not None:
                report.null_rows += rows_of_manifest(job.name, family, task, manifest)
        for output in prepared.outputs:
            tidy(output.streams[job.number], token)
    files.remove()


def _is_small(prepared: Prepared) -> bool:
    """Whether starting worker processes would take longer than the run."""
    plans = prepared.plans.values()
    return 0 < len(plans) <= SMALL_JOBS and all(plan.small for plan in plans)


def _conclude(
    prepared: Prepared, run: RunFiles, files: Sequence[JobFiles], report: Report
) -> None:
    """Reads how every job ended, and removes the work of those that are done."""
    results = run.results()
    last = max(family.phase for family in prepared.families)
    for index, (job, job_files) in enumerate(zip(prepared.jobs, files, strict=True)):
        ends = [results.get((index, phase)) for phase in range(last + 1)]
        failures = [failure for end in ends if end for failure in end]
        finished = _read_manifests(job.name, job_files, run.run, report)
        if failures or ends[-1] is None:
            report.failures.append(_first(failures, job))
            report.kept += finished
            continue
        report.committed.append(job.name)
        job_files.remove()


def _first(failures: Sequence[Failure], job: Job) -> Failure:
    return next(iter(failures), Failure(job.name, "the run ended before it was done"))


def _read_manifests(stream: str, files: JobFiles, run: str, report: Report) -> int:
    """Adds what the tasks of a job counted; returns how many are finished."""
    finished = 0
    for family, task in files.manifests():
        manifest: Manifest | None = files.manifest(family, task)
        if manifest is None:
            continue
        finished += 1
        report.null_rows += rows_of_manifest(stream, family, task, manifest)
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
