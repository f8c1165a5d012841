"""One video keeps all of a runner's slots at work, also when its shots are detected."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from beam_scanner import (
    Client,
    FrameType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.kernels import Kernel
from tests.support.runner_graphs import left_over
from tests.support.targets import Target, params

PATIENCE_SECONDS = 120.0
TASKS = 8


@register_python_op(name="RunnerMeet")
class Meet(Kernel):
    """Passes frames on, but none before so many tasks are at work at a time."""

    def __init__(self, config: Any, folder: str, tasks: int) -> None:
        self.folder = Path(folder)
        self.tasks = tasks

    def reset(self) -> None:
        (self.folder / os.urandom(8).hex()).touch()

    def execute(self, frame: FrameType) -> FrameType:
        until = time.monotonic() + PATIENCE_SECONDS
        while len(os.listdir(self.folder)) < self.tasks:
            if time.monotonic() > until:
                raise TimeoutError(f"there are fewer than {self.tasks} tasks at a time")
            time.sleep(0.02)
        return frame


@pytest.mark.slow
@pytest.mark.parametrize(("shots", "parallelism"), [(False, 2), (True, 4)])
@pytest.mark.parametrize(
    "target",
    params("threads", "processes", "prism", "flink-embedded", "flink-cluster"),
    indirect=True,
)
def test_one_video_is_worked_on_by_all(
    shots: bool, parallelism: int, target: Target, film: str, tmp_path: Path
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    with Client(db_path=str(tmp_path / "db"), options=target.flags(parallelism)) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        met = sc.ops.RunnerMeet(frame=frames, folder=str(meeting), tasks=parallelism)
        made = sc.ops.Histogram(frame=met)
        if shots:
            made = sc.ops.ShotBoundaries(histograms=made)
        output = sc.io.Output(made, [NamedStream(sc, "made")])
        perf = PerfParams.manual(4, 96 // TASKS)
        number = sc.run(output, perf, show_progress=False)
        assert number is not None
        report = sc.report(number)
        assert NamedStream(sc, "made").len() == 96
    assert report.tasks == (TASKS + 1 if shots else TASKS)
    if target.processes:
        assert len({trace["worker"] for trace in report.traces}) >= 2
    assert not left_over(tmp_path / "db")
