"""A Flink cluster on which processes die, lack what they need, or cannot be reached."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from beam_scanner import (
    Client,
    NamedStorage,
    NamedStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.errors import JobFailure, WorkerError
from beam_scanner.kernels import Kernel
from beam_scanner.run.report import Report
from beam_scanner.run.run_files import remove_garbage
from scripts import runner_services as services
from tests.support.folders import ROOT
from tests.support.runner_graphs import left_over

pytestmark = [
    pytest.mark.processes,
    pytest.mark.slow,
    pytest.mark.xdist_group("flink-cluster"),
]

ROWS, PACKET = 48, 4
SECONDS = 240.0


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def kill_worker() -> None:
    """Kills the worker of the runner, which has started what runs kernels."""
    # No assert: pytest rewrites them, and other programs would have another kernel.
    os.kill(psutil.Process(os.getppid()).ppid(), signal.SIGKILL)
    time.sleep(60)


DEATHS = {"self": lambda: os._exit(3), "worker": kill_worker}


@register_python_op(name="RunnerGate")
class Gate(Kernel):
    """Adds one, and waits in the middle of a task until a file is there."""

    def __init__(self, config: Any, folder: str) -> None:
        self.folder = Path(folder)
        self.rows = 0

    def execute(self, x: Any) -> Any:
        self.rows += 1
        gate = self.folder / "open"
        if self.rows > PACKET and not gate.exists():
            (self.folder / f"waits-{os.getpid()}").touch()
            until = time.monotonic() + SECONDS
            while not gate.exists() and time.monotonic() < until:
                time.sleep(0.05)
        for order in self.folder.glob("die-*"):
            _, who, row = order.name.split("-")
            if row == "first" or int(row) == x:
                if row == "first":
                    order.unlink(missing_ok=True)
                DEATHS[who]()
        return x + 1


class Scene:
    """A stream of numbers, and a run that waits at a gate."""

    def __init__(self, folder: Path, flags: list[str]) -> None:
        self.folder = folder
        self.flags = flags
        self.errors: list[BaseException] = []
        self.values: list[Any] = []
        self.report = Report()

    def run(self) -> None:
        with Client(db_path=str(self.folder / "db"), options=self.flags) as sc:
            given, made = NamedStream(sc, "in"), NamedStream(sc, "out")
            if not given.committed():
                given.save(range(ROWS), Any)
            added = sc.ops.RunnerGate(x=sc.io.Input([given]), folder=str(self.folder))
            output = sc.io.Output(added, [made])
            perf = PerfParams.manual(PACKET, PACKET)
            number = sc.run(output, perf, show_progress=False)
            assert number is not None
            self.report = sc.report(number)
            self.values = list(made.load())

    def start(self) -> threading.Thread:
        def run() -> None:
            try:
                self.run()
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def waiting(self) -> list[int]:
        """Process ids of the workers that wait."""
        return [int(f.name.split("-")[1]) for f in self.folder.glob("waits-*")]

    def finished(self) -> list[Path]:
        """Manifests of tasks."""
        return list(self.folder.glob("db/.work/jobs/*/*/*-*"))

    def open(self) -> None:
        (self.folder / "open").touch()

    def check(self) -> None:
        assert not self.errors, self.errors
        assert self.values == list(range(1, ROWS + 1))
        assert not left_over(self.folder / "db", killed=True)


@pytest.fixture
def scene(flink_cluster: services.FlinkCluster, tmp_path: Path) -> Scene:
    return Scene(tmp_path, flink_cluster.flags(2))


def test_a_task_manager_is_killed(
    scene: Scene, flink_cluster: services.FlinkCluster
) -> None:
    thread = scene.start()
    try:
        wait_until(lambda: len(scene.waiting()) == 2 or bool(scene.errors), "at work")
        flink_cluster.kill("taskmanager-0")
        scene.open()
        thread.join(SECONDS)
        assert not thread.is_alive()
        scene.check()
    finally:
        scene.open()


@pytest.mark.parametrize("who", list(DEATHS))
def test_a_process_dies_and_its_task_is_run_again(who: str, scene: Scene) -> None:
    (scene.folder / f"die-{who}-first").touch()
    scene.open()
    scene.run()
    assert not list(scene.folder.glob("die-*"))
    scene.check()


@pytest.mark.parametrize("who", list(DEATHS))
def test_a_task_whose_process_always_dies_fails_its_stream(
    who: str, scene: Scene
) -> None:
    row = 2 * PACKET + 1
    (scene.folder / f"die-{who}-{row}").touch()
    scene.open()
    with pytest.raises(JobFailure) as found:
        scene.run()
    (failure,) = found.value.failures
    assert (failure.kind, failure.task, failure.attempts) == ("death", 2, 3)
    if who == "self":
        assert (failure.op, failure.row) == ("RunnerGate", row)
    (scene.folder / f"die-{who}-{row}").unlink()
    scene.run()
    scene.check()


def test_an_interrupt_cancels_the_job(
    scene: Scene, flink_cluster: services.FlinkCluster
) -> None:
    program = (
        # A shell's background job, and what it starts, ignores interrupts.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"import sys; sys.path[:0] = {[str(ROOT)]!r}\n"
        "from pathlib import Path\n"
        "from tests.runners.test_flink_faults import Scene\n"
        f"Scene(Path({str(scene.folder)!r}), {scene.flags!r}).run()\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    try:
        at_work = lambda: scene.waiting() and scene.finished()  # noqa: E731
        wait_until(lambda: bool(at_work()) or driver.poll() is not None, "at work")
        driver.send_signal(signal.SIGINT)
        _, text = driver.communicate(timeout=60)
        assert b"KeyboardInterrupt" in text
        scene.open()
        wait_until(lambda: flink_cluster.overview()["jobs-running"] == 0, "cancelled")
    finally:
        driver.kill()
        driver.communicate()
    scene.run()
    # Workers may have ended what they had in hand, even all of it.
    assert scene.report.reused > 0 or scene.report.cached
    remove_garbage(NamedStorage(str(scene.folder / "db")).store())
    scene.check()


OPS = """
from typing import Any
from beam_scanner import register_python_op

