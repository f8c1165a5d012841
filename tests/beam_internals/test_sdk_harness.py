"""Beam's harness in a process of ours."""

from __future__ import annotations

import inspect
import logging
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from apache_beam.runners.worker import sdk_worker, sdk_worker_main

from beam_scanner.beam_internals import sdk_harness


def test_what_fails_when_a_run_ends_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else an interrupted run prints a traceback for each bundle."""
    assert "print(" in inspect.getsource(sdk_worker), "it prints failures no more"
    # Beam takes print for the built-in: a name of its module goes before that.
    monkeypatch.setattr(sdk_worker, "print", print, raising=False)
    logger = logging.getLogger(sdk_worker.__name__)
    monkeypatch.setattr(logger, "disabled", False)
    sdk_harness.print_no_failures()
    sdk_worker.print("a traceback")
    assert capsys.readouterr() == ("", "")
    assert logger.disabled
    assert sdk_worker._LOGGER is logger


def test_the_harness_is_started_as_its_program_is() -> None:
    assert len(inspect.signature(sdk_worker_main.main).parameters) == 1


def test_a_harness_knows_whether_its_runner_is_there() -> None:
    """Else workers of a pool stay behind when a TaskManager has gone."""
    # A runner that hangs up at once: it has no service to call.
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        harness = sdk_harness.Harness(f"localhost:{port}", "w")
        assert harness.is_connected()
        with pytest.raises(grpc.RpcError):
            harness.run()
        assert not harness.is_connected()
    finally:
        server.stop(None).wait()
