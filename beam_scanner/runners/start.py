"""Chooses where a pipeline runs, by the user's options alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)

from beam_scanner.beam_internals.cell_labels import no_cell_labels
from beam_scanner.beam_internals.fork_check import check_fork
from beam_scanner.beam_internals.job_servers import check_runner
from beam_scanner.errors import ArgumentError
from beam_scanner.forks import fork_client
from beam_scanner.runners import dataflow, flink, portable, prism, spark
from beam_scanner.runners.local import local_run
from beam_scanner.runners.runner_names import runner_name


def preflight(options: PipelineOptions, urls: Iterable[str] = ()) -> None:
    """Refuses a run that would fail later, or hang.

    Args:
        options: The user's options.
        urls: What workers read or write: paths or URLs.

    Raises:
        ArgumentError: Names the flag, its value and what was expected.
        MissingDependencyError: A runner needs a package that is not installed.
        WorkerError: This is a forked child in which a graph would hang.

    Examples:
        >>> preflight(PipelineOptions(['--runner=PortableRunner']))
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: --job_endpoint is missing: expected the \
address of a job server, as localhost:8099
    """
    check_fork()
    if not _is_checked(options, urls, starts=True):
        # The full name: others may have runners of their own.
        name = options.view_as(StandardOptions).runner
        try:
            check_runner(name)
        except Exception as error:
            raise ArgumentError(f"--runner={name}: {error}") from error


def check_pipeline(options: PipelineOptions, urls: Iterable[str]) -> None:
    """The same for a pipeline that Beam starts, and what it needs for that.

    Args:
        options: Of the pipeline, with its runner.
        urls: What workers read or write: paths or URLs.

    Raises:
        ArgumentError: Names the flag, its value and what was expected.
        MissingDependencyError: A runner needs a package that is not installed.
    """
    _is_checked(options, urls, starts=False)


def _is_checked(options: PipelineOptions, urls: Iterable[str], starts: bool) -> bool:
    """Checks options of a runner that this package knows; False for any other."""
    if local_run.is_local(options):
        return True
    if prism.is_prism(options):
        prism.check(options, urls, starts)
    elif flink.is_flink(options):
        flink.check(options, urls, starts)
    elif spark.is_spark(options):
        spark.check(options, urls)
    elif dataflow.is_dataflow(options):
        dataflow.check(options, urls)
    elif _has_job_service(options):
        portable.check(options, urls)
    else:
        return False
    return True


def why_out_of_reach(options: PipelineOptions) -> str:
    """Why no worker finds what lies under a path of this machine; '' if some may.

    Examples:
        >>> why_out_of_reach(PipelineOptions(['--runner=DataflowRunner']))
        "is out of reach of Dataflow's workers: expected gs://BUCKET/..."
        >>> why_out_of_reach(PipelineOptions(['--runner=PrismRunner']))
        ''
    """
    if local_run.is_local(options):
        return ""
    if dataflow.is_dataflow(options):
        return dataflow.OUT_OF_REACH
    kind = options.view_as(PortableOptions).environment_type
    if flink.is_flink(options):
        kind = flink.environment(options)
    elif spark.is_spark(options):
        kind = spark.environment(options)
    elif not prism.is_prism(options) and _has_job_service(options):
        kind = kind or portable.DOCKER
    return portable.OUT_OF_REACH if kind == portable.DOCKER else ""


def run_pipeline(
    options: PipelineOptions,
    build: Callable[[Pipeline], Any],
    small: bool = False,
    wait: bool = True,
    again: local_run.Again | None = None,
) -> Any:
    """Builds a pipeline and runs it to its end.

    Args:
        options: The user's options, as ``preflight`` was given them.
        build: Applies transforms to the pipeline.
        small: Whether the run is too small for worker processes to pay off; only for
            local runs.
        wait: Whether to wait for the end of a run on other machines.
        again: What comes before a local run is started again, since a worker process
            has died; None if a pipeline that is run a second time would not resume.

    Returns:
        Beam's result.

    Raises:
        WorkerError: The pipeline failed: a worker died, or could not do its work.
    """

    def quietly(pipeline: Pipeline) -> Any:
        with no_cell_labels():
            return build(pipeline)

    if local_run.is_local(options):
        return local_run.run(options, quietly, small, again)
    if ends_with_us(options):
        # Workers are threads of this process, and will need forks.
        with suppress(OSError):
            fork_client.get_ready()
    if prism.is_prism(options):
        return prism.run(options, quietly, wait)
    if flink.is_flink(options):
        return flink.run(options, quietly, wait)
    return portable.run(options, quietly, wait=wait)


def ends_with_us(options: PipelineOptions) -> bool:
    """Whether a run ends when this process does, since its workers are ours.

    Examples:
        >>> ends_with_us(PipelineOptions(['--runner=DirectRunner']))
        True
        >>> ends_with_us(PipelineOptions(['--runner=DataflowRunner']))
        False
    """
    kind = options.view_as(PortableOptions).environment_type
    if local_run.is_local(options):
        return True
    if prism.is_prism(options):
        return kind in (None, portable.LOOPBACK)
    return bool(kind == portable.LOOPBACK)


def runs_here(options: PipelineOptions, small: bool) -> bool:
    """Whether tasks are run by threads of this process, as Beam's own local runner does.

    Args:
        options: The user's.
        small: As for ``run_pipeline``.

    Examples:
        >>> runs_here(PipelineOptions(['--direct_running_mode=in_memory']), False)
        True
        >>> runs_here(PipelineOptions(['--runner=PrismRunner']), False)
        False
    """
    return local_run.is_local(options) and local_run.is_in_process(options, small)


def _has_job_service(options: PipelineOptions) -> bool:
    given = options.view_as(PortableOptions).job_endpoint is not None
    return given or runner_name(options) == "portable"
