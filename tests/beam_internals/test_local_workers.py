"""Beam's local runner starts our workers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from beam_scanner.beam_internals.local_workers import local_runner

WORKER = (
    "from beam_scanner.beam_internals.sdk_harness import serve_runner; serve_runner()"
)


class Workers:
    """Each a process with Beam's harness."""

    def __init__(self) -> None:
        self.started: list[Mapping[str, str]] = []

    def start(self, variables: Mapping[str, str]) -> threading.Thread:
        self.started.append(variables)
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER], env={**os.environ, **variables}
        )
        thread = threading.Thread(target=process.wait)
        thread.start()
        return thread


@pytest.mark.slow
@pytest.mark.processes
def test_workers_are_started_with_what_the_harness_needs() -> None:
    """Else a local run with worker processes fails, or never begins."""
    workers = Workers()
    with beam.Pipeline(local_runner(workers)) as pipeline:
        elsewhere = (
            pipeline
            | beam.Create([os.getpid()])
            | beam.Map(lambda driver: __import__("os").getpid() != driver)
        )
        assert_that(elsewhere, equal_to([True]))
    assert {"CONTROL_API_SERVICE_DESCRIPTOR", "PIPELINE_OPTIONS", "WORKER_ID"} == set(
        workers.started[0]
    )


def test_without_workers_the_runner_needs_none() -> None:
    with beam.Pipeline(local_runner()) as pipeline:
        here = pipeline | beam.Create([1]) | beam.Map(lambda _: os.getpid())
        assert_that(here, equal_to([os.getpid()]))
