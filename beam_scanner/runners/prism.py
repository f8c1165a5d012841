"""Prism: Beam's runner in Go, one process on this machine, with workers in threads.

``go install`` fetches the program, once (``scripts/runners.py`` does it)::

    options = prism.options(location='.cache/runners/prism')
    sc = Client(db_path='db', options=options)

Each run starts a Prism of its own and ends it.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    StandardOptions,
)
from apache_beam.version import __version__ as beam_version

from beam_scanner.beam_internals.job_servers import OwnPrism
from beam_scanner.beam_internals.log_echoes import without_job_echoes
from beam_scanner.beam_internals.root_logger import keeps_root_logger
from beam_scanner.errors import ArgumentError
from beam_scanner.runners import portable
from beam_scanner.runners.runner_names import options_for, runner_name

_INSTALL = f"go install github.com/apache/beam/sdks/v2/go/cmd/prism@v{beam_version}"


def is_prism(options: PipelineOptions) -> bool:
    """Whether the options ask for Prism: by name, or by where it is.

    Examples:
        >>> is_prism(PipelineOptions(['--runner=DirectRunner']))
        False
        >>> is_prism(PipelineOptions(['--runner=DirectRunner', '--prism_location=x']))
        True
    """
    name = runner_name(options)
    location = options.view_as(PrismRunnerOptions).prism_location
    return name == "prism" or (name in (None, "direct") and bool(location))


@keeps_root_logger
def options(
    *,
    location: str | os.PathLike[str] | None = None,
    job_endpoint: str | None = None,
    more: Iterable[str] = (),
) -> PipelineOptions:
    """Options for runs on Prism, checked.

    Args:
        location: The program, or a URL to download it from; None for a ``prism`` on
            the path or where ``go install`` puts it.
        job_endpoint: Address of a running Prism, as ``localhost:8073``.
        more: More of Beam's flags.

    Raises:
        ArgumentError: See ``check``.
    """
    program = None if location is None else os.fspath(location)
    values = {"prism_location": program, "job_endpoint": job_endpoint}
    made = options_for("PrismRunner", values, more)
    check(made)
    return made


def check(
    options: PipelineOptions, urls: Iterable[str] = (), starts: bool = True
) -> None:
    """Refuses options that would fail or hang later.

    Args:
        options: What the job is to be started with.
        urls: What workers read or write: databases, videos and others.
        starts: Whether Prism is started by this package; else Beam does it, which may
            download one.

    Raises:
        ArgumentError: Prism is not found, or its workers could not work.

    Examples:
        >>> check(PipelineOptions(['--runner=PrismRunner', '--prism_location=/no']))
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: --prism_location='/no': expected a program \
that can be run, or a URL
    """
    job_options = options.view_as(PortableOptions)
    if job_options.job_endpoint is not None:
        portable.check_listening("--job_endpoint", job_options.job_endpoint, "Prism")
    elif starts:
        _find(options)
    kind = job_options.environment_type or portable.LOOPBACK
    portable.check_environment(options, kind, far=False, urls=urls)


def _find(options: PipelineOptions) -> str:
    """Where Prism is: a file, or a URL."""
    given = options.view_as(PrismRunnerOptions).prism_location
    if given is None:
        gobin = os.environ.get("GOBIN") or Path.home() / "go" / "bin"
        found = shutil.which("prism") or shutil.which("prism", path=os.fspath(gobin))
        if found is None:
            raise ArgumentError(
                f"there is no Prism on the path: {_INSTALL}, or say where it is with "
                "--prism_location"
            )
        return found
    # Beam makes it executable.
    if "://" not in given and not os.path.isfile(given):
        raise ArgumentError(
            f"--prism_location={given!r}: expected a program that can be run, or a URL"
        )
    return str(given)


def run(
    options: PipelineOptions, build: Callable[[Pipeline], Any], wait: bool = True
) -> Any:
    """Runs a pipeline; see ``portable.run``.

    Raises:
        WorkerError: The pipeline failed.
    """
    chosen = copy.deepcopy(options)
    chosen.view_as(StandardOptions).runner = "PrismRunner"
    if chosen.view_as(PortableOptions).job_endpoint is not None:
        return portable.run(chosen, build, wait=wait)
    chosen.view_as(PrismRunnerOptions).prism_location = _find(chosen)
    with without_job_echoes(), OwnPrism() as runner:
        # Always to its end: the job ends with its Prism.
        return portable.run(chosen, build, runner)
