"""A forked child in which a graph would hang is told so at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.folders import ROOT

PROGRAM = """
import concurrent.futures, multiprocessing, os, sys, tempfile
from typing import Any
from beam_scanner import Client, NamedStream, PerfParams, register_python_op

@register_python_op(name="ForkedLength")
def ForkedLength(config, x: bytes) -> Any: return len(x)

def run(name, mode="in_memory"):
    options = [f"--direct_running_mode={mode}"]
    with Client(db_path=sys.argv[1], options=options) as sc:
        given, made = NamedStream(sc, "in"), NamedStream(sc, name)
        if not given.committed():
            given.save([b"a", b"bb"])
        lengths = sc.ops.ForkedLength(x=sc.io.Input([given]))
        output = sc.io.Output(lengths, [made])
        sc.run(output, PerfParams.manual(2, 2), show_progress=False)
        return list(made.load())

def told(name):
    try:
        return run(name)
    except Exception as error:
        return f"{type(error).__name__} {'spawn' in str(error)}"

def by_fork(name):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, repr(told(name)).encode())
        os._exit(0)
    os.wait()
    return os.read(read, 10000).decode()

def by_pool(name, method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return repr(pool.submit(told, name).result(120))

if __name__ == "__main__":
    if sys.argv[2] == "grpc":
        import grpc
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
        server.add_insecure_port("127.0.0.1:0")
        server.start()
        print(by_fork("a"))
    else:
        print(by_fork("a"), by_pool("b", "fork"), run("c"), by_fork("c1"), sep="; ")
        run("c2", "multi_threading")
        print(by_fork("d"), by_pool("e", "fork"), by_pool("f", "spawn"), sep="; ")
"""


def program(tmp_path: Path, what: str) -> list[str]:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, file, tmp_path / "db", what],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.processes
def test_a_child_runs_graphs_unless_its_parent_keeps_threads_for_them(
    tmp_path: Path,
) -> None:
    before, after = program(tmp_path, "graphs")
    assert before == "; ".join(["[1, 2]"] * 4)
    assert after == "'WorkerError True'; 'WorkerError True'; [1, 2]"


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="only seen on Linux")
def test_a_child_of_a_process_that_used_grpc_for_itself_runs_none(
    tmp_path: Path,
) -> None:
    assert program(tmp_path, "grpc") == ["'WorkerError True'"]
