"""The pool that starts Python workers for a runner."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from beam_scanner.errors import WorkerError
from beam_scanner.runners.worker_pool import WorkerPool


def start(pool: WorkerPool, name: str = "worker") -> Any:
    """Asks for a worker, as a TaskManager does."""
    request = beam_fn_api_pb2.StartWorkerRequest(worker_id=name)
    request.control_endpoint.url = "localhost:1"
    with grpc.insecure_channel(pool.address) as channel:
        stub = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        return stub.StartWorker(request, timeout=30)


def test_workers_have_the_interpreter_of_the_pool_and_end_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Any] = []

    def popen(command: list[str], **how: Any) -> Any:
        assert how["env"]["MALLOC_ARENA_MAX"] == "2"
        worker = SimpleNamespace(
            command=command, ended=[], poll=lambda: None, wait=lambda: None
        )
        worker.kill = lambda: worker.ended.append("killed")
        started.append(worker)
        return worker

    monkeypatch.setattr(subprocess, "Popen", popen)
    with WorkerPool(port=0) as pool:
        assert [start(pool, name).error for name in ("one", "two")] == ["", ""]
        # One that has ended is forgotten.
        started[0].poll = lambda: 0
        assert start(pool, "three").error == ""
    for worker, name in zip(started, ("one", "two", "three"), strict=True):
        assert worker.command[0] == sys.executable
        assert worker.command[-2:] == ["localhost:1", name]
    assert [worker.ended for worker in started] == [[], ["killed"], ["killed"]]


def test_a_worker_that_cannot_be_started_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def popen(*_: Any, **__: Any) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", popen)
    with WorkerPool(port=0) as pool:
        assert start(pool).error == "no more processes"


def test_a_port_that_is_taken_is_named() -> None:
    with WorkerPool(port=0) as pool:
        port = int(pool.address.rpartition(":")[2])
        with pytest.raises(WorkerError, match=f"cannot listen at localhost:{port}"):
            WorkerPool(port)


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_ended(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "beam_scanner.runners.worker_pool", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("worker pool at localhost:")
        process.send_signal(number)
        assert process.wait(30) == 0
