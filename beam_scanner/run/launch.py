"""Runs a prepared graph and reports how it went."""

from __future__ import annotations

import shlex
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.elements.constants import Constants
from beam_scanner.engine.instance_pool import forget_fetched
from beam_scanner.errors import ArgumentError, Failure, StorageError, Tally
from beam_scanner.graph.nodes import OpNode, topological
from beam_scanner.kernels.pickling import for_workers
from beam_scanner.planner.cut_tasks import frames_to_decode
from beam_scanner.planner.forecast import calls_of
from beam_scanner.planner.merge_tasks import jobs_at_once
from beam_scanner.run.failure_records import (
    TaskRows,
    each_once,
    rows_of_manifest,
)
from beam_scanner.run.gpu_stages import check_gpus, gpu_phases
from beam_scanner.run.job import Job
from beam_scanner.run.job_files import JobFiles, Manifest
from beam_scanner.run.keep_failures import KeepFailures
from beam_scanner.run.options import Limits, ScannerOptions
from beam_scanner.run.picklable import check_picklable
from beam_scanner.run.pickled_outputs import warn_of_pickles
from beam_scanner.run.pipeline_stages import EndRun, RunGraph
from beam_scanner.run.prepare import Prepared
from beam_scanner.run.progress import Watcher
from beam_scanner.run.publish import end_published
from beam_scanner.run.run_files import RunFiles, end_interrupted
from beam_scanner.run.run_settings import RunSettings, reason_stopped
from beam_scanner.run.sent_file_systems import pack_file_systems
from beam_scanner.run.tasks.supervisor import end_hosts
from beam_scanner.run.worker_run import StoredRun, close_runs, process_token
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

SMALL_ROWS = 300
"""Jobs whose nodes make no more rows, and decode no more frames, are small."""

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
        kept: Finished tasks of jobs that failed, from which another run can resume.
        rows_failed: Rows of ops with ``on_error='null'`` that are null because their
            kernel raised, those that an interrupted run had found included.
        failure_file: The Parquet file with every failure, of streams and of rows; ''
            where nothing failed.
        seconds: How long it took.
        traces: Trace of every task, for profiles.
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
    seconds: float = 0.0
    traces: list[dict[str, Any]] = field(default_factory=list)
    null_rows: list[TaskRows] = field(default_factory=list, repr=False)
    calls: dict[str, str] = field(default_factory=dict)

    @property
    def tally(self) -> Tally:
        """The streams that did not fail, in numbers."""
        return Tally(len(self.committed), len(self.cached), self.failure_file)