@register_python_op(name="RunnerTwice")
def twice(config, x: Any) -> Any:
    return helped(x)

def helped(x):
    return 2 * x
"""

PROGRAM = """
import sys
from typing import Any
import ops_beside
from beam_scanner import Client, NamedStream, PerfParams

with Client(db_path="db", options=sys.argv[1:]) as sc:
    given, made = NamedStream(sc, "in"), NamedStream(sc, "out")
    given.save(range(4), Any)
    output = sc.io.Output(sc.ops.RunnerTwice(x=sc.io.Input([given])), [made])
    sc.run(output, PerfParams.manual(2, 2))
    print(list(made.load()))
"""


def test_workers_need_not_have_the_folder_of_the_program(
    flink_cluster: services.FlinkCluster, tmp_path: Path
) -> None:
    (tmp_path / "ops_beside.py").write_text(OPS)
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py", *flink_cluster.flags(2)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[0, 2, 4, 6]\n", done.stderr


NO_PACKAGE = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "beam_scanner":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nowhere())
"""


def test_workers_without_the_package(
    scene: Scene, flink_cluster: services.FlinkCluster
) -> None:
    (scene.folder / "sitecustomize.py").write_text(NO_PACKAGE)
    pool = flink_cluster.start_beams_pool({"PYTHONPATH": str(scene.folder)})
    scene.flags.append(f"--environment_config={pool}")
    scene.open()
    with pytest.raises(WorkerError, match="no module 'beam_scanner'") as found:
        scene.run()
    assert "\n" not in str(found.value)
    assert "installed where they run" in str(found.value)


def test_no_worker_pool(scene: Scene) -> None:
    (port,) = services.free_ports(1)
    scene.flags.append(f"--environment_config=localhost:{port}")
    with (
        pytest.warns(UserWarning, match=f"localhost:{port}: nothing listens"),
        pytest.raises(WorkerError, match="the pipeline failed"),
    ):
        scene.run()
