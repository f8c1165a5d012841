"""Spark: what can be known of its workers before a pipeline is sent.

Beam starts a job server for ``--runner=SparkRunner``, or uses one that runs. Nothing of
this package is tested on Spark; what surely fails is refused all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from apache_beam.options.pipeline_options import (
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
)

from beam_scanner.runners import portable
from beam_scanner.runners.runner_names import runner_name

_LOCAL = re.compile(r"local(\[.+\])?$")
_ADDRESS = re.compile(r"\w+://([^:/,]+)(:\d+)?$")


def is_spark(options: PipelineOptions) -> bool:
    """Whether the options name Spark's runner.

    Examples:
        >>> is_spark(PipelineOptions(['--runner=SparkRunner']))
        True
    """
    return runner_name(options) == "spark"


def environment(options: PipelineOptions) -> str:
    """Where the workers of ``--runner=SparkRunner`` run.

    Examples:
        >>> environment(PipelineOptions([]))
        'LOOPBACK'
        >>> environment(PipelineOptions(['--spark_master_url=spark://spark:7077']))
        'DOCKER'
    """
    portable_options = options.view_as(PortableOptions)
    given: str | None = portable_options.environment_type
    here = _is_local(options) and not portable_options.output_executable_path
    return given or (portable.LOOPBACK if here else portable.DOCKER)


def check(options: PipelineOptions, urls: Iterable[str] = ()) -> None:
    """Refuses options of ``--runner=SparkRunner`` that would fail or hang later.

    Args:
        options: Of the job.
        urls: What workers read or write: databases, videos and others.

    Raises:
        ArgumentError: Names the flag, its value and what was expected.

    Examples:
        >>> check(PipelineOptions(['--spark_master_url=spark://spark:7077']))
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: the environment is DOCKER (the default) and \
--environment_config is missing: Beam's own image has neither this package nor PyAV. \
Expected an image with both, or another --environment_type (LOOPBACK, EXTERNAL)
    """
    if options.view_as(PortableOptions).job_endpoint is not None:
        portable.check(options, urls, environment(options))
        return
    address = _ADDRESS.match(options.view_as(SparkRunnerOptions).spark_master_url)
    here = address is not None and portable.is_here(address[1])
    far = not _is_local(options) and not here
    portable.check_environment(options, environment(options), far, urls)


def _is_local(options: PipelineOptions) -> bool:
    master = options.view_as(SparkRunnerOptions).spark_master_url
    return _LOCAL.match(master) is not None
