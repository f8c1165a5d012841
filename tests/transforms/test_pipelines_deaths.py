"""Pipelines whose kernels take their process with them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.transforms import ReadFromNamedStream, WriteToNamedStream, op
from beam_scanner.types import FrameType
from tests.support.pipeline_runs import PROCESSES, Run, save, stream
from tests.support.small_runs import IN_MEMORY

pytestmark = pytest.mark.processes

ROWS, ROW = 20, 13
HOSTED = "--task_timeout=60"
"""Also in memory, a run with a limit has its tasks in a process of their own."""


class _Dies(Kernel):
    """Doubles; dies at a row of stream b always, at one of stream c twice."""

    def __init__(self, config: Any, folder: str) -> None:
        self.folder = Path(folder)

    def execute(self, x: int) -> int:
        Metrics.counter("deaths", "rows").inc()
        if x == 100 + ROW:
            os._exit(0)
        if x == 200 + ROW and len(list(self.folder.iterdir())) < 2:
            (self.folder / str(time.time())).touch()
            os.abort()
        return 2 * x


Dies = op(register_python_op(name="PipelineDies")(_Dies))


class _Frames(Kernel):
    """A large frame of the number; dies once in the middle."""

    def __init__(self, config: Any, folder: str) -> None:
        self.once = Path(folder) / "once"

    def execute(self, x: int) -> FrameType:
        if x == ROW and not self.once.exists():
            self.once.touch()
            os.abort()
        return np.full((600, 700, 3), x, np.uint8)


Frames = op(register_python_op(name="PipelineFrames")(_Frames))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    for number, name in enumerate("abc"):
        values = range(100 * number, 100 * number + ROWS)
        save(tmp_path / "db", f"x/{name}", values, int)
    (tmp_path / "deaths").mkdir()
    return tmp_path / "db"


def lines(folder: Path, name: str) -> list[str]:
    found: list[str] = []
    for file in folder.glob(f"{name}-*"):
        found += file.read_text().splitlines()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(HOSTED,), PROCESSES], ids=["memory", "processes"])
def test_rows_leave_once(flags: tuple[str, ...], db: Path, tmp_path: Path) -> None:
    deaths, out = str(tmp_path / "deaths"), tmp_path / "rows"
    run = Run(*flags, f"--scanner_db={db}")
    x = run.pipeline | ReadFromNamedStream(str(db), "x/*", type=int)
    y = x | Dies(folder=deaths)
    text = y | beam.MapTuple(lambda key, value: f"{key.stream} {key.row} {value}")
    text | beam.io.WriteToText(str(out))
    (
        y.failures
        | beam.Map(lambda f: f"{f.stream} {f.kind} {f.op} {f.row} {f.attempts}")
        | "Failures" >> beam.io.WriteToText(str(tmp_path / "failures"))
    )
    result = run.pipeline.run()
    result.wait_until_finish()
    found = lines(tmp_path, "rows")
    wanted = [
        f"x/{name} {row} {2 * (100 * number + row)}"
        for number, name in enumerate("abc")
        for row in range(ROW if name == "b" else ROWS)
    ]
    given = sorted(line for line in found if not line.startswith("x/b"))
    assert given == sorted(line for line in wanted if not line.startswith("x/b"))
    # Some of the rows before it, each once.
    some = [line for line in found if line.startswith("x/b")]
    assert len(some) == len(set(some))
    assert set(some) <= set(wanted)
    (failure,) = lines(tmp_path, "failures")
    assert failure == f"x/b death PipelineDies {ROW} 3"
    rows = [
        counter.committed
        for counter in result.metrics().query()["counters"]
        if counter.key.metric.namespace == "deaths"
    ]
    # Those of attempts that died are lost.
    assert sum(rows) == 2 * ROWS


def test_frames_leave_once(db: Path, tmp_path: Path) -> None:
    with Run(HOSTED, f"--scanner_db={db}") as run:
        x = run.pipeline | ReadFromNamedStream(str(db), "x/a", type=int)
        frames = x | Frames(folder=str(tmp_path / "deaths"))
        run.keep("frames", frames)
    found = run.rows("frames")
    assert [key.row for key, _ in found] == list(range(ROWS))
    for row, (_, frame) in enumerate(found):
        assert frame.shape == (600, 700, 3)
        assert (frame == row).all()


def test_a_sink_commits_all_others(db: Path, tmp_path: Path) -> None:
    with Run(HOSTED, "--max_attempts=2") as run:
        x = run.pipeline | ReadFromNamedStream(str(db), "x/*", type=int)
        y = x | Dies(folder=str(tmp_path / "deaths"))
        run.keep_written("y", y | WriteToNamedStream(str(db), name="y/{stream}"))
    failures = {failure.stream: failure for failure in run.rows("y failures")}
    assert set(failures) == {"x/b", "x/c"}
    for failure in failures.values():
        assert (failure.kind, failure.row, failure.attempts) == ("death", ROW, 2)
    assert run.commits("y") == ["y/x/a"]
    assert list(stream(db, "y/x/a").load()) == [2 * x for x in range(ROWS)]
    assert not list((db / ".work").rglob("attempts/*/*"))


@pytest.mark.parametrize("flag", ["--task_timeout=-1", "--max_attempts=0"])
def test_impossible_limits(flag: str, db: Path) -> None:
    run = Run(flag)
    with pytest.raises(ArgumentError, match="must be"):
        run.pipeline | ReadFromNamedStream(str(db), "x/a", type=int)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_failures", "3"), ("max_failures", -1), ("decoder", "gpu")],
)
def test_options_given_by_name(name: str, value: Any, db: Path) -> None:
    """Beam reads flags, and takes these as they are; workers would fail on them."""
    options = PipelineOptions(IN_MEMORY, **{name: value})
    read = ReadFromNamedStream(str(db), "x/a", type=int)
    with pytest.raises(ArgumentError, match=f"{name} must be .* got {value!r}"):
        beam.Pipeline(options=options) | read
