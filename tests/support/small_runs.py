"""A small graph with phases and several streams, for runs that are interrupted."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beam_scanner.graph.builder import IOGenerator, OpGenerator
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run import launch
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.launch import execute
from beam_scanner.run.options import Limits
from beam_scanner.run.plan_and_commit import commit_job, plan_job
from beam_scanner.run.prepare import Prepared, prepare
from beam_scanner.run.report import Report
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.tasks.try_task import try_task
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from tests.support.harness import drained

IN_MEMORY = ["--direct_running_mode=in_memory"]
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]

ROWS = 15
PACKET = 4
BLOBS = -(-ROWS // PACKET)
"""Tasks of the first phase of a job."""

TASKS_A_JOB = BLOBS + 1
JOBS = 2
FAIL = "BEAM_SCANNER_TEST_FAIL"


@register_python_op(name="SmallScale")
class Scale(Kernel):
    """Multiplies; at values below 0 it does as an environment variable says, if any."""

    def __init__(self, config: Any, by: int = 2) -> None:
        self.by = by

    def execute(self, x: Any) -> Any:
        order = os.environ.get(FAIL)
        if x < 0 and order == "exit":
            os._exit(3)
        if x < 0 and order == "sleep":
            time.sleep(60)
        if x < 0 and order:
            raise RuntimeError("told to fail")
        return abs(x) * self.by


@register_python_op(name="SmallSum", unbounded_state=True)
class Sum(Kernel):
    """The sum of all rows so far."""

    def __init__(self, config: Any) -> None:
        self.reset()

    def reset(self) -> None:
        self.sum = 0

    def execute(self, x: Any) -> Any:
        self.sum += x
        return self.sum


@dataclass
class Setting:
    """A database with inputs, and a graph over them.

    The graph has two outputs: ``scaled``, made by many tasks, and ``sums``, made in a
    second phase from an internal stream.
    """

    storage: NamedStorage
    by: int = 2
    values: list[list[int]] = field(default_factory=list)

    @classmethod
    def make(cls, path: Path | str, by: int = 2) -> Setting:
        storage = NamedStorage(str(path))
        storage.store(create=True)
        made = cls(storage, by)
        for job in range(JOBS):
            made.values.append([row + 100 * job for row in range(ROWS)])
            made.input(job).save(made.values[job], Any)
        return made

    def input(self, job: int) -> NamedStream:
        return NamedStream(self.storage, f"in{job}")

    def output(self, kind: str, job: int) -> NamedStream:
        return NamedStream(self.storage, f"{kind}/{job}")

    def streams(self) -> list[NamedStream]:
        return [self.output(k, job) for job in range(JOBS) for k in ("scaled", "sums")]

    def graph(self, by: int | None = None) -> list[Any]:
        io, ops = IOGenerator(self.storage), OpGenerator(self.storage)
        jobs = range(JOBS)
        x = io.Input([self.input(job) for job in jobs])
        scaled = ops.SmallScale(x=x, by=self.by if by is None else by)
        return [
            io.Output(scaled, [self.output("scaled", job) for job in jobs]),
            io.Output(ops.SmallSum(x=scaled), [self.output("sums", j) for j in jobs]),
        ]

    def prepare(self, mode: CacheMode, by: int | None = None) -> Prepared:
        perf = PerfParams.manual(2, PACKET)
        return prepare(self.graph(by), perf, mode, self.storage)

    def run(
        self,
        mode: CacheMode = CacheMode.Error,
        by: int | None = None,
        flags: Sequence[str] = IN_MEMORY,
    ) -> Report:
        prepared = self.prepare(mode, by)
        return execute(prepared, self.storage, pipeline_options(flags), False)

    def check_values(self, by: int | None = None) -> None:
        for job, values in enumerate(self.values):
            by = self.by if by is None else by
            want = [abs(value) * by for value in values]
            assert list(self.output("scaled", job).load()) == want
            sums = [sum(want[: row + 1]) for row in range(len(want))]
            assert list(self.output("sums", job).load()) == sums


def contents(stream: NamedStream) -> list[bytes]:
    """The bytes of a stream's files, in order."""
    return [Path(file).read_bytes() for file in stream.files()]


def manifests(storage: NamedStorage) -> list[str]:
    """Keys of the manifests of all unfinished jobs."""
    store = storage.store()
    return [
        key
        for key in store.list(".work/jobs/")
        if key.count("/") == 4 and "/internal/" not in key
    ]


class SteppedRun:
    """One run, whose stages a test carries out as it likes."""

    def __init__(
        self, setting: Setting, name: str, job: int = 0, timeout: float = 0.0
    ) -> None:
        prepared: Prepared = setting.prepare(CacheMode.Overwrite)
        self.store = setting.storage.store()
        self.files = RunFiles(self.store, name)
        self.job_files = prepared.jobs[job].files
        settings = launch._settings(prepared, Limits(timeout=timeout), None)
        self.source = launch.write_run(prepared, self.files, settings)
        self.context = self.source.open()
        self.job = job
        planned = list(plan_job(self.context, job, 0))
        self.tasks = [item for item in planned if isinstance(item, TaskId)]
        self.outcomes = [item for item in planned if not isinstance(item, TaskId)]

    def do(self, task: int) -> str:
        outcome, _ = drained(try_task(self.context, self.tasks[task]))
        self.outcomes.append(outcome)
        return outcome[0]

    def commit(self) -> bool:
        return not commit_job(self.context, self.job, self.outcomes)


def segments(stream: NamedStream) -> list[Path]:
    """Files of the segments of a stream."""
    folder = Path(stream.storage().db_path) / stream.name()
    return sorted(folder.glob("*.segments/*"))
