"""What runners behind Beam's job service have in common: checks, and the run itself.

Flink and Prism are such runners. Where the workers run is their *environment*:

* LOOPBACK: threads of this process, for runners on this machine;
* EXTERNAL: processes of worker pools (``beam_scanner.runners.worker_pool``);
* DOCKER: containers of an image;
* PROCESS: a command that each machine of the runner has.
"""

from __future__ import annotations

import copy
import json
import socket
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import grpc
from apache_beam import Pipeline
from apache_beam.options.pipeline_options import (
    DebugOptions,
    PipelineOptions,
    PortableOptions,
)

from beam_scanner.beam_internals.beam_threads import WORKERS
from beam_scanner.beam_internals.log_echoes import without_job_echoes
from beam_scanner.beam_internals.loopback_servers import listening_here
from beam_scanner.errors import ArgumentError, WorkerError
from beam_scanner.runners.pipeline_errors import pipeline_failed
from beam_scanner.runners.runner_names import is_of_this_machine, sends_packages
from beam_scanner.runners.threads import heard_by, join_new

CONNECT_SECONDS = 5.0

DOCKER, EXTERNAL, LOOPBACK, PROCESS = "DOCKER", "EXTERNAL", "LOOPBACK", "PROCESS"
ENVIRONMENTS = (DOCKER, EXTERNAL, LOOPBACK, PROCESS)

OUT_OF_REACH = (
    "is a path on this machine, which containers (--environment_type=DOCKER) do not "
    "have: expected gs://BUCKET/FOLDER or s3://BUCKET/FOLDER"
)
"""Of paths of this machine, where workers are containers."""

_HERE = ("localhost", "127.0.0.1", "::1")
_NO_PIP_FREEZE = "disable_logging_submission_environment"
_HANG_UP_SECONDS = 5.0


def check(
    options: PipelineOptions, urls: Iterable[str] = (), default: str = DOCKER
) -> None:
    """Refuses a job for a job service that would hang or fail later.

    Args:
        options: Of the job.
        urls: What workers read or write: databases, videos and others.
        default: The environment where the options name none.

    Raises:
        ArgumentError: Names the flag, its value and what was expected.

    Examples:
        >>> check(PipelineOptions(['--job_endpoint=localhost:9']))
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: --job_endpoint=localhost:9: nothing listens \
there (Connection refused): expected the address of a job server
    """
    portable = options.view_as(PortableOptions)
    if portable.job_endpoint is None:
        raise ArgumentError(
            "--job_endpoint is missing: expected the address of a job server, as "
            "localhost:8099"
        )
    far = False
    if portable.job_endpoint != "embed":
        host = check_listening("--job_endpoint", portable.job_endpoint, "a job server")
        far = not is_here(host)
    if portable.artifact_endpoint is not None:
        check_listening(
            "--artifact_endpoint",
            portable.artifact_endpoint,
            "a job server's artifact service",
        )
    check_environment(options, portable.environment_type or default, far, urls)


def check_listening(flag: str, address: str, what: str) -> str:
    """Refuses an address where nothing listens.

    Args:
        flag: Which flag gave it, as ``--job_endpoint``.
        address: ``host:port``.
        what: What should listen there, as ``a job server``.

    Returns:
        The host.

    Raises:
        ArgumentError: It is not an address, or nothing listens there.
    """
    host, port = split_address(flag, address, what)
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise ArgumentError(
            f"{flag}={address}: nothing listens there ({error.strerror or error}): "
            f"expected the address of {what}"
        ) from error
    return host


def is_here(host: str) -> bool:
    """Whether a host is this machine, by the names that only itself uses."""
    return host in _HERE


def split_address(flag: str, address: str, what: str) -> tuple[str, int]:
    """Host and port of an address.

    Raises:
        ArgumentError: It has none.

    Examples:
        >>> split_address('--job_endpoint', 'flink:8099', 'a job server')
        ('flink', 8099)
    """
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.path:
        raise ArgumentError(
            f"{flag}={address!r}: expected the address of {what}, host:port"
        )
    return host, port


def check_environment(
    options: PipelineOptions, kind: str, far: bool, urls: Iterable[str]
) -> None:
    """Refuses an environment in which no worker could work.

    Args:
        options: Of the job.
        kind: Its environment.
        far: Whether the runner is on another machine.
        urls: What workers read or write.

    Raises:
        ArgumentError: Names the flag, its value and what was expected.
    """
    # URNs are passed on as they are: Beam has more environments than these.
    if kind.startswith("beam:"):
        return
    if kind not in ENVIRONMENTS:
        raise ArgumentError(
            f"--environment_type={kind!r}: expected one of {', '.join(ENVIRONMENTS)}"
        )
    folders = [url for url in urls if is_of_this_machine(url)]
    if kind == DOCKER:
        _check_docker(options, folders)
    elif kind == EXTERNAL:
        _check_external(options, far, folders)
    elif kind == PROCESS:
        _check_process(options, far, folders)
    elif far:
        raise ArgumentError(
            "--environment_type=LOOPBACK makes this process the worker, which a runner "
            "on another machine cannot reach: expected EXTERNAL, DOCKER or PROCESS"
        )


