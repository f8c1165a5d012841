"""Which fork server a program uses, and when it takes another."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import Any

import psutil
import pytest

from beam_scanner.forks import fork_client
from beam_scanner.forks.fork_client import get_ready


def fork_server() -> Any:
    """The one in use."""
    get_ready()
    _, server = fork_client._current[fork_client.TASKS]
    return server


def test_limits_and_modes_are_those_of_the_program() -> None:
    first = fork_server()
    before = os.umask(0o077)
    try:
        assert fork_server() is not first
    finally:
        os.umask(before)


def test_a_server_that_died_is_replaced() -> None:
    first = fork_server()
    first.process.kill()
    first.process.wait()
    assert fork_server().is_alive()


FORKING = """
import os, sys
from beam_scanner.forks import fork_client

def server():
    fork_client.get_ready()
    _, found = fork_client._current[fork_client.TASKS]
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


@pytest.mark.slow
def test_a_fork_collects_garbage() -> None:
    fork = fork_client.Fork()
    program = ("tests.forks.test_fork_client", "exit_as_garbage_is_collected")
    fork_client.fork(fork, fork_client.Request(program, {}))
    assert fork.wait() == 0


def exit_as_garbage_is_collected() -> None:
    """Ends the process: exit code 0 if it does."""
    os._exit(0 if gc.isenabled() else 1)
