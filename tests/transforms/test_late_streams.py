"""Videos that are named when their window has ended."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.transforms import trigger, window

from beam_scanner import NamedStorage, NamedStream
from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel
from beam_scanner.storage.failure_files import failure_files, read_failures
from beam_scanner.transforms import (
    Histogram,
    ReadAllFromVideo,
    ShotBoundaries,
    Slice,
    Stride,
    Unslice,
    WriteToNamedStream,
    op,
    partitioner,
)
from beam_scanner.types import FrameType
from tests.support.late_bundles import late_stream
from tests.support.pipeline_runs import Run

TRIGGERS: dict[str, Any] = {
    "again, new": {
        "trigger": trigger.AfterWatermark(late=trigger.AfterCount(1)),
        "accumulation_mode": trigger.AccumulationMode.DISCARDING,
    },
    "again, all": {
        "trigger": trigger.AfterWatermark(late=trigger.AfterCount(1)),
        "accumulation_mode": trigger.AccumulationMode.ACCUMULATING,
    },
}


class _Means(Kernel):
    def execute(self, left: FrameType, right: FrameType) -> float:
        return float(left.mean()) - float(right.mean())


Means = op(_Means)


def _windows(**how: Any) -> beam.WindowInto:
    return beam.WindowInto(window.FixedWindows(5), allowed_lateness=100, **how)


def _run() -> Run:
    return Run("--runner=BundleBasedDirectRunner", "--streaming")


@pytest.mark.parametrize("how", TRIGGERS)
@pytest.mark.slow
def test_late_videos(how: str, films: Path, tmp_path: Path) -> None:
    a, b = (("a", str(films / "a.mp4")), ("b", str(films / "b.mp4")))
    # 'b' is late, 'bad' cannot be read, and the last one is another 'a'.
    paths = late_stream([a], [b], [("bad", "/no/such.mp4")], [("a", b[1])])
    with _run() as run:
        found = run.pipeline | paths | _windows(**TRIGGERS[how]) | ReadAllFromVideo()
        made = found | Slice(partitioner.all(24)) | Stride(12) | Unslice()
        rows = made | Histogram()
        shots = found | "Few" >> Stride(4) | "Rgb" >> Histogram() | ShotBoundaries()
        run.keep("rows", rows)
        run.keep_written(
            "rgb", rows | WriteToNamedStream(str(tmp_path), "rgb/{stream}")
        )
        run.keep_written(
            "shots", shots | "Shots" >> WriteToNamedStream(str(tmp_path), "s/{stream}")
        )
    assert Counter(key.stream for key, _ in run.rows("rows")) == {"a": 6, "b": 6}
    assert run.commits("rgb") == ["rgb/a", "rgb/b"]
    assert run.commits("shots") == ["s/a", "s/b"]
    failed = run.failures("shots")
    assert sorted(failed) == ["a", "bad"]
    assert "would both be stream 'a'" in failed["a"]
    streams = {n: NamedStream(NamedStorage(str(tmp_path)), f"rgb/{n}") for n in "ab"}
    sums = {n: [int(v[0].argmax()) for v in s.load()] for n, s in streams.items()}
    assert {n: len(values) for n, values in sums.items()} == {"a": 6, "b": 6}
    store = NamedStorage(str(tmp_path)).raw_store()
    stored = [
        f.stream
        for kept in failure_files(store)
        for f in read_failures(store, kept.key)
    ]
    assert sorted(stored) == ["a", "bad"]


@pytest.mark.slow
def test_a_late_video_is_joined_with_one_that_was_in_time(
    films: Path, tmp_path: Path
) -> None:
    path = str(films / "a.mp4")
    sides = late_stream([("left", path)], [("right", path)])
    with _run() as run:
        timed = run.pipeline | sides | _windows()

        def of(side: str) -> Any:
            paths = (
                timed
                | f"Only {side}" >> beam.Filter(lambda named: named[0] == side)
                | f"Scene {side}" >> beam.MapTuple(lambda _, path: ("scene", path))
            )
            read = paths | f"Read {side}" >> ReadAllFromVideo()
            return read | f"Some {side}" >> Stride(24)

        means = {"left": of("left"), "right": of("right")} | Means()
        run.keep_written(
            "means", means | WriteToNamedStream(str(tmp_path), "m/{stream}")
        )
    # First it says that the other one is not there, then it is made.
    assert list(run.failures("means")) == ["scene"]
    assert run.commits("means") == ["m/scene"]


def test_windows_that_grow_are_refused() -> None:
    pipeline = beam.Pipeline()
    late = beam.WindowInto(window.Sessions(5), allowed_lateness=1)
    paths = pipeline | beam.Create(["a.mp4"]) | late
    with pytest.raises(ArgumentError, match="no session windows with allowed_lateness"):
        _ = paths | ReadAllFromVideo()
