"""Our transforms among the rest of Beam's, on each runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.dataframe.convert import to_dataframe, to_pcollection
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import trigger, window
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.transforms.util import WaitOn

from beam_scanner.runners.portable import run
from beam_scanner.transforms import (
    FrameKey,
    Range,
    ReadAllFromVideo,
    ReadFromVideo,
    Resize,
    Stride,
    WriteToNamedStream,
    WriteToNamedVideo,
    op,
)
from beam_scanner.types import FrameType
from scripts import runner_services as services
from tests.support.targets import Target, params, require
from tests.support.video_fixtures import make_video

SHAPE = (48, 64, 3)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for name in "ab":
        make_video(folder / f"{name}.mp4", frames=72, gop=12)
    return folder


def _mean(config: Any, frame: FrameType) -> float:
    return float(frame.mean())


Mean = op(_mean)


class _Numbered(beam.DoFn):
    """Counts the rows of each stream."""

    rows = ReadModifyWriteStateSpec("rows", VarIntCoder())

    def process(
        self,
        row: tuple[str, float],
        rows: Any = beam.DoFn.StateParam(rows),  # noqa: B008
    ) -> Iterator[int]:
        seen = (rows.read() or 0) + 1
        rows.write(seen)
        yield seen


class _Parity(beam.DoFn):
    def process(self, row: Any) -> Iterator[Any]:
        key, _ = row
        yield beam.pvalue.TaggedOutput("odd" if key.row % 2 else "even", key.row)


class _Small(beam.PTransform):
    """A composite of our transforms."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self._stride = stride

    def expand(self, frames: Any) -> Any:
        return frames | Stride(self._stride) | Resize(width=8, height=6)


class _Nested(beam.PTransform):
    def expand(self, frames: Any) -> Any:
        return {"a": frames | "A" >> _Small(24), "b": frames | "B" >> _Small(36)}


def _by_stream(key: FrameKey, value: Any) -> tuple[str, Any]:
    return key.stream, value


def _row(key: FrameKey, _: Any) -> tuple[str, int]:
    return key.stream, key.row


def _lengths(key: FrameKey, found: Any) -> tuple[str, int, int, int]:
    frames, means = list(found["frames"]), list(found["means"])
    return key.stream, key.row, len(frames), len(means)


def _second_fails(row: Any) -> int:
    if row[0].row == 1:
        raise ValueError("the second row")
    return int(row[0].row)


ROWS = [(f"{film}.mp4", row) for film in "ab" for row in range(3)]
"""Of every 24th frame."""

Check = Callable[..., None]


def _side_inputs(p: Any, some: Any, check: Check, db: str) -> None:
    means = some | Mean()
    lengths = (
        p
        | "One" >> beam.Create([1])
        | "Rows of both"
        >> beam.Map(
            lambda _, rows, all: (len(rows), len(all)),
            beam.pvalue.AsDict(means),
            beam.pvalue.AsList(means | beam.Values()),
        )
    )
    check(lengths, [(6, 6)])
    three = beam.pvalue.AsSingleton(p | "Three" >> beam.Create([3]))
    moved = some | "Moved" >> beam.Map(lambda row, by: row[0].row + by, three)
    check(moved, [3, 4, 5] * 2)


def _flatten(p: Any, some: Any, check: Check, db: str) -> None:
    first, rest = some | "First" >> Range(0, 1), some | "Rest" >> Range(1, 3)
    moved = rest | beam.MapTuple(
        lambda key, v: (FrameKey(key.stream, 0, key.row + 1, key.pts_seconds), v)
    )
    both = (first, moved) | beam.Flatten()
    check(both | beam.MapTuple(_row), ROWS)
    written = both | WriteToNamedVideo(db, "flat/{stream}")
    check(written.commits | beam.Map(lambda commit: commit.rows), [3, 3])


def _grouped(p: Any, some: Any, check: Check, db: str) -> None:
    means = some | Mean()
    joined = {"frames": some, "means": means} | beam.CoGroupByKey()
    check(joined | beam.MapTuple(_lengths), [(*row, 1, 1) for row in ROWS])
    rows = some | beam.MapTuple(_row)
    check(rows | beam.CombinePerKey(max), [("a.mp4", 2), ("b.mp4", 2)])
    spread = some | beam.Reshuffle() | "Shape" >> beam.MapTuple(lambda _, v: v.shape)
    check(spread, [SHAPE] * 6)


def _batches(p: Any, some: Any, check: Check, db: str) -> None:
    rows = some | beam.MapTuple(_row).with_output_types(tuple[str, int])
    batches = rows | beam.GroupIntoBatches(2)
    sizes = batches | beam.MapTuple(lambda film, batch: (film, len(list(batch))))
    check(sizes, [("a.mp4", 2), ("a.mp4", 1), ("b.mp4", 2), ("b.mp4", 1)])


def _partition(p: Any, some: Any, check: Check, db: str) -> None:
    even, odd = some | beam.Partition(lambda row, n: row[0].row % n, 2)
    for name, part, rows in (("even", even, [2, 2]), ("odd", odd, [1, 1])):
        written = part | name >> WriteToNamedVideo(db, f"{name}/{{stream}}")
        check(written.commits | f"Rows {name}" >> beam.Map(lambda c: c.rows), rows)
    tagged = some | beam.ParDo(_Parity()).with_outputs()
    check(tagged.odd, [1, 1])
    check(tagged.even, [0, 2, 0, 2])


def _state(p: Any, some: Any, check: Check, db: str) -> None:
    keyed = some | Mean() | beam.MapTuple(_by_stream)
    check(keyed | beam.ParDo(_Numbered()), [1, 2, 3] * 2)


