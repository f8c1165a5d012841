"""Beam's runners for Prism and Flink, with a job server that ends with its run.

Beam keeps a job server that it has started until the program ends, and takes
interrupts for itself, which only the main thread may. Its runners ask
``default_job_server`` for one.

If Beam changes this: Prisms and Flinks are left behind after each run, or a run that is
started from another thread than the main one fails.
"""

from __future__ import annotations

from typing import Any, Self

from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions
from apache_beam.runners.portability.flink_runner import (
    MAGIC_HOST_NAMES,
    FlinkJarJobServer,
    FlinkRunner,
)
from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner
from apache_beam.runners.runner import create_runner

EMBEDDED_MASTERS = tuple(MAGIC_HOST_NAMES)
"""Values of ``--flink_master`` for a Flink in the job server's own process."""


class _EndsItsServer:
    """Stops the job server where the ``with`` block ends."""

    _server: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._server is not None:
            self._server.stop()


class OwnPrism(_EndsItsServer, PrismRunner):  # type: ignore[misc]
    """Runs pipelines on a Prism of its own."""

    def default_job_server(self, options: PipelineOptions) -> Any:
        """Called by Beam, which starts it."""
        self._server = PrismJobServer(options)
        return self._server


class OwnFlink(_EndsItsServer, FlinkRunner):  # type: ignore[misc]
    """Runs pipelines by a Flink job server of its own."""

    def default_job_server(self, options: PipelineOptions) -> Any:
        """Called by Beam, which starts it."""
        flink = options.view_as(FlinkRunnerOptions)
        flink.flink_master = self.add_http_scheme(flink.flink_master)
        self._server = FlinkJarJobServer(options)
        return self._server


def check_runner(name: str) -> None:
    """Makes the runner of a name, as Beam will.

    Raises:
        Exception: There is none, or it needs what is not installed.

    Examples:
        >>> check_runner('FnApiRunner')
    """
    create_runner(name)
