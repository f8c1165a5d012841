"""Tasks in processes of their own: what is lost with one, and what is not."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

import psutil
import pytest

from beam_scanner.errors import Failure
from beam_scanner.run.tasks import supervisor
from beam_scanner.run.tasks.attempt import Ended, Try
from beam_scanner.run.tasks.supervisor import (
    TaskHosts,
    end_hosts,
    hosts_of,
    needs_host,
    retire_hosts,
)
from beam_scanner.run.worker_run import process_token
from tests.support.harness import drained
from tests.support.small_runs import FAIL, PACKET, Setting, SteppedRun


@pytest.fixture
def scene(setting: Setting) -> Iterator[Callable[..., SteppedRun]]:
    """Makes a run of which row 5 can be told to fail; ends its hosts."""

    def make(timeout: float = 0.0) -> SteppedRun:
        setting.values[0][5] = -5
        setting.input(0).save(setting.values[0], int)
        setting.input(1).save(setting.values[1], int)
        return SteppedRun(setting, "run", timeout=timeout)

    yield make
    end_hosts("run")


def attempt(run: SteppedRun, number: int, alone: bool = False) -> Ended:
    hosts = hosts_of(run.source)
    wanted = Try(run.tasks[number], done=False, alone=alone, given={})
    ended = drained(hosts.attempt(run.context, wanted, nullcontext()))
    assert isinstance(ended, Ended)
    return ended


def clock_of_row(row: int) -> type[supervisor._Clock]:
    """A clock that stands still until a kernel is called for a row.

    How long a process takes to begin, and for other rows, is the machine's affair.
    """

    class Clock(supervisor._Clock):
        def look(self) -> None:
            hosts = supervisor._hosts.values()
            links = [link for each in hosts if each._host for link in each._host._links]
            if all(link.position.now().row != row for link in links):
                self.begin()
            super().look()

    return Clock


def process_of(run: SteppedRun) -> int:
    host = hosts_of(run.source)._host
    assert host is not None
    assert host.process is not None
    return host.process


@pytest.mark.processes
def test_one_process_runs_all_tasks_of_a_run(scene: Callable[..., SteppedRun]) -> None:
    run = scene()
    found = set()
    for number in range(len(run.tasks)):
        assert attempt(run, number, alone=number == 2).failure is None
        found.add(process_of(run))
    assert len(found) == 1
    assert os.getpid() not in found
    manifest = run.job_files.manifest(0, 0)
    assert manifest is not None
    assert manifest["run"] == "run"


@pytest.mark.slow
@pytest.mark.processes
def test_what_a_kernel_raises_costs_no_process(
    scene: Callable[..., SteppedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAIL, "raise")
    run = scene()
    assert attempt(run, 0).failure is None
    before = process_of(run)
    failure = attempt(run, 5 // PACKET).failure
    assert failure is not None
    assert (failure.kind, failure.row, failure.op) == ("exception", 5, "SmallScale")
    assert process_of(run) == before


@pytest.mark.slow
@pytest.mark.processes
def test_a_death_costs_one_attempt(
    scene: Callable[..., SteppedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAIL, "exit")
    run = scene()
    assert attempt(run, 0).failure is None
    before = process_of(run)
    ended = attempt(run, 5 // PACKET)
    assert ended.failure is not None
    assert ended.counts
    assert (ended.failure.kind, ended.failure.row) == ("death", 5)
    assert ended.failure.op == "SmallScale"
    assert "its process ended with exit code 3 before the" in ended.failure.reason
    assert ended.failure.worker.endswith(f":{before}")
    assert attempt(run, 2).failure is None
    assert process_of(run) != before


@pytest.mark.processes
def test_connections_are_closed_with_their_process(
    scene: Callable[..., SteppedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAIL, "exit")
    run = scene()
    links = []
    for number in (0, 5 // PACKET, 0):
        attempt(run, number)
        host = hosts_of(run.source)._host
        assert host is not None
        links += host._links
    assert [link.channel._connection.fileno() < 0 for link in links[:-1]] == [
        True,
        True,
    ]
    # The next task would have it, too.
    assert links[-1].channel._connection.fileno() > 0
    end_hosts("run")
    assert links[-1].channel._connection.fileno() < 0


@pytest.mark.slow
@pytest.mark.processes
def test_a_task_that_takes_too_long_is_ended(
    scene: Callable[..., SteppedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAIL, "sleep")
    monkeypatch.setattr(supervisor, "_Clock", clock_of_row(5))
    run = scene(timeout=2.5)
    assert attempt(run, 0).failure is None
    process = process_of(run)
    failure = attempt(run, 5 // PACKET).failure
    assert failure is not None
    assert (failure.kind, failure.op, failure.row) == ("timeout", "SmallScale", 5)
    assert "took longer than task_timeout=2.5 seconds" in failure.reason
    assert not psutil.pid_exists(process)


@pytest.mark.processes
@pytest.mark.parametrize("end", [end_hosts, retire_hosts])
def test_the_process_ends_with_the_run(
    scene: Callable[..., SteppedRun], end: Callable[[str], None]
) -> None:
    run = scene()
    hosts = hosts_of(run.source)
    assert hosts_of(run.source) is hosts
    assert attempt(run, 0).failure is None
    process = psutil.Process(process_of(run))
    end("another run")
    assert process.is_running()
    end("run")
    psutil.wait_procs([process], timeout=20)
    assert not process.is_running()
    assert hosts_of(run.source) is not hosts


def test_the_drivers_own_process_runs_tasks_without_a_limit(setting: Setting) -> None:
    settings = SteppedRun(setting, "run").context.settings
    here = replace(settings, here=process_token())
    assert not needs_host(here)
    assert needs_host(replace(here, here="another process"))
    assert needs_host(replace(here, limits=replace(here.limits, timeout=1.0)))


def test_who_wants_to_be_alone_waits_and_keeps_others_waiting() -> None:
    turns, order = supervisor._Turns(), list[str]()

    def work(name: str, alone: bool) -> None:
        with turns.held(alone):
            order.append(name)
            assert turns._running == 1 or not alone

    threads = []
    with turns.held(False), turns.held(False):
        for name, alone in (("alone", True), ("other", False)):
            threads.append(threading.Thread(target=work, args=[name, alone]))
            threads[-1].start()
            if alone:
                until = time.monotonic() + 10
                while not turns._waiting and time.monotonic() < until:
                    time.sleep(0.001)
        assert order == []
    for thread in threads:
        thread.join(10)
    # Who came later does not go before it.
    assert order == ["alone", "other"]


@pytest.mark.parametrize(
    ("reason", "exception", "op", "spoilt"),
    [
        ("", "MemoryError", "Op", True),
        (f"OSError: {os.strerror(errno.EMFILE)}: 'film.mp4'", "OSError", "Op", True),
        ("RuntimeError: can't start new thread", "RuntimeError", "Op", True),
        (f"OSError: {os.strerror(errno.ENOENT)}", "OSError", "Op", False),
        ("ValueError: too many cooks", "ValueError", "Op", False),
        ("cannot write 'a': permission denied", "StorageError", None, True),
        ("rows 4 to 7 cannot be decoded", "VideoError", None, False),
    ],
)
def test_a_process_that_has_lost_what_others_need_is_replaced(
    reason: str, exception: str, op: str | None, spoilt: bool
) -> None:
    failure = Failure("a", reason, exception=exception, op=op)
    assert supervisor._is_spoilt(failure) is spoilt


def test_only_time_spent_waiting_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = supervisor._Clock(2.0, None, lambda: False)
    for _ in range(4):
        now[0] += 0.5
        clock.look()
    # This process was busy with rows, and has begun to wait again.
    now[0] += 100
    clock.begin()
    clock.look()
    # It did not run itself for a while: no more of that counts than of one look.
    with pytest.raises(supervisor._TooLong):
        _look_after(now, clock, 50.0)
    assert clock._spent == 3.0


def _look_after(now: list[float], clock: supervisor._Clock, seconds: float) -> None:
    now[0] += seconds
    clock.look()


def test_a_cancelled_task_has_some_seconds_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, cancelled = [0.0], [False]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = supervisor._Clock(0.0, None, lambda: cancelled[0])
    _look_after(now, clock, 100.0)
    cancelled[0] = True
    for _ in range(10):
        _look_after(now, clock, 0.5)
    with pytest.raises(supervisor._Cancelled):
        _look_after(now, clock, 0.5)


def test_no_limit_is_never_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = supervisor._Clock(0.0, None, lambda: False)
    for _ in range(1000):
        _look_after(now, clock, 0.5)
    assert clock._spent == 500.0


def test_hosts_that_never_ran_end_at_once(setting: Setting) -> None:
    hosts = TaskHosts(SteppedRun(setting, "idle").source)
    hosts.retire()
    hosts.end()
    assert hosts._host is None