def hint_about_kept(kept: int, db_path: str) -> str:
    """What to say of finished tasks of jobs that failed; '' where there are none.

    Examples:
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
    detach: bool = False,
) -> Report:
    """Runs the jobs of a prepared run as one Beam pipeline.

    Args:
        prepared: What to run.
        storage: The database.
        options: The user's Beam options.
        show_progress: Whether to draw a progress bar.
        max_failures: See ``Client.run``.
        limits: Of each task; as the options say if None.
        detach: Return when the runner has taken the pipeline. The workers commit and
            tidy up, and store what failed beside the outputs.

    Returns:
        How it went; failures are listed, not raised. With ``detach`` what is known
        already: streams that are there, and inputs that cannot be read.

    Raises:
        ArgumentError: A kernel or an argument cannot be sent to workers.
        WorkerError: The pipeline could not be run; finished tasks are kept.
    """
    began = time.monotonic()
    settings = _settings(prepared, limits or Limits.of(options), max_failures)
    store, report = _begin(prepared, storage)
    run = RunFiles(store, uuid.uuid4().hex)
    if _may_run(prepared, settings, report):
        preflight(options, [store.url, *prepared.worker_paths()])
        hints = run_hints(options.view_as(ScannerOptions))
        nodes = topological(prepared.outputs)
        check_gpus(nodes, options, hints, prepared.decoder)
        if detach:
            _submit(prepared, store, run, replace(settings, detached=True), options)
            _keep(store, report)
        else:
            _run(prepared, store, run, settings, options, show_progress, report)
    else:
        if not prepared.jobs:
            _end_interrupted(prepared, store)
        _keep(store, report)
    report.seconds = time.monotonic() - began
    return report


def _run(
    prepared: Prepared,
    store: ObjectStore,
    run: RunFiles,
    settings: RunSettings,
    options: PipelineOptions,
    show_progress: bool,
    report: Report,
) -> None:
    """Runs the pipeline to its end, and reports how each job ended."""
    small = _is_small(prepared)
    ended = not prepared.published_by
    # Where the runner does not end with this process, the run is not abandoned when
    # this process has died.
    with run.held() if ends_with_us(options) else nullcontext():
        try:
            here = process_token() if runs_here(options, small) else ""
            alone = bool(here) and not settings.limits.timeout
            with for_workers(elsewhere=not ends_with_us(options), here=alone):
                source = write_run(prepared, run, replace(settings, here=here))
            build = _pipeline(source, settings, len(prepared.jobs), options)
            _end_interrupted(prepared, store, run.run)
            with Watcher(prepared, show_progress):
                run_pipeline(options, build, small=small, again=True)
            done = conclude(prepared, run, report)
            _keep(store, report, run.run)
            ended = False
            end_jobs(done)
            ended = True
        finally:
            # Hosts first: nothing may write for a run whose files are removed.
            end_hosts(run.run)
            close_runs(run.run)
            forget_fetched(run.run)
            run.remove(tokens=ended)


def _submit(
    prepared: Prepared,
    store: ObjectStore,
    run: RunFiles,
    settings: RunSettings,
    options: PipelineOptions,
) -> None:
    """Gives the pipeline to a runner that continues without this process."""
    with for_workers(elsewhere=True):
        source = write_run(prepared, run, settings)
    _end_interrupted(prepared, store, run.run)
    build = _pipeline(source, settings, len(prepared.jobs), options)
    try:
        run_pipeline(options, build, wait=False)
    except BaseException:
        run.remove(tokens=not prepared.published_by)
        raise


def _settings(
    prepared: Prepared, limits: Limits, max_failures: float | None
) -> RunSettings:
    """How the jobs are to be run, wherever that is."""
    if isinstance(max_failures, float):
        max_failures = int(max_failures * prepared.total)
    return RunSettings(
        prepared.graph,
        prepared.perf.work_packet_size,
        prepared.perf.io_packet_size,
        checked=prepared.checked,
        limits=limits,
        max_failures=max_failures,
        jobs=prepared.total,
        failed=len(prepared.failures),
        file_systems=pack_file_systems(),
        decoder=prepared.decoder,
    )


def _begin(prepared: Prepared, storage: NamedStorage) -> tuple[ObjectStore, Report]:
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


def _end_interrupted(prepared: Prepared, store: ObjectStore, run: str = "") -> None:
    """Removes what interrupted runs have left, once this one has noted it."""
    for job in prepared.published:
        end_published(job.files, job.output_streams)
    tokens = {job.record.token for job in prepared.jobs} | prepared.published_by
    end_interrupted(store, tokens, run)


def _may_run(prepared: Prepared, settings: RunSettings, report: Report) -> bool:
    """Whether there are jobs to run; if too many have failed, they are reported."""
    most, failed = settings.max_failures, settings.failed
    if most is None or failed <= most:
        return bool(prepared.jobs)
    reason = reason_stopped(failed, settings.jobs, most)
    names = [job.record.name for job in prepared.jobs]
    report.failures += [Failure(name, reason, kind="skipped") for name in names]
    return False


def check_max_failures(given: Any) -> None:
    """Refuses what is neither a number of streams nor a share of them.

    Raises:
        ArgumentError: Says what was expected.

    Examples:
        >>> check_max_failures(0.05), check_max_failures(3), check_max_failures(None)
        (None, None, None)
    """
    whole = type(given) is int and given >= 0
    if not (given is None or whole or (type(given) is float and 0 < given < 1)):
        raise ArgumentError(
            "max_failures must be a number of streams (0, 1, 2, ...) or a share of "
            f"them above 0.0 and below 1.0, got {given!r}"
        )


def _keep(store: ObjectStore, report: Report, run: str = "") -> None:
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


def write_run(prepared: Prepared, run: RunFiles, settings: RunSettings) -> StoredRun:
    """Begins all jobs, and stores what workers must know of the run.

    Args:
        prepared: What is to be run.
        run: Files of the run.
        settings: How.

    Returns:
        Where workers find it.
    """
    first = prepared.jobs[0].record.values
    check_picklable((settings, first), topological(prepared.outputs))
    for job in prepared.jobs:
        job.begin()
    # The fingerprints were made before this pickles the kernels: a value that changed
    # in between would be stored under the fingerprint of another.
    records = [job.record for job in prepared.jobs]
    digest = run.write(settings, records, prepared.published_by)
    prepared.fingerprints.check_unchanged(
        (job.number, job.record.fingerprint) for job in prepared.jobs
    )
    return StoredRun(run.url, run.run, digest)


def _pipeline(
    source: StoredRun, settings: RunSettings, jobs: int, options: PipelineOptions
) -> Callable[[Any], Any]:
    phases = settings.graph.phases
    hints = run_hints(options.view_as(ScannerOptions))

    def build(pipeline: Any) -> None:
        # Numbers, since records hold streams and arguments of any size and type.
        numbers = pipeline | "Jobs" >> Constants(range(jobs))
        gpus = gpu_phases(settings.graph, settings.decoder)
        at_once = jobs_at_once(node for node, _ in settings.graph.nodes)
        graph = RunGraph(source, phases, hints, gpus, at_once)
        ended = numbers | "Run graph" >> graph
        if settings.detached:
            failed = graph.failed | "Failed" >> beam.Flatten()
            failed | "Keep failures" >> KeepFailures(source)
            ended | "End" >> EndRun(source, phases - 1)

    return build


def _is_small(prepared: Prepared) -> bool:
    """Whether starting worker processes would take longer than the run."""
    few = prepared.checked and len(prepared.jobs) <= SMALL_JOBS
    return few and all(map(_is_small_job, prepared.jobs))


def _is_small_job(job: Job) -> bool:
    needs = [(graph, graph.all_needs()) for graph in job.graphs]
    return all(
        max(map(len, rows)) <= SMALL_ROWS
        and frames_to_decode(graph, rows) <= SMALL_ROWS
        for graph, rows in needs
    )


def conclude(prepared: Prepared, run: RunFiles, report: Report) -> list[Job]:
    """Reads how every job ended; returns those that are done."""
    results = run.results()
    done: list[Job] = []
    for index, job in enumerate(prepared.jobs):
        ends = [results.get((index, phase)) for phase in range(prepared.graph.phases)]
        failures = [failure for end in ends if end for failure in end]
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
