"""Job servers end with their runs."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions
from apache_beam.runners.portability.portable_runner import PortableRunner

from beam_scanner.beam_internals import job_servers
from beam_scanner.beam_internals.job_servers import OwnFlink, OwnPrism

OPTIONS = [
    "--prism_location=/no/prism",
    "--flink_job_server_jar=/no/jar",
    "--flink_master=cluster:8081",
]


class FakeServer:
    """Stands for a job server."""

    def __init__(self, options: PipelineOptions) -> None:
        self.stopped = False

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        self.stopped = True


@pytest.mark.parametrize(
    ("runner", "server"),
    [(OwnPrism, "PrismJobServer"), (OwnFlink, "FlinkJarJobServer")],
)
def test_beam_asks_for_a_server_and_it_is_stopped(
    runner: Any, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a server is left behind, or interrupts are taken outside the main thread."""
    assert runner.default_job_server is not PortableRunner.default_job_server
    monkeypatch.setattr(job_servers, server, FakeServer)
    options = PipelineOptions(OPTIONS)
    before = signal.getsignal(signal.SIGINT)
    made: list[FakeServer] = []

    def run() -> None:
        with runner() as own:
            # Beam's own way to it, which starts it.
            own.create_job_service_handle = lambda server, options: made.append(server)
            own.create_job_service(options)
            assert not own._server.stopped
        made.append(own._server)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(made) == 2
    assert made[-1].stopped
    assert signal.getsignal(signal.SIGINT) is before


def test_beams_servers_take_these_options() -> None:
    options = PipelineOptions(OPTIONS)
    assert OwnFlink().default_job_server(options).path_to_jar is not None
    assert options.view_as(FlinkRunnerOptions).flink_master == "http://cluster:8081"
    assert "[auto]" in job_servers.EMBEDDED_MASTERS


def test_runners_of_others_are_looked_for() -> None:
    job_servers.check_runner("FnApiRunner")
    with pytest.raises(ImportError):
        job_servers.check_runner("nobodys.module.Runner")
