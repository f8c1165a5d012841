"""What Beam users expect of transforms, and what they do with rows that leave."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that, equal_to
from packaging.version import Version

from beam_scanner import transforms, types
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.transforms import (
    FrameKey,
    Histogram,
    Op,
    Range,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    Resize,
    ShotBoundaries,
    Slice,
    Stride,
    WriteToNamedStream,
    WriteToNamedVideo,
    partitioner,
)
from tests.support.job_graph import environments
from tests.support.pipeline_kernels import Boxes, Count, Mean, Minus, Number
from tests.support.pipeline_runs import FRAMES, IN_MEMORY, PROCESSES, Run, stream, video
from tests.support.video_fixtures import frame_number

# What a pipeline shows.


def test_labels_are_stable(films: Path, tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        run = Run()
        frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4")
        small = frames | Stride(2) | Resize(width=8, height=6)
        _ = small | WriteToNamedVideo(str(tmp_path), "small/{stream}")
        proto = run.pipeline.to_runner_api()
        names = {t.unique_name for t in proto.components.transforms.values()}
        found.append(names)
    assert found[0] == found[1]
    assert {
        "ReadFromVideo/Phase 0/Run/ParDo(_Run)",
        "Stride",
        "Resize",
        "WriteToNamedVideo",
    } <= found[0]


@pytest.mark.slow
def test_beam_logs_nothing_of_our_annotations(
    run: Run, films: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "apache_beam.typehints")
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4") | Stride(9)
    more = run.pipeline | beam.Create([f"{films}/a.mp4"]) | ReadAllFromVideo()
    joined = {"left": frames | Number(), "right": more | "More" >> Number()} | Minus()
    sink = WriteToNamedStream(str(tmp_path), "numbers/{stream}")
    shots = ShotBoundaries()
    _ = joined | sink, frames | Histogram() | shots | beam.Map(str)
    _ = frames | "Few" >> Range(0, 1) | WriteToNamedVideo(str(tmp_path), "few/{stream}")
    back = frames | beam.MapTuple(lambda key, frame: (key, frame[:2]))
    _ = back | "Back" >> WriteToNamedVideo(str(tmp_path), "back/{stream}")
    run.pipeline.to_runner_api()
    assert "string literal" not in caplog.text
    text = "def one(element: 'Nothing') -> 'Nothing':\n    return element"
    made: dict[str, Any] = {}
    exec(text, made)
    _ = back | "Not ours" >> beam.Map(made["one"])
    assert "string literal" in caplog.text


def test_no_dofn_is_public() -> None:
    for name in transforms.__all__:
        public = getattr(transforms, name)
        is_class = inspect.isclass(public)
        assert not (is_class and issubclass(public, beam.DoFn)), name
        assert inspect.getdoc(public), name
    assert set(transforms.__all__) == set(dir(transforms))


# Types.


@pytest.mark.slow
def test_types_can_be_checked_as_it_runs(films: Path, tmp_path: Path) -> None:
    with Run("--runtime_type_check") as run:
        frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4") | Range(0, 2)
        sink = WriteToNamedStream(str(tmp_path), "numbers/{stream}")
        run.keep_written("numbers", frames | Number() | sink)
        run.keep("boxes", frames | Boxes() | beam.MapTuple(lambda k, v: (k, len(v))))
    assert run.commits("numbers") == ["numbers/a.mp4", "numbers/b.mp4"]
    assert [count for _, count in run.rows("boxes")] == [0, 1, 1, 2]
    again = Run("--runtime_type_check")
    names = again.pipeline | beam.Create(["numbers/a.mp4"])
    again.keep("numbers", names | ReadAllFromNamedStream(str(tmp_path), int))
    source = ReadFromNamedStream(str(tmp_path), "numbers/*", int)
    again.keep("all", again.pipeline | source)
    again.run()
    assert [number for _, number in again.rows("numbers")] == [0, 1]
    assert [number for _, number in again.rows("all")] == [0, 1, 100, 101]


# Resource hints.


def hinted(run: Run) -> set[str]:
    found = environments(run.pipeline.to_runner_api())
    return {name for name, (_, hints) in found.items() if hints}


def test_hints_of_options_are_for_dataflow(films: Path, tmp_path: Path) -> None:
    flags = ["--min_ram=3GB", "--accelerator=type:nvidia-l4;count:1;"]
    run = Run(flags[0])
    _ = (
        run.pipeline
        | ReadFromVideo(f"{films}/*.mp4")
        | WriteToNamedVideo(str(tmp_path), "a/{stream}")
    )
    assert hinted(run) == set()
    options = PipelineOptions(
        [
            "--runner=DataflowRunner",
            "--min_ram=3GB",
            "--project=my-project",
            "--region=us-central1",
            "--temp_location=gs://bucket/tmp",
        ]
    )
    pipeline = beam.Pipeline(runner="FnApiRunner", options=options)
    frames = pipeline | ReadFromVideo(f"{films}/*.mp4")
    _ = frames | WriteToNamedVideo(str(tmp_path), "a/{stream}")
    found = environments(pipeline.to_runner_api())
    names = {name for name, (_, hints) in found.items() if hints}
    assert names == {"ReadFromVideo/Phase 0/Run/ParDo(_Run)", "ReadFromVideo/Rows"}


# Leaving.


def test_in_a_test_pipeline(films: Path) -> None:
    with test_pipeline.TestPipeline(options=PipelineOptions(IN_MEMORY)) as pipeline:
        frames = pipeline | ReadFromVideo(f"{films}/a.mp4")
        groups = frames | Slice(partitioner.all(30)) | Range(0, 1)
        wanted = [(FrameKey("a.mp4", g, 0, 1.2 * g), 30 * g) for g in range(3)]
        assert_that(groups | Number(), equal_to(wanted))


def test_grouped_and_combined(run: Run, films: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4") | Range(0, 3)
    numbers = frames | Number()
    by_stream = numbers | "By stream" >> beam.MapTuple(lambda k, v: (k.stream, v))
    run.keep("means", by_stream | beam.combiners.Mean.PerKey())
    run.keep("grouped", frames | beam.GroupByKey() | beam.MapTuple(_first_number))
    joined = {"n": numbers, "m": frames | Mean()} | beam.CoGroupByKey()
    run.keep("joined", joined | "Lengths" >> beam.MapTuple(_lengths))
    run.keep("means of frames", frames | "Mean" >> Mean() | beam.Values())
    run.run()
    assert run.rows("means") == [("a.mp4", 1.0), ("b.mp4", 101.0)]
    keys = [FrameKey(f"{film}.mp4", 0, row) for film in "ab" for row in range(3)]
    assert run.rows("grouped") == list(zip(keys, [0, 1, 2, 100, 101, 102], strict=True))
    assert run.rows("joined") == [(key, (1, 1)) for key in keys]
    assert all(isinstance(mean, float) for mean in run.rows("means of frames"))


def _first_number(key: FrameKey, frames: Any) -> tuple[FrameKey, int]:
    (frame,) = frames
    return key, frame_number(frame)


def _lengths(key: FrameKey, found: Any) -> tuple[FrameKey, tuple[int, int]]:
    return key, (len(list(found["n"])), len(list(found["m"])))


def test_to_parquet(run: Run, films: Path, tmp_path: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4") | Range(0, 3)
    numbers = (
        frames
        | Number()
        | "As rows"
        >> beam.Select(
            stream=lambda kv: kv[0].stream,
            row=lambda kv: kv[0].row,
            number=lambda kv: kv[1],
        )
    )
    kinds = dict(numbers.element_type._fields)
    if kinds["row"] is not int and Version(beam.__version__) < Version("2.77"):
        pytest.skip("this version of Beam infers no types of a key's fields")
    assert kinds["number"] is int
    _ = numbers | beam.io.WriteToParquet(str(tmp_path / "numbers"), num_shards=1)
    boxes = frames | Boxes()
    best = (
        boxes
        | beam.Filter(lambda kv: len(kv[1]) > 0)
        | beam.Select(
            row=lambda kv: kv[0].row,
            label=lambda kv: kv[1][-1].label,
            box=lambda kv: kv[1][0],
        )
    )
    _ = best | "Write boxes" >> beam.io.WriteToParquet(
        str(tmp_path / "boxes"), num_shards=1
    )
    run.run()
    (file,) = tmp_path.glob("numbers*")
    rows = sorted(pq.read_table(file).to_pylist(), key=lambda row: row["number"])
    assert rows[-1] == {"stream": "b.mp4", "row": 2, "number": 102}
    (file,) = tmp_path.glob("boxes*")
    found = {row["row"]: row for row in pq.read_table(file).to_pylist()}
    assert found[2]["label"] == 1
    assert found[1]["box"]["x1"] in (1 / 8, 101 / 8)


class Brightness(ModelHandler):
    def load_model(self) -> Any:
        return lambda batch: [frame_number(frame) for frame in batch]

    def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
        return model(batch)


def test_run_inference(run: Run, films: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4") | Stride(30)
    run.keep("found", frames | RunInference(KeyedModelHandler(Brightness())))
    run.run()
    wanted = [(FrameKey("a.mp4", 0, row), 30 * row) for row in range(3)]
    assert run.rows("found") == wanted


@pytest.mark.slow
def test_out_and_back(run: Run, films: Path, tmp_path: Path) -> None:
    """Leaves, is filtered by Beam, and is stored again."""
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4")
    numbers = frames | Number() | beam.Filter(lambda kv: kv[1] % 10 == 0)
    sink = WriteToNamedStream(str(tmp_path), "tens/{stream}")
    run.keep_written("tens", numbers | sink)
    dark = frames | "Few" >> Stride(24) | beam.MapTuple(lambda k, v: (k, v // 2))
    back = WriteToNamedVideo(str(tmp_path), "dark/{stream}", type=types.FrameType)
    run.keep_written("dark", dark | back)
    run.run()
    assert run.commits("tens") == ["tens/a.mp4", "tens/b.mp4"]
    tens = stream(tmp_path, "tens/a.mp4")
    assert list(tens.load()) == list(range(0, FRAMES, 10))
    assert tens.type() == types.get_type_info(int)
    found = [frame_number(f) for f in video(tmp_path, "dark/b.mp4").load()]
    assert found == [100, 124, 148]


@pytest.mark.slow
@pytest.mark.processes
def test_worker_processes(films: Path, tmp_path: Path) -> None:
    """Kernels, types and functions of this module reach the workers."""
    db = str(tmp_path)
    pipeline = beam.Pipeline(options=PipelineOptions(PROCESSES))
    frames = pipeline | ReadFromVideo(f"{films}/*.mp4")
    boxes = frames | Boxes()
    _ = boxes | WriteToNamedStream(db, "boxes/{stream}")
    first = boxes | "First" >> Op(_first_span)
    # Through a stream between phases.
    ordered = first | Op("PipelineInOrder")
    written = ordered | "Write spans" >> WriteToNamedStream(db, "spans/{stream}")
    reasons = written.failures | beam.Map(str)
    _ = reasons | "Failures" >> beam.io.WriteToText(f"{db}/failures", num_shards=1)
    groups = frames | Slice(partitioner.all(40)) | Number()
    counted = (groups | Count(start=1)).ret0
    kept = counted | beam.Filter(lambda kv: kv[0].row == 0) | beam.GroupByKey()
    found = kept | beam.MapTuple(lambda k, v: f"{k.stream} {k.group} {list(v)}")
    _ = found | beam.io.WriteToText(f"{db}/counted", num_shards=1)
    pipeline.run().wait_until_finish()
    assert stream(db, "boxes/b.mp4").len() == FRAMES
    (file,) = tmp_path.glob("failures*")
    assert file.read_text() == ""
    spans = list(stream(db, "spans/a.mp4").load())
    assert spans == list(range(FRAMES))
    (file,) = tmp_path.glob("counted*")
    assert sorted(file.read_text().splitlines()) == [
        f"{film}.mp4 {group} [2]" for film in "ab" for group in range(2)
    ]


@types.register_type
class PipelineSpan:
    """A type of this module, with a column of its own."""

    arrow_type = types.get_type_info(int).arrow_type

    def serialize(value: int) -> bytes:  # type: ignore[misc]
        return str(value).encode()

    def deserialize(data: bytes) -> int:  # type: ignore[misc]
        return int(data)

    def to_arrow(value: int) -> int:  # type: ignore[misc]
        return value

    def from_arrow(stored: int) -> int:  # type: ignore[misc]
        return int(stored)


def _first_span(config: Any, boxes: types.BboxList) -> PipelineSpan:
    return len(boxes)  # type: ignore[return-value]


@register_python_op(name="PipelineInOrder", unbounded_state=True)
class _InOrder(Kernel):
    """How many rows it has seen."""

    def reset(self) -> None:
        self.rows = 0

    def execute(self, span: PipelineSpan) -> PipelineSpan:
        self.rows += 1
        return self.rows - 1  # type: ignore[return-value]