def _windows(p: Any, some: Any, check: Check, db: str) -> None:
    timed = some | Mean() | beam.MapTuple(_at_its_time)
    windowed = timed | beam.WindowInto(window.FixedWindows(1))
    counts = windowed | beam.MapTuple(_by_stream) | beam.combiners.Count.PerKey()
    check(counts | beam.Values(), [2, 1, 2, 1])
    written = windowed | WriteToNamedStream(db, "timed/{stream}")
    check(written.commits | beam.Map(lambda commit: commit.rows), [3, 3])


def _at_its_time(key: FrameKey, value: float) -> Any:
    return window.TimestampedValue((key, value), key.pts_seconds)


def _table(p: Any, some: Any, check: Check, db: str) -> None:
    rows = some | beam.Select(
        film=lambda row: str(row[0].stream), row=lambda row: int(row[0].row)
    )
    last = to_dataframe(rows).groupby("film")["row"].max()
    check(to_pcollection(last), [2, 2])


def _exceptions(p: Any, some: Any, check: Check, db: str) -> None:
    good, bad = some | beam.Map(_second_fails).with_exception_handling()
    check(good, [0, 2, 0, 2])
    check(bad | "Bad" >> beam.Map(lambda failed: failed[0][0].row), [1, 1])


def _composites(p: Any, some: Any, check: Check, db: str) -> None:
    made = some | _Nested()
    check(made["a"] | "Of a" >> beam.MapTuple(lambda _, v: v.shape), [(6, 8, 3)] * 2)
    twice = _Small(2)
    both = (some | "Once" >> twice, some | "Twice" >> twice)
    check(both | beam.Flatten() | beam.combiners.Count.Globally(), [8])


def _waits(p: Any, some: Any, check: Check, db: str) -> None:
    written = some | WriteToNamedVideo(db, "first/{stream}")
    later = some | WaitOn(written.commits, written.failures)
    check(later | beam.MapTuple(_row), ROWS)
    again = (
        written.commits
        | beam.Map(lambda commit: commit.path)
        | "Paths" >> beam.combiners.Count.Globally()
    )
    check(again, [2])


PARTS = (
    _side_inputs,
    _flatten,
    _grouped,
    _batches,
    _partition,
    _state,
    _windows,
    _table,
    _exceptions,
    _composites,
    _waits,
)


class _Part(beam.PTransform):
    """One mix as a composite, so that labels of one do not meet those of others."""

    def __init__(self, part: Any, db: str) -> None:
        super().__init__(part.__name__)
        self._part, self._db = part, db

    def expand(self, some: Any) -> Any:
        checks = 0

        def check(found: Any, wanted: list[Any]) -> None:
            nonlocal checks
            checks += 1
            assert_that(found, equal_to(wanted), f"Check {checks}")

        self._part(some.pipeline, some, check, self._db)
        return beam.pvalue.PDone(some.pipeline)


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", params("memory", "processes", "prism", "flink-embedded"), indirect=True
)
def test_mixed_pipelines(target: Target, films: Path, tmp_path: Path) -> None:
    def build(pipeline: Any) -> None:
        for number, parts in enumerate((PARTS[:1], PARTS[1:])):
            # Of sources of their own: the FnApiRunner gives a side input twice if
            # another branch of what it is made of goes to GroupIntoBatches.
            films_of = f"Films {number}" >> ReadFromVideo(f"{films}/*.mp4")
            some = pipeline | films_of | f"Some {number}" >> Stride(24)
            for part in parts:
                _ = some | _Part(part, str(tmp_path / "db"))

    flags = [*target.flags(2), f"--scanner_db={tmp_path / 'db'}"]
    run(PipelineOptions(flags), build)


def _early(mode: Any) -> Any:
    early = trigger.AfterWatermark(early=trigger.AfterCount(1))
    return beam.WindowInto(
        window.FixedWindows(5), trigger=early, accumulation_mode=mode
    )


WINDOWS = {
    "plain": lambda: beam.WindowInto(window.FixedWindows(5)),
    "early, all": lambda: _early(trigger.AccumulationMode.ACCUMULATING),
    "early, new": lambda: _early(trigger.AccumulationMode.DISCARDING),
}


@pytest.mark.slow
@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("runner", ["BundleBasedDirectRunner", "PrismRunner"])
def test_a_stream_of_paths(
    runner: str, windows: str, films: Path, tmp_path: Path
) -> None:
    """Each is read once, when its window ends, whatever triggers the user has set."""
    flags = [f"--runner={runner}", "--streaming"]
    if runner == "PrismRunner":
        require("prism")
        # Of its own: Beam would keep using one that another test failed to start.
        flags.append("--experiments=disable_prism_server_singleton")
        flags.append(f"--prism_location={services.PRISM}")
    paths = TestStream().add_elements([f"{films}/a.mp4"]).advance_watermark_to(10)
    paths = paths.add_elements([f"{films}/b.mp4"]).advance_watermark_to_infinity()
    with beam.Pipeline(options=PipelineOptions(flags)) as pipeline:
        windowed = pipeline | paths | WINDOWS[windows]()
        some = windowed | ReadAllFromVideo() | Stride(24)
        assert_that(some | beam.MapTuple(_row), equal_to(ROWS))
        written = some | WriteToNamedVideo(str(tmp_path), "some/{stream}")
        told = written.commits | beam.Map(lambda commit: commit.stream)
        assert_that(told, equal_to(["some/a.mp4", "some/b.mp4"]), "Commits")
