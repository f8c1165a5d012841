"""Runs what was prepared, and says how it went."""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner._pickling import for_workers
from beam_scanner.engine.pool import forget_fetched
from beam_scanner.errors import Failure
from beam_scanner.jobs import SharedGraph, check_ships
from beam_scanner.prepare import Job, Prepared
from beam_scanner.progress import Watcher
from beam_scanner.runners.dataflow import run_hints
from beam_scanner.runners.start import ends_with_us, preflight, run_pipeline
from beam_scanner.storage.named import NamedStorage
from beam_scanner.storage.store import ObjectStore
from beam_scanner.transforms.context import StoredRun, close_contexts
from beam_scanner.transforms.options import ScannerOptions
from beam_scanner.transforms.publish import is_spent, tidy
from beam_scanner.transforms.run_graph import EndRun, RunGraph
from beam_scanner.transforms.work import (
    JobFiles,
    JobRecord,
    Manifest,
    RunFiles,
    RunSettings,
    remove_abandoned,
)

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
        seconds: How long it took.
        traces: Trace of every task, for profiles.
    """

    committed: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    tasks: int = 0
    reused: int = 0
    kept: int = 0
    seconds: float = 0.0
    traces: list[dict[str, Any]] = field(default_factory=list)


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
) -> Report:
    """Runs the jobs of a prepared run as one Beam pipeline.

    Args:
        prepared: What to run.
        storage: The database.
        options: The user's Beam options.
        show_progress: Whether to draw a progress bar.

    Returns:
        How it went; failures are listed, not raised.

    Raises:
        ArgumentError: A kernel or an argument cannot be sent to workers.
        WorkerError: A worker process died; finished tasks are kept.
    """
    began = time.monotonic()
    store, report = _begin(prepared, storage)
    if prepared.jobs:
        preflight(options, [store.url, *prepared.places()])
        run = RunFiles(store, uuid.uuid4().hex)
        files = [JobFiles(store, job.fingerprint) for job in prepared.jobs]
        # A runner elsewhere goes on when this process has died.
        with run.held() if ends_with_us(options) else nullcontext():
            try:
                with for_workers(elsewhere=not ends_with_us(options)):
                    phases = _write_run(prepared, run, files)
                with Watcher(prepared, files, show_progress):
                    run_pipeline(
                        options,
                        _pipeline(
                            store.url,
                            run.run,
                            phases,
                            len(prepared.jobs),
                            run_hints(options.view_as(ScannerOptions)),
                        ),
                        small=_is_small(prepared),
                    )
                _conclude(prepared, run, files, report)
            finally:
                close_contexts(run.run)
                forget_fetched(run.run)
                run.remove()
    report.seconds = time.monotonic() - began
    return report


def submit(
    prepared: Prepared, storage: NamedStorage, options: PipelineOptions
) -> Report:
    """Starts the jobs of a prepared run on a runner that goes on without us.

    The workers commit and tidy up; why streams failed is in their logs.

    Args:
        prepared: What to run.
        storage: The database.
        options: The user's Beam options.

    Returns:
        What is known already: streams that are there, and inputs that cannot be read.

    Raises:
        ArgumentError: A kernel or an argument cannot be sent to workers.
        WorkerError: The runner did not take the job.
    """
    store, report = _begin(prepared, storage)
    if prepared.jobs:
        preflight(options, [store.url, *prepared.places()])
        run = RunFiles(store, uuid.uuid4().hex)
        files = [JobFiles(store, job.fingerprint) for job in prepared.jobs]
        with for_workers(elsewhere=True):
            phases = _write_run(prepared, run, files, detached=True)
        hints = run_hints(options.view_as(ScannerOptions))
        try:
            run_pipeline(
                options,
                _pipeline(store.url, run.run, phases, len(prepared.jobs), hints, True),
                wait=False,
            )
        except BaseException:
            run.remove()
            raise
    return report


def _begin(prepared: Prepared, storage: NamedStorage) -> tuple[ObjectStore, Report]:
    """Tidies up behind earlier runs, and begins the report."""
    store = storage.store(create=True)
    report = Report(cached=[job.name for job in prepared.cached])
    report.failures = list(prepared.failures.values())
    for job in prepared.finished:
        _finish(prepared, job, JobFiles(store, job.fingerprint))
    remove_abandoned(store)
    return store, report


def _write_run(
    prepared: Prepared,
    run: RunFiles,
    files: Sequence[JobFiles],
    detached: bool = False,
) -> int:
    shared, nodes = SharedGraph.of(prepared.families)
    settings = RunSettings(
        shared,
        prepared.perf.work_packet_size,
        prepared.perf.io_packet_size,
        checked=bool(prepared.plans),
        detached=detached,
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
    run.write(settings, records)
    return shared.phases


def _spent(prepared: Prepared, job: Job) -> Callable[[str], bool]:
    streams = [output.streams[job.number] for output in prepared.outputs]
    return lambda token: is_spent(streams, token)


def _pipeline(
    db: str,
    run: str,
    phases: int,
    jobs: int,
    hints: Mapping[str, str],
    detached: bool = False,
) -> Callable[[Any], Any]:
    def build(pipeline: Any) -> None:
        numbers = pipeline | "Jobs" >> beam.Create(range(jobs))
        source = StoredRun(db, run)
        ended = numbers | "Run graph" >> RunGraph(source, phases, hints)
        if detached:
            ended | "End" >> EndRun(source)

    return build


def _finish(prepared: Prepared, job: Job, files: JobFiles) -> None:
    """Ends a job whose run was interrupted after its last stream was committed."""
    token = files.token()
    if token is not None:
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
        finished = _read_manifests(job_files, run.run, report)
        if failures or ends[-1] is None:
            report.failures.append(_first(failures, job))
            report.kept += finished
            continue
        report.committed.append(job.name)
        job_files.remove()


def _first(failures: Sequence[Failure], job: Job) -> Failure:
    return next(iter(failures), Failure(job.name, "the run ended before it was done"))


def _read_manifests(files: JobFiles, run: str, report: Report) -> int:
    """Adds what the tasks of a job counted; returns how many are finished."""
    finished = 0
    for family, task in files.manifests():
        manifest: Manifest | None = files.manifest(family, task)
        if manifest is None:
            continue
        finished += 1
        if manifest["run"] != run:
            report.reused += 1
            continue
        report.tasks += 1
        trace = manifest["trace"]
        report.traces.append({"task": f"{family}-{task}", **trace})
        for name, value in trace["counters"].items():
            report.counters[name] = report.counters.get(name, 0) + value
    return finished
