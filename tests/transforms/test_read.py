"""Sources of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.transforms.window import FixedWindows, TimestampedValue

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


@pytest.mark.slow
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


def _in_window(
    element: object, window: Any = beam.DoFn.WindowParam
) -> tuple[object, str]:
    return element, str(window)


def test_windows_of_paths_are_kept(run: Run, films: Path, db: Path) -> None:
    """By rows, and by what sinks of streams tell; elements are stored of all windows."""
    paths = (
        run.pipeline
        | beam.Create([("a", 5), ("b", 55)])
        | beam.MapTuple(lambda name, at: TimestampedValue(f"{films}/{name}.mp4", at))
        | beam.WindowInto(FixedWindows(10))
    )
    numbers = paths | ReadAllFromVideo() | Range(0, 1) | Number()
    stored = numbers | WriteToNamedStream(str(db), "n/{stream}")
    plain = numbers | "Plain" >> beam.Map(lambda row: row)
    elsewhere = plain | "All" >> WriteToNamedStream(str(db), "e/{stream}", type=int)
    for name, rows in {
        "rows": numbers | "Keys" >> beam.MapTuple(lambda key, _: key.stream),
        "stored": stored.commits | "N" >> beam.Map(lambda commit: commit.stream),
        "elsewhere": elsewhere.commits | "E" >> beam.Map(lambda commit: commit.stream),
    }.items():
        run.keep(name, rows | f"Window of {name}" >> beam.Map(_in_window))
    run.run()
    windows = ["[0.0, 10.0)", "[50.0, 60.0)"]
    assert run.rows("rows") == list(zip(["a.mp4", "b.mp4"], windows, strict=True))
    names = ["n/a.mp4", "n/b.mp4"]
    assert run.rows("stored") == list(zip(names, windows, strict=True))
    assert run.rows("elsewhere") == [
        ("e/a.mp4", "GlobalWindow"),
        ("e/b.mp4", "GlobalWindow"),
    ]


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


def test_commits_of_a_sink_are_read(run: Run, films: Path, tmp_path: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4") | Range(0, 2)
    written = frames | Number() | WriteToNamedStream(str(tmp_path), "n/{stream}")
    again = written.commits | ReadAllFromNamedStream(str(tmp_path), int)
    run.keep("numbers", again)
    run.run()
    assert [value for _, value in run.rows("numbers")] == [0, 1, 100, 101]


def test_names_that_are_none_fail_alone(run: Run, db: Path) -> None:
    given = beam.Create(["x/a", "../x", "no/such"]), beam.Create([3, ("x/b", 1)])
    names = run.pipeline | "Names" >> given[0], run.pipeline | "Other" >> given[1]
    # Of a type that nobody knows.
    untyped = beam.Map(lambda each: each).with_output_types(Any)
    rows = (
        names
        | beam.Flatten()
        | untyped
        | ReadAllFromNamedStream(str(db), int)
        | Range(0, 1)
    )
    run.keep("rows", rows)
    run.keep("failures", rows.failures)
    run.run()
    assert [key.stream for key, _ in run.rows("rows")] == ["x/a"]
    reasons = {f.stream: f.reason for f in run.rows("failures")}
    assert set(reasons) == {"../x", "no/such", "3", "('x/b', 1)"}
    assert "would leave the database" in reasons["../x"]
    assert "expected a stream name" in reasons["3"]
