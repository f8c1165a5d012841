"""Sources of a pipeline."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam

from beam_scanner.transforms import (
    Range,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    WriteToNamedStream,
)
from tests.support.pipeline_kernels import (
    Add,
    Minus,
    Number,
)
from tests.support.pipeline_runs import Run, save, stream
from tests.support.small_streams import ROWS, elements


def test_sources_are_joined_by_name(run: Run, films: Path, db: Path) -> None:
    """Three sources, of which only ``a`` is everywhere."""
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4", name=_stem) | Range(0, 20)
    save(db, "y/a", range(20, 40), int)
    x = run.pipeline | ReadFromNamedStream(str(db), "x/*", int, name=_last)
    names = run.pipeline | beam.Create(["y/a"])
    y = names | ReadAllFromNamedStream(str(db), int, name=_last)
    total = [frames | Number(), x, y] | Add()
    run.keep_written("sum", total | WriteToNamedStream(str(db), "sum/{stream}"))
    both = {"left": x, "right": frames | "Number again" >> Number()} | Minus()
    run.keep("both", both)
    run.run()
    assert list(stream(db, "sum/a").load()) == [3 * r + 20 for r in range(ROWS)]
    assert run.commits("sum") == ["sum/a"]
    assert list(run.failures("sum")) == ["b"]
    assert "has no stream 'b' to join" in run.failures("sum")["b"]
    assert run.rows("both") == elements("a", [0] * ROWS) + elements("b", [0] * ROWS)


def _stem(path: str) -> str:
    return Path(path).stem


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def test_paths_from_elsewhere(run: Run, films: Path, db: Path) -> None:
    paths = run.pipeline | beam.Create(
        [f"{films}/a.mp4", f"{films}/?.mp4", f"{films}/none.mp4"]
    )
    frames = paths | ReadAllFromVideo() | Range(0, 1)
    run.keep("number", frames | Number())
    run.keep("failures", frames.failures)
    run.run()
    assert run.rows("number") == elements("a.mp4", [0]) + elements("b.mp4", [100])
    ((name, reason),) = [(f.stream, f.reason) for f in run.rows("failures")]
    assert name.endswith("none.mp4")
    assert "no file matches" in reason
