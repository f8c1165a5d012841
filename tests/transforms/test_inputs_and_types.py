"""What transforms say of their types, and how they refuse a wrong input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apache_beam as beam
import pytest
from apache_beam import typehints
from apache_beam.transforms import window

from beam_scanner.errors import ScannerException
from beam_scanner.kernels import Kernel
from beam_scanner.transforms import (
    FrameKey,
    Histogram,
    Montage,
    Op,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    Resize,
    Slice,
    Stride,
    Unslice,
    VideoGraph,
    WriteToNamedStream,
    WriteToNamedVideo,
    op,
    partitioner,
)
from beam_scanner.transforms.stream_transform import pretty
from beam_scanner.types import FrameType


def _two(config: Any, left: FrameType, right: FrameType) -> tuple[int, str]:
    return int(left.sum()), str(right.shape)


class _Scaled(Kernel):
    def __init__(self, config: Any, by: Any = 1) -> None:
        self.by = by

    def execute(self, frame: FrameType) -> int:
        return int(frame.sum()) * int(self.by)


def _name(key: FrameKey, value: Any) -> tuple[str, int]:
    return key.stream, key.row


def _windowed(p: Any) -> Any:
    windows = beam.WindowInto(window.FixedWindows(5))
    return p | beam.Create(STRINGS) | windows | ReadAllFromVideo()


Two, Scaled = op(_two), op(_Scaled)
FRAME = "Tuple[FrameKey, Frame]"
SAME = "Tuple[FrameKey, TypeVariable[T]]"

TYPES: dict[str, tuple[Any, list[str], str]] = {
    "frames to frames": (Resize(width=8, height=6), [FRAME], FRAME),
    "frames to values": (Histogram(), [FRAME], "Tuple[FrameKey, List[Array]]"),
    "several": (
        Two(),
        [FRAME, FRAME],
        "Tuple[Tuple[FrameKey, int], Tuple[FrameKey, str]]",
    ),
    "sampler": (Stride(8), [SAME], SAME),
    "slice": (Slice(partitioner.all(8)), [SAME], SAME),
    "unslice": (Unslice(), [SAME], SAME),
    "video source": (ReadFromVideo("films/*.mp4"), [], FRAME),
    "source of names": (ReadAllFromVideo(), [], FRAME),
    "stored": (ReadFromNamedStream("db", "x", int), [], "Tuple[FrameKey, int]"),
    "stored frames": (ReadAllFromNamedStream("db", FrameType), [], FRAME),
    "sink": (WriteToNamedStream("db", "x"), ["Tuple[FrameKey, Any]"], ""),
    "video sink": (WriteToNamedVideo("db", "x"), [FRAME], ""),
    "declared": (
        Histogram().with_output_types(tuple[FrameKey, str]),
        [FRAME],
        "Tuple[FrameKey, str]",
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_types_are_shown(name: str) -> None:
    transform, taken, given = TYPES[name]
    hints = transform.get_type_hints()
    shown = hints.input_types[0] if hints.input_types else ()
    assert [pretty(hint) for hint in shown] == taken
    output = hints.simple_output_type("x")
    assert (pretty(output) if output else "") == given


def test_types_of_streams_are_those_that_are_shown() -> None:
    frames = beam.Pipeline("FnApiRunner") | ReadFromVideo("films/*.mp4")
    assert pretty(frames.element_type) == FRAME
    made = (frames, frames) | Two()
    shown = Two().get_type_hints().simple_output_type("x")
    assert shown == typehints.Tuple[made.ret0.element_type, made.ret1.element_type]
    assert (frames | Stride(2)).element_type == frames.element_type


Wrong = Callable[[Any, Any], Any]

STRINGS = ["a"]
WRONG: dict[str, tuple[Wrong, str]] = {
    "strings": (
        lambda p, x: p | beam.Create(STRINGS) | Histogram(),
        r"Histogram takes whole streams.* of Create.*, with elements of type str\. Apply",
    ),
    "other values": (
        lambda p, x: x | "One" >> Histogram() | "Two" >> Histogram(),
        "input frame of op Histogram takes FrameType, but .* holds Histogram",
    ),
    "a pipeline": (lambda p, x: p | Histogram(), "PBegin: begin with ReadFromVideo"),
    "a number": (lambda p, x: 5 | Histogram(), "^Histogram takes streams.*, not 5$"),
    "a string": (lambda p, x: "abc" | Stride(2), "^Stride takes streams.*, not 'abc'"),
    "a list": (lambda p, x: STRINGS | Stride(2), r"^Stride takes streams.*, not \['a'"),
    "nothing": (lambda p, x: None | Unslice(), "^Unslice takes streams.*, not None"),
    "an empty dict": (
        lambda p, x: {} | Histogram(),
        "Histogram takes streams.*, not {}",
    ),
    "another column": (
        lambda p, x: {"film": x} | Histogram(),
        "Histogram takes the inputs frame; the dict .* has 'film'$",
    ),
    "too many columns": (
        lambda p, x: {"frame": x, "more": x} | Histogram(),
        "has 'frame', 'more'$",
    ),
    "too few columns": (
        lambda p, x: {"left": x} | Two(),
        "op _two takes the inputs left, right; the dict .* has 'left'$",
    ),
    "numbers for names": (lambda p, x: {1: x, 2: x} | Two(), "has 1, 2$"),
    "a dict of strings": (
        lambda p, x: {"frame": p | beam.Create(STRINGS)} | Histogram(),
        "input 'frame' is an ordinary PCollection of Create.*, with elements of type str",
    ),
    "one number": (
        lambda p, x: {"left": x, "right": 3} | Two(),
        "_two takes streams.* inputs left, right, not 3 for right$",
    ),
    "names where order counts": (
        lambda p, x: (
            {"a": x, "b": x} | Montage(num_frames=4, frames_per_row=2, target_width=8)
        ),
        "Montage",
    ),
    "one for two": (lambda p, x: x | Two(), "_two has 2 inputs .*applied to 1: give"),
    "three for two": (
        lambda p, x: (x, x, x) | Two(),
        "_two has 2 inputs.*applied to 3",
    ),
    "a tuple to a sampler": (
        lambda p, x: (x, x) | Stride(2),
        "Stride takes.* is tuple",
    ),
    "a dict to a sink": (
        lambda p, x: {"a": x} | WriteToNamedStream("db", "x"),
        "WriteToNamedStream takes streams, or a PCollection of .* is dict",
    ),
    "a pipeline to a sink": (
        lambda p, x: p | WriteToNamedVideo("db", "x"),
        "WriteToNamedVideo takes streams.* PBegin",
    ),
    "streams to a source": (
        lambda p, x: x | "Again" >> ReadFromVideo("x.mp4"),
        "ReadFromVideo is applied to a pipeline.*ReadAllFromVideo reads",
    ),
    "streams to a stored source": (
        lambda p, x: x | ReadFromNamedStream("db", "x"),
        "ReadFromNamedStream is applied to a pipeline",
    ),
    "a number to a source": (
        lambda p, x: 5 | ReadFromVideo("x.mp4"),
        "^ReadFromVideo takes a pipeline, not 5$",
    ),
    "a pipeline for paths": (
        lambda p, x: p | ReadAllFromVideo(),
        (
            "^ReadAllFromVideo is applied to a PCollection of paths.* not to PBegin; "
            "ReadFromVideo begins"
        ),
    ),
    "a pipeline for names": (
        lambda p, x: p | ReadAllFromNamedStream("db"),
        (
            "^ReadAllFromNamedStream is applied to a PCollection of names of streams.* not "
            "to PBegin; ReadFromNamedStream begins"
        ),
    ),
    "several collections of paths": (
        lambda p, x: [p | beam.Create(STRINGS)] | ReadAllFromVideo(),
        "^ReadAllFromVideo is applied to a PCollection of paths.* not to tuple",
    ),
    "numbers for names of streams": (
        lambda p, x: p | beam.Create([1]) | ReadAllFromNamedStream("db"),
        r"^ReadAllFromNamedStream/Name takes a PCollection of names.* of Create.*'int'",
    ),
    "streams for names": (
        lambda p, x: x | ReadAllFromNamedStream("db"),
        "^ReadAllFromNamedStream/Name takes .*Frames/Rows are of type .*FrameKey",
    ),
    "strings to a sink": (
        lambda p, x: p | beam.Create(STRINGS) | WriteToNamedStream("db", "x"),
        r"^sink 'x' takes elements \(FrameKey, value\); those of Create.*'str'",
    ),
    "other pairs to a sink": (
        lambda p, x: (
            x
            | beam.MapTuple(_name).with_output_types(tuple[str, int])
            | WriteToNamedStream("db", "x")
        ),
        r"^sink 'x' takes elements \(FrameKey, value\); those of MapTuple",
    ),
    "values to a video sink": (
        lambda p, x: (
            x | Histogram() | beam.Reshuffle() | WriteToNamedVideo("db", "{stream}")
        ),
        "^sink '{stream}' takes elements frames, .* of Reshuffle.* List",
    ),
    "groups to a video sink": (
        lambda p, x: x | beam.GroupByKey() | WriteToNamedVideo("db", "{stream}"),
        "^sink '{stream}' takes elements frames, .* of GroupByKey.* Iterable",
    ),
    "a list of streams to a sink": (
        lambda p, x: [x, x] | WriteToNamedVideo("db", "{stream}"),
        "^WriteToNamedVideo takes streams, or .*; its input is tuple",
    ),
    "a side input": (
        lambda p, x: x | Scaled(by=beam.pvalue.AsSingleton(p | beam.Create([3]))),
        "^argument 'by' of op _Scaled is AsSingleton.*: arguments of ops are known",
    ),
    "a collection as an argument": (
        lambda p, x: x | Scaled(by=p | beam.Create([3])),
        "^argument 'by' of op _Scaled is <PCollection.*no side inputs",
    ),
    "rows of another type": (
        lambda p, x: x | Histogram().with_output_types(int),
        r"^Histogram gives rows.* declare their type as tuple\[FrameKey, ...\], got int",
    ),
    "strings to an op by name": (
        lambda p, x: p | beam.Create(STRINGS) | Op("Histogram"),
        "^Histogram takes whole streams",
    ),
    "a name that makes none": (
        lambda p, x: p | ReadFromVideo("x.mp4", name="x"),  # type: ignore[arg-type]
        "^name= takes a function that makes the name of a stream, got 'x'",
    ),
    "no name of a sink": (
        lambda p, x: x | WriteToNamedVideo("db", None),
        "^expected a stream name .*, got None",
    ),
    "other windows": (
        lambda p, x: {"left": x, "right": _windowed(p)} | Two(),
        "^Frames and ReadAllFromVideo find their streams in different windows",
    ),
    "a number to a graph": (
        lambda p, x: 5 | VideoGraph(lambda p: p),
        "^VideoGraph takes a pipeline or PCollections, not 5$",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_inputs_are_refused(name: str) -> None:
    apply, said = WRONG[name]
    pipeline = beam.Pipeline("FnApiRunner")
    frames = pipeline | "Frames" >> ReadFromVideo("films/*.mp4")
    with pytest.raises(ScannerException, match=said):
        apply(pipeline, frames)


def test_what_a_graph_refuses() -> None:
    def build(p: Any) -> Any:
        frames = p | ReadFromVideo("films/*.mp4")
        return frames | "Again" >> ReadFromVideo("x.mp4")

    with pytest.raises(
        ScannerException, match="ReadFromVideo is applied to a pipeline"
    ):
        _ = beam.Pipeline("FnApiRunner") | VideoGraph(build)
