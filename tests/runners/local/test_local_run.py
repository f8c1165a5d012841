"""Worker processes and drivers that die, and users who lose patience."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import apache_beam as beam
import psutil
import pytest
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    ControlConnection,
)

from beam_scanner.beam_internals.beam_threads import READERS
from beam_scanner.errors import WorkerError
from beam_scanner.forks.fork_client import SERVER
from beam_scanner.graph.builder import IOGenerator, OpGenerator
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run import launch
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.launch import execute
from beam_scanner.run.prepare import prepare
from beam_scanner.run.report import Report
from beam_scanner.runners.local import local_run
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.runners.local.processes import WorkerProcesses
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from tests.support.folders import ROOT

pytestmark = pytest.mark.processes

FLAGS = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
ROWS, PACKET = 24, 2
BAD = 9
"""The row at which a kernel misbehaves."""


@register_python_op(name="DeadlyIncrement")
class Deadly(Kernel):
    """Adds one; at one row, if a file is there, removes it and does as it says."""

    def __init__(self, config: Any, order: Any) -> None:
        self.order = Path(order)

    def execute(self, x: Any) -> Any:
        if x == BAD and self.order.exists():
            order = self.order.read_text()
            if order not in ("sleep", "always"):
                self.order.unlink()
            if order == "exit":
                os._exit(3)
            if order in ("worker", "stop", "always"):
                kill_worker(signal.SIGSTOP if order == "stop" else signal.SIGKILL)
            self.order.with_suffix(".asleep").touch()
            until = time.monotonic() + 60
            while self.order.exists() and time.monotonic() < until:
                time.sleep(0.1)
        return x + 1


def kill_worker(number: int) -> None:
    """Sends a signal to the worker of this task, and waits for what comes of it."""
    # It has started what has started this process.
    started_by = psutil.Process().parent()
    assert started_by is not None
    os.kill(started_by.ppid(), number)
    time.sleep(60)


@register_python_op(name="DeadlyNeighbour")
class DeadlyNeighbour(Kernel):
    """Where ``x`` is 1, kills its worker while that of 0 is at work, three times."""

    def __init__(self, config: Any, folder: Any) -> None:
        self.begun = Path(folder) / "begun"
        self.kills = Path(folder) / "kills"

    def execute(self, x: Any) -> Any:
        until = time.monotonic() + 60
        if x:
            while not self.begun.exists() and time.monotonic() < until:
                time.sleep(0.05)
            self.begun.unlink()
            with self.kills.open("a") as kills:
                kills.write("x")
            kill_worker(signal.SIGKILL)
        before = self.kills.stat().st_size
        self.begun.touch()
        while before < 3 and time.monotonic() < until:
            time.sleep(0.05)
        return x


class Scene:
    """A database, a graph with the kernel above, and its order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = NamedStorage(str(folder / "db"))
        self.storage.store(create=True)
        self.order = folder / "order"
        self.input = NamedStream(self.storage, "in")
        self.output = NamedStream(self.storage, "out")

    def run(self) -> Report:
        if not self.input.committed():
            self.input.save(range(ROWS), Any)
        io, ops = IOGenerator(self.storage), OpGenerator(self.storage)
        made = ops.DeadlyIncrement(x=io.Input([self.input]), order=str(self.order))
        outputs = [io.Output(made, [self.output])]
        perf = PerfParams.manual(PACKET, PACKET)
        prepared = prepare(outputs, perf, CacheMode.Error, self.storage)
        return execute(prepared, self.storage, pipeline_options(FLAGS), False)

    def check(self) -> None:
        report = self.run()
        assert not report.failures
        assert report.tasks + report.reused == ROWS // PACKET
        assert report.tasks >= 1
        assert list(self.output.load()) == list(range(1, ROWS + 1))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def fork_servers(driver: int) -> list[psutil.Process]:
    return [
        child for child in running_children(psutil.Process(driver)) if is_server(child)
    ]


def workers(driver: int) -> list[psutil.Process]:
    return [
        child for server in fork_servers(driver) for child in running_children(server)
    ]


def is_server(process: psutil.Process) -> bool:
    # It may end while it is looked at.
    with suppress(psutil.NoSuchProcess):
        return SERVER in process.cmdline()
    return False


def running_children(process: psutil.Process) -> list[psutil.Process]:
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in process.children():
            with suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
    return found


