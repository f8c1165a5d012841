"""A process that was stopped for too long is noticed, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_scanner.forks import stopped_processes
from beam_scanner.forks.stopped_processes import StoppedWatch, wait_or_kill


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as one:
        yield one
        one.kill()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)


def test_only_time_in_which_it_is_looked_at_counts(
    process: subprocess.Popen[bytes], clock: list[float]
) -> None:
    watch = StoppedWatch(process.pid)
    stop(process)
    clock[0] += 100
    # This process, too, may have been stopped.
    assert not watch.is_given_up()
    found = []
    for _ in range(8):
        clock[0] += 0.5
        found.append(watch.is_given_up())
    assert found == [False] * 3 + [True] * 5


def test_who_goes_on_is_not_given_up(
    process: subprocess.Popen[bytes], clock: list[float]
) -> None:
    watch = StoppedWatch(process.pid)
    stop(process)
    for _ in range(4):
        clock[0] += 0.5
        assert not watch.is_given_up()
    process.send_signal(signal.SIGCONT)
    until = time.time() + 60
    while " T " in Path(f"/proc/{process.pid}/stat").read_text():
        assert time.time() < until
    clock[0] += 0.5
    assert not watch.is_given_up()


def test_a_process_that_is_gone(clock: list[float]) -> None:
    watch = StoppedWatch(2**22 + 1)
    clock[0] += 100
    assert not watch.is_given_up()


class Fork:
    """A process that never ends by itself, or has ended."""

    def __init__(self, process: int | None, ends: bool = False) -> None:
        self.process, self.ends = process, ends

    def started(self) -> int | None:
        return self.process

    def has_ended(self, seconds: float) -> bool:
        time.sleep(0.001)
        return self.ends

    def kill(self) -> None:
        self.ends = True

    def wait(self) -> int:
        return 5


def test_waiting(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wait_or_kill(Fork(None)) == (5, False)  # type: ignore[arg-type]
    assert wait_or_kill(Fork(process.pid, ends=True)) == (5, False)  # type: ignore[arg-type]
    monkeypatch.setattr(stopped_processes, "STOPPED_SECONDS", 0.01)
    stop(process)
    assert wait_or_kill(Fork(process.pid)) == (5, True)  # type: ignore[arg-type]
