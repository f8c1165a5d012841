"""Worker processes: what they take over from the program that starts them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from typing import Any

import psutil
import pytest

from beam_scanner import register_python_op
from beam_scanner.forks import fork_client
from beam_scanner.forks.fork_client import get_ready
from beam_scanner.runners.local.processes import WorkerProcesses

pytestmark = pytest.mark.processes


@register_python_op(name="WorkersTell")
def tell(config: Any, x: Any) -> Any:
    """What the worker is like."""
    import numpy as np

    print(f"printed {x}")
    os.write(2, f"written {x}\n".encode())
    time.sleep(0.2)  # So that both have some.
    return {
        "process": os.getpid(),
        # It is run by a fork of a fork of a fork.
        "server": psutil.Process().parents()[2].pid,
        "folder": os.getcwd(),
        "variable": os.environ.get("WORKERS_TELL"),
        "path": [os.path.abspath(entry) for entry in sys.path],
        "drawn": int(np.random.randint(1 << 30)),
        "open": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    }


def fork_server() -> Any:
    """The one in use."""
    get_ready()
    _, server = fork_client._current[fork_client.TASKS]
    return server


def test_workers_that_are_killed_before_they_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A new server takes its time to load.
    monkeypatch.setenv("WORKERS_TELL", "c")
    reasons: list[str] = []
    run = WorkerProcesses(reasons.append)
    threads = [run.start({}) for _ in range(3)]
    run.kill()
    with pytest.raises(RuntimeError, match="the run is over"):
        run.start({})
    for thread in threads:
        thread.join(60)
    assert reasons == ["exit code -9"] * 3
    assert run.killed() == []
    server = fork_server()
    assert server.is_alive()
    assert not psutil.Process(server.process.pid).children()


def test_those_that_are_killed_are_not_the_one_that_died() -> None:
    reasons: list[str] = []
    run = WorkerProcesses(reasons.append)
    # They wait for a runner that does not come.
    with socket.create_server(("localhost", 0)) as silent:
        port = silent.getsockname()[1]
        variables = {
            "CONTROL_API_SERVICE_DESCRIPTOR": f"url: 'localhost:{port}'",
            "PIPELINE_OPTIONS": "{}",
        }
        threads = [run.start({**variables, "WORKER_ID": f"{n}"}) for n in range(3)]
        until = time.monotonic() + 60
        while None in (workers := [fork.running() for fork in list(run._workers)]):
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(workers[1] or 0, signal.SIGKILL)
        threads[1].join(60)
        run.kill()
        assert run.killed() == [workers[0], workers[2]]
    assert reasons == ["exit code -9"] * 3
    assert not any(thread.is_alive() for thread in threads)


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
