"""Runs a prepared graph and reports how it went."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, BinaryIO, Self

import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.elements.constants import Constants
from beam_scanner.engine.instance_pool import forget_fetched
from beam_scanner.errors import ArgumentError, Failure
from beam_scanner.graph.builder import input_type
from beam_scanner.graph.nodes import InputNode, topological
from beam_scanner.kernels.pickling import for_workers
from beam_scanner.measure.spans import span
from beam_scanner.planner.cut_tasks import TaskCuts, frames_to_decode
from beam_scanner.planner.merge_tasks import jobs_at_once
from beam_scanner.run.check_packages import check_packages
from beam_scanner.run.early_start import SMALL_JOBS
from beam_scanner.run.gpu_stages import check_gpus, gpu_phases
from beam_scanner.run.job import Job
from beam_scanner.run.options import Limits, ScannerOptions
from beam_scanner.run.picklable import check_picklable
from beam_scanner.run.pipeline_stages import RunGraph
from beam_scanner.run.prepare import Prepared
from beam_scanner.run.progress import Watcher
from beam_scanner.run.publish import end_published
from beam_scanner.run.report import (
    Report,
    begin_report,
    conclude,
    end_jobs,
    keep_report,
)
from beam_scanner.run.run_files import JobTasks, RunFiles, end_interrupted
from beam_scanner.run.run_settings import RunSettings, reason_stopped
from beam_scanner.run.sent_file_systems import pack_file_systems
from beam_scanner.run.tasks.attempt_marks import forget_killed
from beam_scanner.run.tasks.supervisor import end_hosts
from beam_scanner.run.worker_run import StoredRun, close_runs, process_token
from beam_scanner.runners.dataflow import run_hints
from beam_scanner.runners.local.local_run import one_process
from beam_scanner.runners.start import (
    ends_with_us,
    preflight,
    run_pipeline,
    runs_here,
)
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.stores.open import open_store

SMALL_ROWS = 300
"""Jobs whose nodes make no more rows, and decode no more frames, are small."""


@dataclass
class Course:
    """A run that is written to storage: what its driver needs, to take it to its end.

    Attributes:
        store: The database.
        files: Of the run.
        source: Where workers find it.
        settings: How its jobs are run.
        jobs: The jobs.
        report: What is known before it runs.
        small: Whether starting worker processes would take longer than the run.
        interrupted: Whether an interrupted run has published some of its streams.
        handed_over: Whether somebody else has it, and ends it.
    """

    store: ObjectStore
    files: RunFiles
    source: StoredRun
    settings: RunSettings
    jobs: Sequence[Job]
    report: Report
    small: bool = False
    interrupted: bool = False
    handed_over: bool = False

    @classmethod
    def read(cls, source: StoredRun, report: Report, **values: Any) -> Self:
        """The course of a run that another process has written."""
        store = open_store(source.db)
        files = RunFiles(store, source.run)
        settings = files.settings(source.digest)
        records = chain.from_iterable(
            files.jobs(number, settings.digests)
            for number in range(len(settings.digests))
        )
        jobs = [
            Job(record, settings.graph, store, source.run, number)
            for number, record in enumerate(records)
        ]
        return cls(store, files, source, settings, jobs, report, **values)


HandOver = Callable[[Course, BinaryIO | None], None]
"""Gives a run to another process, with the lock that shows that its driver lives."""


def execute(
    prepared: Prepared,
    storage: NamedStorage,
    options: PipelineOptions,
    show_progress: bool,
    max_failures: float | None = None,
    limits: Limits | None = None,
    name: str = "",
    hand_over: HandOver | None = None,
) -> Report:
    """Runs the jobs of a prepared run as one Beam pipeline.

    Args:
        prepared: What to run.
        storage: The database.
        options: The user's Beam options.
        show_progress: Whether to draw a progress bar.
        max_failures: See ``Client.run``.
        limits: Of each task; as the options say if None.
        name: Of a run that has a number, by which it can be followed and cancelled.
        hand_over: Has another process take it to its end.

    Returns:
        How it went; failures are listed, not raised. Of a run that was handed over,
        what is known already: streams that are there, and inputs that cannot be read.

    Raises:
        ArgumentError: A kernel or an argument cannot be sent to workers.
        WorkerError: The pipeline could not be run; finished tasks are kept.
    """
    began = time.monotonic()
    settings = _settings(prepared, limits or Limits.of(options), max_failures)
    settings = replace(settings, numbered=bool(name))
    store, report = begin_report(prepared, storage)
    run = RunFiles(store, name or uuid.uuid4().hex)
    if _may_run(prepared, settings, report):
        preflight(options, [store.url, *prepared.worker_paths()])
        hints = run_hints(options.view_as(ScannerOptions))
        nodes = topological(prepared.outputs)
        check_packages(nodes, options)
        check_gpus(nodes, options, hints, prepared.decoder)
        # Where the runner does not end with this process, the run is not abandoned when
        # this process has died.
        with run.held() if ends_with_us(options) else nullcontext() as lock:
            source, small = StoredRun(run.url, run.run), _is_small(prepared)
            course = Course(store, run, source, settings, prepared.jobs, report, small)
            course.interrupted = bool(prepared.published_by)
            with _removed_on_error(course):
                with span("send graph"):
                    _write(prepared, course, options, here=hand_over is None)
                if hand_over is not None:
                    hand_over(course, lock)
            if hand_over is None:
                drive(course, options, show_progress)
    else:
        if not prepared.jobs:
            _end_interrupted(prepared, store)
        keep_report(store, report)
    report.seconds = time.monotonic() - began
    return report


def _write(
    prepared: Prepared, course: Course, options: PipelineOptions, here: bool
) -> None:
    """Writes a run, so that workers and its driver find it.

    Args:
        prepared: The run.
        course: The same, to be completed.
        options: The user's Beam options.
        here: Whether this process drives it.
    """
    in_here = here and runs_here(_for_gpus(course, options), course.small)
    token = process_token() if in_here else ""
    course.settings = replace(course.settings, here=token)
    alone = in_here and not course.settings.limits.timeout
    with for_workers(elsewhere=not ends_with_us(options), here=alone):
        course.source = write_run(prepared, course.files, course.settings)
    course.report.total_tasks = prepared.tasks
    _end_interrupted(prepared, course.store, course.files.run)


@contextmanager
def _removed_on_error(course: Course) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if not course.handed_over:
            end_run(course, ended=not course.interrupted)
        raise


def drive(course: Course, options: PipelineOptions, show_progress: bool) -> None:
    """Runs the pipeline of a run to its end, and reports how each job ended.

    Args:
        course: The run.
        options: The user's Beam options.
        show_progress: Whether to draw a progress bar.

    Raises:
        WorkerError: The pipeline could not be run; finished tasks are kept.
    """
    files, ended = course.files, not course.interrupted
    options = _for_gpus(course, options)
    try:
        build = _pipeline(course.source, course.settings, len(course.jobs), options)
        watcher = Watcher(course.store, files, show_progress)
        with watcher, span("pipeline"):
            again = partial(forget_killed, files)
            run_pipeline(options, build, small=course.small, again=again)
        phases = course.settings.graph.phases
        with span("conclude"):
            done = conclude(course.jobs, phases, files, course.report)
            keep_report(course.store, course.report, files.run)
        ended = False
        with span("tidy up"):
            end_jobs(done)
        # An equal run goes on with the rest of one that was stopped: it must know what
        # is committed as its own.
        ended = not (course.report.failures and course.report.stopped)
    finally:
        end_run(course, ended)


def _for_gpus(course: Course, options: PipelineOptions) -> PipelineOptions:
    """The options for a run, which has one process where it needs a GPU."""
    settings = course.settings
    needs = not course.small and gpu_phases(settings.graph, settings.decoder)
    return one_process(options) if needs else options


def end_run(course: Course, ended: bool) -> None:
    """Ends the processes of a run, and removes its files.

    Args:
        course: The run.
        ended: Whether it need not be known again, when an equal run goes on.
    """
    name = course.source.run
    # Hosts first: nothing may write for a run whose files are removed.
    end_hosts(name)
    close_runs(name)
    forget_fetched(name)
    course.files.remove(tokens=ended)


def submit(course: Course, options: PipelineOptions, end: Callable[[Any], Any]) -> Any:
    """Gives the pipeline of a run to a runner that continues without this process.

    Args:
        course: The run.
        options: The user's Beam options.
        end: Applies what is to follow the commit of all jobs.

    Returns:
        Beam's result.
    """
    jobs = len(course.jobs)
    build = _pipeline(course.source, course.settings, jobs, options, end)
    return run_pipeline(options, build, wait=False)


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
    run.write_tasks(_tasks(prepared))
    return StoredRun(run.url, run.run, digest)


def _tasks(prepared: Prepared) -> list[JobTasks]:
    """The rows of the tasks of all jobs, if these were checked."""
    found = topological(prepared.outputs)
    inputs = [node.streams for node in found if isinstance(node, InputNode)]
    return [
        _tasks_of(job, prepared.cuts(job), [streams[job.number] for streams in inputs])
        for job in (prepared.jobs if prepared.checked else [])
    ]


def _tasks_of(
    job: Job, families: Sequence[TaskCuts], inputs: Sequence[StoredStream]
) -> JobTasks:
    rows = [np.diff(family.bounds, axis=0) for family in families]
    return JobTasks(
        job.record.fingerprint,
        job.record.token,
        [found.sum(axis=1).tolist() for found in rows],
        job.record.mark,
        inputs[0].name(),
        max(int(found.sum(axis=0).max()) for found in rows),
        any(input_type(stream) is None for stream in inputs),
    )


def _pipeline(
    source: StoredRun,
    settings: RunSettings,
    jobs: int,
    options: PipelineOptions,
    end: Callable[[Any], Any] | None = None,
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
        if end is not None:
            end(ended)

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
