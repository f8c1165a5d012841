"""The process whose forks all others are, in programs of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.forks import fork_client
from beam_scanner.forks.fork_client import get_ready
from beam_scanner.runners.local.processes import WorkerProcesses

FLAGS = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


def fork_server() -> Any:
    """The one in use."""
    get_ready()
    _, server = fork_client._current[fork_client.TASKS]
    return server


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


@pytest.mark.slow
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
    # gRPC warns of a port that is free for only one of IPv4 and IPv6.
    printed = done.stderr.splitlines()
    assert [line for line in printed if "addresses added out of" not in line] == []
    for file in db.rglob("*"):
        assert not file.is_file() or b"printed" not in file.read_bytes()


@pytest.mark.slow
def test_sockets_are_closed_where_python_looks_for_them(tmp_path: Path) -> None:
    program = PROGRAM.format(
        before="",
        after="",
        db=str(tmp_path / "db"),
        flags=FLAGS,
        done=str(tmp_path / "x"),
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "always::ResourceWarning"},
    )
    assert done.returncode == 0, done.stderr
    assert "unclosed" not in done.stderr


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert first.process.wait(60) == 0
    assert second.is_alive()