def _check_docker(options: PipelineOptions, folders: list[str]) -> None:
    portable = options.view_as(PortableOptions)
    image = portable.environment_config or portable.lookup_environment_option(
        "docker_container_image"
    )
    if image is None and not sends_packages(options):
        raise ArgumentError(
            "the environment is DOCKER (the default) and --environment_config is "
            "missing: Beam's own image has neither this package nor PyAV. Expected an "
            "image with both, or another --environment_type (LOOPBACK, EXTERNAL)"
        )
    if folders:
        raise ArgumentError(f"{folders[0]!r} {OUT_OF_REACH}")


def _check_external(options: PipelineOptions, far: bool, folders: list[str]) -> None:
    portable = options.view_as(PortableOptions)
    given = portable.environment_config or portable.lookup_environment_option(
        "external_service_address"
    )
    flag, what = "--environment_config", "a worker pool"
    if given is None:
        raise ArgumentError(f"{flag} is missing: expected the address of {what}")
    if given.lstrip().startswith("{"):
        given = str(_json(given).get("url"))
    # An address on "localhost" is looked up by each machine of the runner.
    host, _ = split_address(flag, given, what)
    if not far and is_here(host):
        try:
            check_listening(flag, given, what)
        except ArgumentError as error:
            warnings.warn(
                f"{error}. The run will fail unless it is there on the runner's "
                "machines (python -m beam_scanner.runners.worker_pool)",
                stacklevel=2,
            )
    elif folders:
        warnings.warn(_needs_folder(given, folders[0]), stacklevel=2)


def _needs_folder(whose: str, folder: str) -> str:
    return (
        f"workers of {whose} are on other machines: they must have the folder "
        f"{folder!r} too, under the same name. Where they have not, use "
        "gs://BUCKET/FOLDER or s3://BUCKET/FOLDER"
    )


def _check_process(options: PipelineOptions, far: bool, folders: list[str]) -> None:
    portable = options.view_as(PortableOptions)
    command = portable.lookup_environment_option("process_command")
    if portable.environment_config is not None:
        command = _json(portable.environment_config).get("command")
    if not command:
        raise ArgumentError(
            "--environment_type=PROCESS needs a command that starts a worker: expected "
            '--environment_config=\'{"command": "/opt/apache/beam/boot"}\''
        )
    if far and folders:
        warnings.warn(_needs_folder("the runner", folders[0]), stacklevel=2)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ArgumentError(f"--environment_config={text!r}: expected a JSON object")
    return found


def run(
    options: PipelineOptions,
    build: Callable[[Pipeline], Any],
    runner: Any = None,
    wait: bool = True,
) -> Any:
    """Builds a pipeline and runs it to its end.

    Args:
        options: The user's options.
        build: Applies transforms to the pipeline.
        runner: The runner; the one that the options name if None.
        wait: Whether to wait for its end.

    Returns:
        Beam's result.

    Raises:
        WorkerError: The pipeline failed.
    """
    chosen = copy.deepcopy(options)
    debug = chosen.view_as(DebugOptions)
    # Beam would run pip to list what is installed here, which takes seconds.
    if not debug.lookup_experiment(_NO_PIP_FREEZE):
        debug.add_experiment(_NO_PIP_FREEZE)
    pipeline = Pipeline(runner=runner, options=chosen)
    build(pipeline)
    with without_job_echoes(), loopback_workers(), listening_here():
        try:
            result = pipeline.run()
            if wait:
                _wait(result)
        except grpc.FutureTimeoutError as error:
            address = chosen.view_as(PortableOptions).job_endpoint
            raise WorkerError(
                f"{address} does not answer as a job server does"
            ) from error
        except Exception as error:
            raise pipeline_failed(error) from error
    return result


def _wait(result: Any) -> None:
    try:
        result.wait_until_finish()
    except Exception:
        raise
    except BaseException:
        # Nobody waits for the job any more.
        with suppress(Exception):
            result.cancel()
        raise


@contextmanager
def loopback_workers() -> Iterator[None]:
    """Waits for threads of LOOPBACK workers, which raise when their runner hangs up."""
    before = set(threading.enumerate())
    with heard_by(_is_hung_up):
        try:
            yield
        finally:
            join_new(before, WORKERS, _HANG_UP_SECONDS)


def _is_hung_up(args: threading.ExceptHookArgs) -> bool:
    ours = args.thread is not None and args.thread.name.startswith(WORKERS)
    # A closed channel is a ValueError.
    return ours and isinstance(args.exc_value, (grpc.RpcError, ValueError))
