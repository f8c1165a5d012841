"""Worker processes: what they take over from the program that starts them."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from beam_scanner.forks import fork_client
from beam_scanner.forks.fork_client import get_ready
from beam_scanner.forks.stopped_processes import wait_or_kill
from beam_scanner.runners.local import processes
from beam_scanner.runners.local.processes import WorkerProcesses

pytestmark = pytest.mark.processes


def fork_server() -> Any:
    """The one in use."""
    get_ready()
    _, server = fork_client._current[fork_client.TASKS]
    return server


@pytest.fixture
def idle() -> Iterator[dict[str, str]]:
    """What tells a worker to wait for a runner that does not come."""
    with socket.create_server(("localhost", 0)) as silent:
        port = silent.getsockname()[1]
        yield {
            "CONTROL_API_SERVICE_DESCRIPTOR": f"url: 'localhost:{port}'",
            "PIPELINE_OPTIONS": "{}",
        }


@pytest.mark.slow
def test_workers_that_are_killed_before_they_begin(
    idle: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server of its own.
    monkeypatch.setenv("WORKERS_TELL", "c")
    server = fork_server()
    reasons: list[str] = []
    run = WorkerProcesses(reasons.append)
    # As while it loads.
    server.process.send_signal(signal.SIGSTOP)
    try:
        threads = [run.start(idle) for _ in range(3)]
        run.kill()
        with pytest.raises(RuntimeError, match="the run is over"):
            run.start(idle)
    finally:
        server.process.send_signal(signal.SIGCONT)
    for thread in threads:
        thread.join(60)
    assert reasons == ["exit code -9"] * 3
    assert fork_server() is server
    assert server.is_alive()
    assert not psutil.Process(server.process.pid).children()


def start(
    run: WorkerProcesses, count: int, variables: dict[str, str]
) -> tuple[list[threading.Thread], list[int]]:
    """Starts workers; gives their threads and process ids when they are there."""
    server = psutil.Process(fork_server().process.pid)
    before = set(server.children())
    threads = [run.start({**variables, "WORKER_ID": f"{n}"}) for n in range(count)]
    wait_until(lambda: len(set(server.children()) - before) >= count)
    return threads, sorted(worker.pid for worker in set(server.children()) - before)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Waits for a minute at most."""
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_those_that_are_killed_are_not_the_one_that_died(idle: dict[str, str]) -> None:
    reasons: list[str] = []
    run = WorkerProcesses(reasons.append)
    threads, workers = start(run, 3, idle)
    os.kill(workers[1], signal.SIGKILL)
    wait_until(lambda: bool(reasons))
    run.kill()
    for thread in threads:
        thread.join(60)
    assert sorted(run.blameless()) == [workers[0], workers[2]]
    assert reasons == ["exit code -9"] * 3


def test_who_ends_after_one_that_died_is_not_to_blame() -> None:
    reasons: list[str] = []
    run = WorkerProcesses(reasons.append)
    # Each ends by an error, as those whose runner hangs up.
    for _ in range(3):
        run.start({}).join(60)
    assert reasons == ["exit code 1"] * 3
    first, *others = [fork.process() for fork in run._workers]
    assert first is not None
    assert run.blameless() == others


def test_those_that_die_at_a_time_are_all_to_blame(idle: dict[str, str]) -> None:
    reasons: list[str] = []
    run = WorkerProcesses(reasons.append)
    threads, workers = start(run, 3, idle)
    for worker in workers[:2]:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(reasons) >= 2)
    run.kill()
    for thread in threads:
        thread.join(60)
    assert run.blameless() == workers[2:]


def test_workers_whose_start_was_not_noticed_are_known(
    idle: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = threading.Event()

    def wait(worker: fork_client.Fork) -> tuple[int | None, bool]:
        killed.wait(60)
        return wait_or_kill(worker)

    monkeypatch.setattr(processes, "wait_or_kill", wait)
    run = WorkerProcesses(lambda reason: None)
    threads, workers = start(run, 2, idle)
    run.kill()
    killed.set()
    for thread in threads:
        thread.join(60)
    assert sorted(run.blameless()) == workers


def test_many_at_once() -> None:
    reasons: list[str] = []
    runs = [WorkerProcesses(reasons.append) for _ in range(4)]
    followers: list[threading.Thread] = []
    starters = [
        threading.Thread(target=lambda run=run: followers.append(run.start({})))
        for run in runs
        for _ in range(5)
    ]
    for thread in starters:
        thread.start()
    for thread in [*starters, *followers]:
        thread.join(60)
    for thread in followers:
        thread.join(60)
    assert reasons == ["exit code 1"] * 20
