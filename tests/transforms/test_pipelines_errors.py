"""What a pipeline says of mistakes and of bad input."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from beam_scanner import SliceList
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    GraphError,
    OpNotFoundError,
    RowError,
    StreamNotFoundError,
)
from beam_scanner.kernels import Kernel
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.transforms import (
    Gather,
    Op,
    Range,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    Resize,
    Slice,
    Stride,
    Unslice,
    WriteToNamedStream,
    WriteToNamedVideo,
    op,
    partitioner,
)
from beam_scanner.types import FrameType
from tests.support.pipeline_kernels import Add, Count, Minus, Number
from tests.support.pipeline_runs import Run, save, stream

ROWS = 20


def numbers(run: Run, db: Path, name: str = "x/a") -> Any:
    return run.pipeline | ReadFromNamedStream(str(db), name, type=int)


Build = Callable[[Any, Any, Path], Any]
"""Of a stream of ints, the pipeline and the database."""

MISTAKES: dict[str, tuple[Build, type[Exception], str]] = {
    "an ordinary PCollection": (
        lambda x, p, db: x | beam.Map(abs) | Stride(2),
        ElementTypeError,
        r"Stride takes whole streams.*ordinary PCollection of Map\(abs\).*Apply Stride",
    ),
    "no PCollection": (
        lambda x, p, db: p | Stride(2),
        ElementTypeError,
        "Stride takes streams.*is PBegin",
    ),
    "an ordinary branch": (
        lambda x, p, db: {"left": x, "right": x | beam.Map(abs)} | Minus(),
        ElementTypeError,
        "PipelineMinus takes whole streams.*input 'right' is an ordinary",
    ),
    "several outputs": (
        lambda x, p, db: x | Slice(partitioner.all(5)) | Count() | Unslice(),
        ElementTypeError,
        "Unslice takes streams.*pick one of its outputs: ret0, ret1",
    ),
    "several outputs to a sink": (
        lambda x, p, db: x | Count() | WriteToNamedStream(str(db), "out"),
        ElementTypeError,
        "WriteToNamedStream takes streams.*pick one of its outputs: ret0, ret1",
    ),
    "nested slices": (
        lambda x, p, db: (
            x | Slice(partitioner.all(5)) | "Again" >> Slice(partitioner.all(2))
        ),
        GraphError,
        "Nested slicing",
    ),
    "unslice without a slice": (
        lambda x, p, db: x | Unslice(),
        GraphError,
        "Unslice received inputs that have not been sliced",
    ),
    "a sliced sink": (
        lambda x, p, db: (
            x | Slice(partitioner.all(5)) | WriteToNamedStream(str(db), "out")
        ),
        GraphError,
        "'out' needs Unslice",
    ),
    "inside and outside": (
        lambda x, p, db: {"left": x, "right": x | Slice(partitioner.all(5))} | Minus(),
        GraphError,
        "PipelineMinus specified inputs at different slice levels",
    ),
    "a SliceList outside": (
        lambda x, p, db: x | Stride(SliceList([1, 2])),
        GraphError,
        "Stride is a SliceList, but its input has not been sliced",
    ),
    "SliceLists of different lengths": (
        lambda x, p, db: x | Range(SliceList([1, 2]), SliceList([3])),
        ArgumentError,
        r"SliceLists of Range have different lengths: \[1, 2\]",
    ),
    "a stride of 0": (
        lambda x, p, db: x | Stride(0),
        ArgumentError,
        "Stride: stride must be at least 1, got 0",
    ),
    "a negative row": (
        lambda x, p, db: x | Gather([3, -1]),
        RowError,
        "Gather: row -1 is out of range",
    ),
    "a range that ends before it starts": (
        lambda x, p, db: x | Range(SliceList([0, 5]), 3),
        ArgumentError,
        "Range: start 5 is after end 3",
    ),
    "groups of no rows": (
        lambda x, p, db: x | Slice(partitioner.all(0)),
        ArgumentError,
        "Slice: group_size must be at least 1",
    ),
    "a stride of no number": (
        lambda x, p, db: x | Stride("8"),  # type: ignore[arg-type]
        ArgumentError,
        "Stride must be a stride, a whole number, got '8'",
    ),
    "no partition": (
        lambda x, p, db: x | Slice(250),  # type: ignore[arg-type]
        ArgumentError,
        "Slice must come from .*partitioner",
    ),
    "two sinks of one name": (
        lambda x, p, db: (
            x | WriteToNamedStream(str(db), "out"),
            x | "Again" >> WriteToNamedStream(str(db), "out"),
        ),
        GraphError,
        "two sinks of one pipeline write 'out' of",
    ),
    "a sink of frames": (
        lambda x, p, db: x | WriteToNamedVideo(str(db), "out"),
        ElementTypeError,
        "sink 'out' takes frames, but .* gives int",
    ),
    "one name for several streams": (
        lambda x, p, db: (
            p
            | "Both" >> ReadFromNamedStream(str(db), "x/*")
            | WriteToNamedStream(str(db), "out")
        ),
        ArgumentError,
        "'out' would write all streams of the source under one name: put {stream}",
    ),
    "its own source": (
        lambda x, p, db: x | Stride(2) | WriteToNamedStream(str(db), "x/a"),
        GraphError,
        "'x/a' is both an input and an output",
    ),
    "all their own sources": (
        lambda x, p, db: (
            p
            | "Both" >> ReadFromNamedStream(str(db), "x/*")
            | WriteToNamedStream(str(db))
        ),
        GraphError,
        "'{stream}' is both an input and an output",
    ),
    "the sources of named streams": (
        lambda x, p, db: (
            p
            | "Names" >> beam.Create(["x/a"])
            | ReadAllFromNamedStream(str(db))
            | WriteToNamedStream(str(db))
        ),
        GraphError,
        "'{stream}' is both an input and an output",
    ),
    "two pipelines": (
        lambda x, p, db: (
            [x, beam.Pipeline() | ReadFromNamedStream(str(db), "x/a", int)] | Add()
        ),
        ValueError,
        "different pipelines",
    ),
    "an unknown op": (
        lambda x, p, db: x | Op("Histogramm"),
        OpNotFoundError,
        r"Op Histogramm does not exist; did you mean Histogram",
    ),
    "arguments without names": (
        lambda x, p, db: x | Resize(64, 48),  # type: ignore[call-arg]
        ArgumentError,
        r"op Resize takes its arguments by name, Resize\(width=.*\); got 64, 48 without",
    ),
    "arguments without names, of an op by name": (
        lambda x, p, db: x | Op("Resize", 64),
        ArgumentError,
        r"op Resize takes its arguments by name.* got 64 without",
    ),
    "what a sink gives": (
        lambda x, p, db: (
            x | WriteToNamedStream(str(db), "out") | "All" >> beam.Map(print)
        ),
        ElementTypeError,
        r"a sink gives two PCollections.* apply it to .commits or to .failures",
    ),
    "no pattern": (
        lambda x, p, db: p | ReadFromVideo(5),  # type: ignore[arg-type]
        ArgumentError,
        "expected a path or pattern, got 5",
    ),
    "several patterns": (
        lambda x, p, db: p | ReadFromVideo(["a.mp4"]),  # type: ignore[arg-type]
        ArgumentError,
        r"expected a path or pattern, got \['a.mp4'\]",
    ),
    "a scheme that nobody knows": (
        lambda x, p, db: p | ReadFromVideo("nosuch://films/*.mp4"),
        ArgumentError,
        "no file system is registered with Beam for 'nosuch://'",
    ),
    "an unknown argument": (
        lambda x, p, db: x | Count(begin=1),
        ArgumentError,
        "PipelineCount has no argument 'begin'",
    ),
    "an unknown input": (
        lambda x, p, db: {"left": x, "rihgt": x} | Minus(),
        ArgumentError,
        "op PipelineMinus takes the inputs left, right; .* has 'left', 'rihgt'",
    ),
    "too few inputs": (
        lambda x, p, db: x | Minus(),
        ArgumentError,
        r"PipelineMinus has 2 inputs \(left, right\), and is applied to 1",
    ),
    "inputs of another type": (
        lambda x, p, db: x | Number(),
        ElementTypeError,
        "input frame of op PipelineNumber takes FrameType, but .* holds int",
    ),
    "an impossible name": (
        lambda x, p, db: x | WriteToNamedStream(str(db), "../out"),
        ArgumentError,
        "would leave the database",
    ),
    "no op": (
        lambda x, p, db: x | Op(7),
        ArgumentError,
        "got 7",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_seen_as_they_are_written(name: str, run: Run, db: Path) -> None:
    build, kind, message = MISTAKES[name]
    with pytest.raises(kind, match=f"(?s){message}"):
        build(numbers(run, db), run.pipeline, db)


def test_a_sink_may_be_applied_again_after_a_mistake(run: Run, db: Path) -> None:
    x = numbers(run, db)
    with pytest.raises(ElementTypeError, match="takes frames"):
        x | WriteToNamedVideo(str(db), "out")
    sink = WriteToNamedStream(str(db), "out")
    run.keep_written("out", x | sink)
    run.run()
    assert run.commits("out") == ["out"]


class Locked(Kernel):
    def __init__(self, config: Any, lock: Any = None) -> None:
        self.lock = threading.Lock()

    def execute(self, x: int) -> int:
        return x


def test_what_cannot_be_sent_is_named(run: Run, db: Path) -> None:
    # What is made on the worker need not be sent.
    numbers(run, db) | Op(Locked) | WriteToNamedStream(str(db), "out")
    run.run()
    held = (run for run in [1])
    with pytest.raises(ArgumentError, match="argument 'lock' of op Locked cannot be"):
        numbers(Run(), db) | Op(Locked, lock=held)

    def closes_over(config: Any, x: int) -> int:
        return next(held)

    with pytest.raises(ArgumentError, match="the kernel of op closes_over cannot be"):
        numbers(Run(), db) | Op(closes_over)


def test_streams_of_unequal_length_fail_alone(run: Run, db: Path) -> None:
    for name, rows in ("a", ROWS), ("b", 3):
        save(db, f"y/{name}", range(rows), int)
    y = run.pipeline | "y" >> ReadFromNamedStream(str(db), "y/*", int, name=_last)
    x = run.pipeline | "x" >> ReadFromNamedStream(str(db), "x/*", int, name=_last)
    sums = [x, y] | Add()
    run.keep_written("sums", sums | WriteToNamedStream(str(db), "sums/{stream}"))
    run.run()
    assert run.commits("sums") == ["sums/a"]
    assert "20" in run.failures("sums")["b"]
    assert "PipelineAdd" in run.failures("sums")["b"]


def _last(name: str) -> str:
    return name.rpartition("/")[2]


@pytest.mark.slow
def test_patterns_that_match_nothing(db: Path) -> None:
    for source in (
        ReadFromVideo(f"{db}/no/*.mp4"),
        ReadFromVideo(f"{db}/no.mp4"),
        ReadFromNamedStream(str(db), "no/*"),
        ReadFromNamedStream(str(db), "no"),
    ):
        run = Run()
        run.pipeline | source | WriteToNamedStream(str(db), "out/{stream}")
        with pytest.raises(StreamNotFoundError, match="no"):
            run.run()
    run = Run()
    allowed = ReadFromVideo(f"{db}/no/*.mp4", empty_match_treatment="ALLOW")
    sink = WriteToNamedVideo(str(db), "out/{stream}")
    run.keep_written("out", run.pipeline | allowed | sink)
    names = run.pipeline | beam.Create(["x/a", "no"])
    named = names | ReadAllFromNamedStream(str(db), int)
    run.keep_written("all", named | WriteToNamedStream(str(db), "all/{stream}"))
    run.run()
    assert run.commits("out") == []
    assert run.commits("all") == ["all/x/a"]
    assert "'no' does not exist" in run.failures("all")["no"]


def test_streams_of_another_type(run: Run, db: Path, films: Path) -> None:
    x = run.pipeline | ReadFromNamedStream(str(db), "x/a", type=Any)
    run.keep("int as Any", x.failures)
    y = run.pipeline | "frames" >> ReadFromNamedStream(str(db), "x/a", type=FrameType)
    run.keep("int as frames", y.failures)
    z = run.pipeline | "bytes" >> ReadFromNamedStream(str(db), "x/a")
    run.keep("bytes", z)
    for number, each in enumerate((x, y)):
        run.keep(f"rows {number}", each)
    run.run()
    (as_any,), (as_frames,) = run.rows("int as Any"), run.rows("int as frames")
    assert "'x/a' holds int, but ReadFromNamedStream reads Any" in as_any.reason
    assert "'x/a' holds int, but frames reads frames" in as_frames.reason
    assert len(run.rows("bytes")) == ROWS


def test_a_bad_file_among_good_ones(films: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mp4").symlink_to(films / f"{name}.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    (tmp_path / "empty.mp4").write_bytes(b"")
    half = (films / "a.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(half[: len(half) // 2])
    db = str(tmp_path / "db")
    run = Run()
    frames = run.pipeline | ReadFromVideo(f"{tmp_path}/*.mp4")
    sink = WriteToNamedStream(db, "numbers/{stream}")
    run.keep_written("numbers", frames | Number() | sink)
    run.keep("failures", frames.failures)
    run.run()
    assert run.commits("numbers") == ["numbers/a.mp4", "numbers/b.mp4"]
    assert set(run.failures("numbers")) == {"bad.mp4", "empty.mp4", "half.mp4"}
    assert all(run.failures("numbers").values())
    assert {f.stream for f in run.rows("failures")} == set(run.failures("numbers"))


def _fails(config: Any, x: int) -> int:
    if x == 103:
        raise RuntimeError("no more than 102")
    return x


Fails = op(_fails)


def test_a_failing_kernel_fails_its_stream_alone(run: Run, db: Path) -> None:
    x = numbers(run, db, "x/*")
    good, bad = x | Add(), x | "Fails" >> Fails()
    run.keep_written("bad", bad | WriteToNamedStream(str(db), "bad/{stream}"))
    other = run.pipeline | "Again" >> ReadFromNamedStream(str(db), "x/*", int)
    sink = WriteToNamedStream(str(db), "good/{stream}")
    run.keep_written("good", other | "Good" >> Add() | "Write" >> sink)
    run.keep("rows", good)
    run.run()
    assert run.commits("bad") == ["bad/x/a"]
    (failure,) = run.rows("bad failures")
    assert (failure.stream, failure.op, failure.row) == ("x/b", "_fails", 3)
    assert failure.reason == "RuntimeError: no more than 102"
    assert "test_pipelines_errors.py" in failure.traceback
    assert run.commits("good") == ["good/x/a", "good/x/b"]
    assert run.counters["failures"] == 1
    assert run.counters["streams_committed"] == 3
    assert not stream(db, "bad/x/b").committed()
    # The mark that stops the other tasks of a failed job goes with the job.
    assert not list(NamedStorage(str(db)).store().list(".work/runs/"))
    # Rows may have left before the failure; those of the others are all there.
    assert [key.stream for key, _ in run.rows("rows")].count("x/a") == ROWS


def test_a_path_is_a_pattern(films: Path, run: Run) -> None:
    paths = run.pipeline | beam.Create([films / "b.mp4"])
    run.keep("all", paths | ReadAllFromVideo() | Range(0, 1) | Number())
    one = run.pipeline | ReadFromVideo(films / "a.mp4") | "One" >> Range(0, 1)
    run.keep("one", one | "Its number" >> Number())
    run.run()
    assert [(k.stream, v) for k, v in run.rows("one")] == [("a.mp4", 0)]
    assert [(k.stream, v) for k, v in run.rows("all")] == [("b.mp4", 100)]


ODD = ["a b.mp4", "ü{stream}.mp4", "100%.mp4", "x[1].mp4", "x..mp4", "a'\"b.mp4"]


@pytest.mark.slow
def test_names_from_odd_paths(films: Path, tmp_path: Path) -> None:
    folder, db = tmp_path / "films", str(tmp_path / "db")
    folder.mkdir()
    for name in ODD:
        (folder / name).symlink_to(films / "a.mp4")
    run = Run()
    few = run.pipeline | ReadFromVideo(f"{folder}/*.mp4") | Range(0, 2)
    run.keep_written("few", few | WriteToNamedVideo(db, "few/{stream}"))
    run.keep("keys", few | "Number" >> Number())
    run.run()
    assert run.commits("few") == sorted(f"few/{name}" for name in ODD)
    assert run.failures("few") == {}
    assert {key.stream for key, _ in run.rows("keys")} == set(ODD)
    again = Run()
    read = again.pipeline | ReadFromNamedStream(db, "few/*", FrameType)
    again.keep("number", read | Number())
    one = again.pipeline | "One" >> ReadFromNamedStream(db, "few/x[[]1].mp4", FrameType)
    again.keep("one", one | "Number" >> Number())
    plain = again.pipeline | "Plain" >> ReadFromNamedStream(
        db, "few/x[1].mp4", FrameType
    )
    again.keep("plain", plain | "Number plain" >> Number())
    again.run()
    assert [value for _, value in again.rows("number")] == [0, 1] * len(ODD)
    assert [value for _, value in again.rows("one")] == [0, 1]
    assert again.rows("plain") == again.rows("one")


def test_two_files_of_one_name(films: Path, tmp_path: Path) -> None:
    for name in "pq":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.mp4").symlink_to(films / "a.mp4")
    run = Run()
    paths = run.pipeline | beam.Create([f"{tmp_path}/{name}/x.mp4" for name in "pq"])
    frames = paths | ReadAllFromVideo() | Range(0, 1)
    sink = WriteToNamedVideo(str(tmp_path / "db"), "{stream}")
    run.keep_written("x", frames | sink)
    run.run()
    assert run.commits("x") == []
    assert "would both be stream 'x.mp4'" in run.failures("x")["x.mp4"]
    assert run.counters["failures"] == 1
