"""Flink: a cluster of machines, or an embedded Flink for each run.

Pipelines are submitted to a *job server*. Either to one that is running::

    options = flink.options(
        job_endpoint='localhost:8099', worker_pool='localhost:8097', parallelism=8
    )

or to one that Beam starts for the run, from a jar (``scripts/runners.py`` makes one)::

    options = flink.options(
        job_server_jar='.cache/runners/flink/job-server.jar', parallelism=2
    )

which runs jobs in this machine's memory unless ``master`` names a cluster. Kernels run
in this program's threads, or in processes of a worker pool beside each TaskManager, or
in containers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from typing import Any

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
)

from beam_scanner.beam_internals.job_servers import EMBEDDED_MASTERS, OwnFlink
from beam_scanner.beam_internals.log_echoes import without_job_echoes
from beam_scanner.beam_internals.root_logger import keeps_root_logger
from beam_scanner.errors import ArgumentError
from beam_scanner.runners import portable
from beam_scanner.runners.runner_names import options_for, runner_name

_CACHE_MILLIS = 500
"""How long workers wait for their next stage: starting them takes seconds.

It must be less than the delay of Flink's restart strategy, a second mostly: until it is
over a job whose worker has died is given the dead one again.
"""


def is_flink(options: PipelineOptions) -> bool:
    """Whether the options name Flink's runner.

    Examples:
        >>> is_flink(PipelineOptions(['--runner=FlinkRunner']))
        True
    """
    return runner_name(options) == "flink"


@keeps_root_logger
def options(
    *,
    job_endpoint: str | None = None,
    artifact_endpoint: str | None = None,
    job_server_jar: str | os.PathLike[str] | None = None,
    master: str | None = None,
    parallelism: int | None = None,
    worker_pool: str | None = None,
    image: str | None = None,
    more: Iterable[str] = (),
) -> PipelineOptions:
    """Options for runs on Flink, checked.

    Args:
        job_endpoint: Address of a running job server.
        artifact_endpoint: Address of its artifact service, if it does not give one.
        job_server_jar: Starts a job server for each run, from this jar; needs Java.
        master: Address of the cluster's REST API for this job server, as
            ``localhost:8081``; None for a Flink in its own process.
        parallelism: Tasks at a time; Flink's default if None.
        worker_pool: Address at which each TaskManager finds a worker pool.
        image: Image of the workers, with this package in it.
        more: More of Beam's flags.

    Without a pool and an image, workers are threads of this program.

    Raises:
        ArgumentError: See ``check``; or options exclude each other.

    Examples:
        >>> options(job_endpoint='localhost:9', parallelism=2)
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: --job_endpoint=localhost:9: nothing listens \
there (Connection refused): expected the address of a job server
    """
    _only_one(job_endpoint=job_endpoint, job_server_jar=job_server_jar)
    _only_one(job_endpoint=job_endpoint, master=master)
    _only_one(worker_pool=worker_pool, image=image)
    kinds = {worker_pool: portable.EXTERNAL, image: portable.DOCKER}
    config = worker_pool or image
    values = {
        "job_endpoint": job_endpoint,
        "artifact_endpoint": artifact_endpoint,
        "flink_job_server_jar": job_server_jar,
        "flink_master": master,
        "parallelism": parallelism,
        "environment_type": kinds[config] if config else portable.LOOPBACK,
        "environment_config": config,
        "environment_cache_millis": _CACHE_MILLIS,
    }
    ours = job_endpoint is None
    made = options_for("FlinkRunner" if ours else "PortableRunner", values, more)
    (check if ours else portable.check)(made)
    return made


def _only_one(**given: object) -> None:
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise ArgumentError(f"{' and '.join(names)} are given: expected one of them")


def environment(options: PipelineOptions) -> str:
    """Where the workers of ``--runner=FlinkRunner`` run.

    Examples:
        >>> environment(PipelineOptions([]))
        'LOOPBACK'
        >>> environment(PipelineOptions(['--flink_master=flink:8081']))
        'DOCKER'
    """
    embedded = options.view_as(FlinkRunnerOptions).flink_master in EMBEDDED_MASTERS
    given: str | None = options.view_as(PortableOptions).environment_type
    return given or (portable.LOOPBACK if embedded else portable.DOCKER)


def check(
    options: PipelineOptions, urls: Iterable[str] = (), starts: bool = True
) -> None:
    """Refuses options of ``--runner=FlinkRunner`` that would fail or hang later.

    Args:
        options: Of the job.
        urls: What workers read or write: databases, videos and others.
        starts: Whether a job server is started by this package; else Beam does it,
            which may download one.

    Raises:
        ArgumentError: Names the flag, its value and what was expected.

    Examples:
        >>> check(PipelineOptions(['--flink_master=localhost:9']))
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: --flink_master=localhost:9: nothing listens \
there (Connection refused): expected the address of Flink's REST
    """
    flink = options.view_as(FlinkRunnerOptions)
    if options.view_as(PortableOptions).job_endpoint is not None:
        portable.check(options, urls, environment(options))
        return
    far = False
    if flink.flink_master not in EMBEDDED_MASTERS:
        address = flink.flink_master.partition("://")[2] or flink.flink_master
        host = portable.check_listening(
            "--flink_master", address.rstrip("/"), "Flink's REST"
        )
        far = not portable.is_here(host)
    if starts and not flink.flink_submit_uber_jar:
        _check_job_server(options)
    portable.check_environment(options, environment(options), far, urls)


def _check_job_server(options: PipelineOptions) -> None:
    java = options.view_as(JobServerOptions).job_server_java_launcher
    if shutil.which(java) is None:
        raise ArgumentError(
            f"--job_server_java_launcher={java!r}: there is no such program; a job "
            "server needs Java"
        )
    jar = options.view_as(FlinkRunnerOptions).flink_job_server_jar
    # Beam would try to download one, for minutes and without saying so.
    if jar is None:
        raise ArgumentError(
            "--flink_job_server_jar is missing: expected a jar of Beam's Flink job "
            "server, a file or a URL; or --runner=PortableRunner and the "
            "--job_endpoint of a job server that runs already"
        )
    if "://" not in jar and not os.path.isfile(jar):
        raise ArgumentError(f"--flink_job_server_jar={jar!r}: there is no such file")


def run(
    options: PipelineOptions, build: Callable[[Pipeline], Any], wait: bool = True
) -> Any:
    """Runs a pipeline with ``--runner=FlinkRunner``; see ``portable.run``.

    Raises:
        WorkerError: The pipeline failed.
    """
    server_is_ours = options.view_as(PortableOptions).job_endpoint is None
    if not server_is_ours or options.view_as(FlinkRunnerOptions).flink_submit_uber_jar:
        return portable.run(options, build, wait=wait)
    with without_job_echoes(), OwnFlink() as runner:
        # Always to its end: the job ends with its job server.
        return portable.run(options, build, runner)
