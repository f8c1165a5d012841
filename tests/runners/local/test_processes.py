"""Worker processes: what they take over from the program that starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from beam_scanner import Client, NamedStream, PerfParams, register_python_op
from beam_scanner.runners.local import fork_client
from beam_scanner.runners.local.fork_client import get_ready
from beam_scanner.runners.local.processes import WorkerProcesses

pytestmark = pytest.mark.processes

FLAGS = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


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
    (server,) = fork_client._current.values()
    return server


Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with Client(db_path=str(tmp_path / "db"), options=FLAGS) as sc:
        given = NamedStream(sc, "in")
        given.save(range(8), Any)
        runs = iter(range(100))

        def run() -> list[dict[str, Any]]:
            made = NamedStream(sc, f"out {next(runs)}")
            output = sc.io.Output(sc.ops.WorkersTell(x=sc.io.Input([given])), [made])
            sc.run(output, PerfParams.manual(1, 1), show_progress=False)
            return list(made.load())

        yield run


def each(found: list[dict[str, Any]], name: str) -> set[Any]:
    return {json.dumps(row[name]) for row in found}


def test_workers_are_as_the_program_is_now(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = told()
    assert len(each(first, "process")) == 2
    (server,) = each(first, "server")
    assert len(each(first, "drawn")) == 8, "generators of workers are copies"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    second = told()
    assert each(second, "folder") == {json.dumps(os.getcwd())}
    assert each(second, "server") == {server}, "loaded all anew"
    assert not each(first, "process") & each(second, "process")
    monkeypatch.setenv("WORKERS_TELL", "ü\udc80")
    monkeypatch.syspath_prepend(tmp_path)
    third = told()
    assert {row["variable"] for row in third} == {"ü\udc80"}
    assert all(str(tmp_path) in row["path"] for row in third)
    assert each(third, "server") != {server}, "the old one has other variables"


def test_workers_write_where_the_program_writes_now(
    told: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        told()
        out, err = capfd.readouterr()
        assert sorted(out.splitlines()) == [f"printed {x}" for x in range(8)]
        lines = [line for line in err.splitlines() if line.startswith("written")]
        assert sorted(lines) == [f"written {x}" for x in range(8)]


def test_workers_have_no_files_of_each_other(told: Told) -> None:
    # 0 to 2, the folder that is listed, and connections of its own.
    assert max(len(row["open"]) for row in told()) < 40


PROGRAM = """
import os, resource, socket, sys
{before}
from typing import Any
from beam_scanner import Client, NamedStream, PerfParams, register_python_op

@register_python_op(name="WorkersPrint")
def loud(config, x: Any) -> Any:
    os.write(1, b"printed")
    return x + 1

with Client(db_path={db!r}, options={flags!r}) as sc:
    given = NamedStream(sc, "in")
    given.save(range(4), Any)
    for name in ("a", "b"):
        made = NamedStream(sc, name)
        output = sc.io.Output(sc.ops.WorkersPrint(x=sc.io.Input([given])), [made])
        sc.run(output, PerfParams.manual(1, 1), show_progress=False)
        assert list(made.load()) == [1, 2, 3, 4]
{after}
open({done!r}, "w").close()
"""

DESCRIPTORS = """
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
"""

# Whoever reads a pipe to its end must not wait for a process that outlives the run.
PIPE = """
reader, writer = os.pipe()
before = os.dup(1)
os.dup2(writer, 1)
os.close(writer)
"""
PIPE_AFTER = """
os.dup2(before, 1)
with os.fdopen(reader) as told:
    assert told.read() == "printed" * 8
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("os.close(0)", ""),
        ("os.close(1)", ""),
        ("os.closerange(0, 3)", ""),
        (DESCRIPTORS, ""),
        ("socket.setdefaulttimeout(0.2)", ""),
        (PIPE, PIPE_AFTER),
        ("os.environ['LARGE'] = 'x' * 100_000", ""),
        ("sys.argv[1:] = ['--strange']", "assert sys.argv[1:] == ['--strange']"),
    ],
    ids=["stdin", "stdout", "stdio", "files", "timeout", "pipe", "large", "arguments"],
)
def test_an_unusual_program(before: str, after: str, tmp_path: Path) -> None:
    db, ended = tmp_path / "db", tmp_path / "ended"
    program = PROGRAM.format(
        before=before, after=after, db=str(db), flags=FLAGS, done=str(ended)
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert ended.exists()
    assert done.stderr == ""
    for file in db.rglob("*"):
        assert not file.is_file() or b"printed" not in file.read_bytes()


NO_ROOM = """
import os
fork, calls = os.fork, []

def sometimes():
    calls.append(1)
    if len(calls) == 1:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()

os.fork = sometimes
"""


def test_a_worker_that_cannot_start_ends_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fork_client, "SERVER", NO_ROOM + fork_client.SERVER)
    monkeypatch.setenv("WORKERS_TELL", "d")
    reasons: list[str] = []
    run = WorkerProcesses(reasons.append)
    run.start({}).join(60)
    assert reasons == ["it could not start, or the process that starts them has ended"]
    run.start({}).join(60)
    assert reasons[1:] == ["exit code 1"]


def test_limits_and_modes_are_those_of_the_program() -> None:
    first = fork_server()
    before = os.umask(0o077)
    try:
        assert fork_server() is not first
    finally:
        os.umask(before)


def test_a_server_ends_with_its_last_worker_where_another_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons: list[str] = []
    run = WorkerProcesses(reasons.append)
    first = fork_server()
    # Waits for the runner of whom nobody has told it, and ends by an error.
    thread = run.start({})
    monkeypatch.setenv("WORKERS_TELL", "b")
    second = fork_server()
    assert second is not first
    assert fork_server() is second
    thread.join(60)
    assert reasons == ["exit code 1"]
    assert first.process.wait(10) == 0
    assert second.is_alive()


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
    server = fork_server()
    assert server.is_alive()
    assert not psutil.Process(server.process.pid).children()


def test_a_server_that_died_is_replaced() -> None:
    first = fork_server()
    first.process.kill()
    first.process.wait()
    assert fork_server().is_alive()


FORKING = """
import os, sys
from beam_scanner.runners.local import fork_client

def server():
    fork_client.get_ready()
    (found,) = fork_client._current.values()
    return found

first = server()
if not os.fork():
    print("fork", server().process.pid, flush=True)
    sys.exit()
os.wait()
print("program", first.process.pid, first.is_alive(), server() is first)
"""


def test_a_fork_of_the_program_has_a_server_of_its_own() -> None:
    # Python warns of forks of programs whose packages have threads.
    command = [sys.executable, "-W", "ignore", "-c", FORKING]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (_, own), (_, first, *kept) = map(str.split, done.stdout.splitlines())
    assert own != first
    assert kept == ["True", "True"]
    # Each ended with its program.
    assert not psutil.pid_exists(int(own))
    assert not psutil.pid_exists(int(first))
    assert done.stderr == ""


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