def all_gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=60)[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "place"),
    [
        ("exit", "main thread"),
        ("worker", "main thread"),
        ("worker", "another thread"),
        ("worker", "no interrupts"),
        ("stop", "main thread"),
    ],
)
def test_a_run_goes_on_when_a_process_dies(
    order: str, place: str, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.order.write_text(order)
    before = signal.getsignal(signal.SIGINT)
    reports: list[Report] = []
    if place == "another thread":
        thread = threading.Thread(target=lambda: reports.append(scene.run()))
        thread.start()
        thread.join(timeout=120)
    else:
        if place == "no interrupts":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            reports.append(scene.run())
        finally:
            signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGINT) is before
    assert not workers(os.getpid())
    assert not scene.order.exists()
    (report,) = reports
    assert not report.failures
    assert report.tasks == ROWS // PACKET
    assert list(scene.output.load()) == list(range(1, ROWS + 1))
    # Of the death of what runs kernels only the worker knows.
    assert ("a worker process died" in caplog.text) == (order != "exit")


@pytest.mark.slow
def test_a_stream_whose_worker_always_dies_fails(scene: Scene) -> None:
    scene.order.write_text("always")
    report = scene.run()
    (failure,) = report.failures
    assert failure.kind == "death"
    assert failure.attempts == 3
    assert failure.task == BAD // PACKET
    assert "the worker that ran the task died" in failure.reason
    scene.order.unlink()
    scene.check()


def end_before_they_are_killed(run: WorkerProcesses) -> None:
    """As where the kill comes late: their runner has hung up meanwhile."""
    # Those of a run that has gone well would wait for more work.
    for thread in run._workers.values() if run._to_blame else ():
        thread.join(60)
    kill_all(run)


kill_all = WorkerProcesses.kill


@pytest.mark.slow
@pytest.mark.parametrize("kill", [kill_all, end_before_they_are_killed])
def test_streams_of_workers_that_end_with_it_do_not_fail(
    kill: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerProcesses, "kill", kill)
    storage = NamedStorage(str(tmp_path / "db"))
    inputs = [NamedStream(storage, f"in{number}") for number in range(2)]
    for number, stream in enumerate(inputs):
        stream.save([number], Any)
    (tmp_path / "kills").touch()
    io, ops = IOGenerator(storage), OpGenerator(storage)
    made = ops.DeadlyNeighbour(x=io.Input(inputs), folder=str(tmp_path))
    streams = [NamedStream(storage, f"out{number}") for number in range(2)]
    outputs = [io.Output(made, streams)]
    prepared = prepare(outputs, PerfParams.manual(2, 2), CacheMode.Error, storage)
    report = execute(prepared, storage, pipeline_options(FLAGS), False)
    assert [failure.stream for failure in report.failures] == ["out1"]
    assert report.failures[0].attempts == 3
    assert list(streams[0].load()) == [0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", ["another thread", pytest.param("main thread", marks=pytest.mark.slow)]
)
def test_who_reads_from_a_dead_worker_is_waited_for(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its threads raise is the run's, and nobody else's."""
    read = ControlConnection._read
    told: list[str] = []

    def read_slowly(connection: Any) -> None:
        try:
            read(connection)
        except Exception:
            time.sleep(2)
            raise

    def build(pipeline: beam.Pipeline) -> None:
        deadly = beam.Map(lambda _: os.kill(os.getpid(), signal.SIGKILL))
        _ = pipeline | beam.Create([1]) | beam.Reshuffle() | deadly

    def run() -> None:
        with pytest.raises(WorkerError, match="a worker process died"):
            local_run.run(pipeline_options(FLAGS), build)

    monkeypatch.setattr(ControlConnection, "_read", read_slowly)
    monkeypatch.setattr(local_run, "_HANG_UP_SECONDS", 60.0)
    monkeypatch.setattr(
        threading, "excepthook", lambda args: told.append(str(args.thread))
    )
    before = set(threading.enumerate())
    if place == "main thread":
        run()
    else:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(120)
    for late in set(threading.enumerate()) - before:
        if late.name.startswith(READERS):
            late.join(60)
    assert told == []


def start(scene: Scene) -> subprocess.Popen[bytes]:
    """A driver of its own, whose worker sleeps."""
    scene.order.write_text("sleep")
    program = (
        # A shell's background job, and what it starts, ignores interrupts.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"import sys; sys.path[:0] = {[str(ROOT)]!r}\n"
        "from pathlib import Path\n"
        "from tests.runners.local.test_local_run import Scene\n"
        f"Scene(Path({str(scene.folder)!r})).run()\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, start_new_session=True
    )
    until = time.monotonic() + 120
    while not scene.order.with_suffix(".asleep").exists():
        assert time.monotonic() < until
        assert driver.poll() is None, driver.communicate()[1].decode()
        time.sleep(0.05)
    return driver


@pytest.mark.slow
def test_workers_end_with_their_driver(scene: Scene) -> None:
    driver = start(scene)
    until = time.monotonic() + 60
    while len(workers(driver.pid)) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    running = [*workers(driver.pid), *fork_servers(driver.pid)]
    assert len(running) == 3
    driver.kill()
    driver.communicate()
    assert all_gone(running)
    scene.order.unlink()
    scene.check()


@pytest.mark.slow
def test_a_run_goes_on_when_its_fork_server_dies(scene: Scene) -> None:
    driver = start(scene)
    running = workers(driver.pid)
    (server,) = fork_servers(driver.pid)
    server.kill()
    # Only then: the run would end while the server is there.
    scene.order.unlink()
    _, text = driver.communicate(timeout=120)
    assert "a worker process died (it could not start, or the process" in text.decode()
    assert driver.returncode == 0
    assert all_gone(running)
    assert list(scene.output.load()) == list(range(1, ROWS + 1))


@pytest.mark.slow
def test_a_dead_worker_ends_no_other_run(tmp_path: Path) -> None:
    bad, good = Scene(tmp_path / "bad"), Scene(tmp_path / "good")
    # Asleep until the other run has ended.
    good.order.write_text("sleep")
    bad.order.write_text("worker")
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(good.run()))
    thread.start()
    until = time.monotonic() + 60
    while not good.order.with_suffix(".asleep").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not bad.run().failures
    good.order.unlink()
    thread.join(timeout=120)
    assert reports[0].tasks == ROWS // PACKET
    assert list(good.output.load()) == list(range(1, ROWS + 1))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["driver", "terminal"])
def test_an_interrupt_ends_all_soon(who: str, scene: Scene) -> None:
    driver = start(scene)
    running = [*workers(driver.pid), *fork_servers(driver.pid)]
    began = time.monotonic()
    if who == "driver":
        os.kill(driver.pid, signal.SIGINT)
    else:
        os.killpg(driver.pid, signal.SIGINT)
    # Its worker would sleep for a minute.
    _, text = driver.communicate(timeout=40)
    assert time.monotonic() - began < 40
    assert driver.returncode
    assert b"KeyboardInterrupt" in text
    assert text.count(b"Traceback") == 1, text.decode()
    assert all_gone(running)
    scene.order.unlink()
    scene.check()


def read_or_raise(armed: str) -> str:
    return str(int("no number")) if Path(armed).exists() else armed


class Unreadable:
    """Can be sent to workers, but not be read there once a file is there."""

    def __init__(self, armed: str) -> None:
        self.armed = armed

    def __reduce__(self) -> tuple[Any, ...]:
        return read_or_raise, (self.armed,)


@pytest.mark.parametrize("flags", [["--direct_running_mode=in_memory"], FLAGS])
def test_what_ends_the_pipeline_is_told_in_one_line(
    flags: list[str], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed = scene.folder / "armed"
    run = launch.run_pipeline  # type: ignore[attr-defined]

    def run_armed(*args: Any, **how: Any) -> Any:
        armed.touch()
        return run(*args, **how)

    monkeypatch.setattr(launch, "run_pipeline", run_armed)
    scene.input.save(range(ROWS), Any)
    io, ops = IOGenerator(scene.storage), OpGenerator(scene.storage)
    order = Unreadable(str(armed))
    made = ops.DeadlyIncrement(x=io.Input([scene.input]), order=order)
    outputs = [io.Output(made, [scene.output])]
    perf = PerfParams.manual(PACKET, PACKET)
    prepared = prepare(outputs, perf, CacheMode.Error, scene.storage)
    with pytest.raises(WorkerError, match=r"the pipeline failed .*no number") as found:
        execute(prepared, scene.storage, pipeline_options(flags), False)
    assert "\n" not in str(found.value)
