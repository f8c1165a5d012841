"""What is wrong with a graph, an argument, a file or a kernel is said so, early.

Every case: which error, that it names what is wrong, and that nothing half-written
is left behind. What can be known before the run is known before any worker starts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client_helpers import files_of, numbers, open_client, work_left
from video_fixtures import frame_number, make_video, numbered_frame

import beam_scanner.client as client_module
from beam_scanner import (
    CacheMode,
    Client,
    DeviceType,
    FrameType,
    JobFailure,
    Kernel,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    ScannerException,
    SliceList,
    register_python_op,
)
from beam_scanner.types import Histogram


@pytest.fixture
def no_workers(monkeypatch):
    """Fails the test if a run gets as far as a pipeline."""

    def execute(*args, **kwargs):
        raise AssertionError("a pipeline was started")

    monkeypatch.setattr(client_module, "execute", execute)


@pytest.fixture
def frame(sc, small_video):
    """The column of a video of 60 frames, named 'clip'."""
    return sc.io.Input([NamedVideoStream(sc, "clip", path=small_video)])


def run(sc, outputs, perf=None, **kwargs):
    kwargs.setdefault("show_progress", False)
    return sc.run(outputs, perf or PerfParams.estimate(), **kwargs)


def failures_of(sc, outputs, perf=None, **kwargs):
    with pytest.raises(JobFailure) as caught:
        run(sc, outputs, perf, **kwargs)
    assert isinstance(caught.value, ScannerException)
    assert isinstance(caught.value, RuntimeError)
    return caught.value.failures


def refused(sc, outputs, builtin, match, **kwargs):
    """The run is refused before it starts, and leaves nothing."""
    before = files_of(sc.db_path)
    with pytest.raises(ScannerException, match=match) as caught:
        run(sc, outputs, **kwargs)
    assert isinstance(caught.value, builtin)
    after = files_of(sc.db_path)
    # Indexes of videos, which are no results.
    assert {name for name in after - before if ".segments/" not in name} <= {
        "clip/stream.json",
        "clip2/stream.json",
    }
    return caught.value


# Files


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "folder"])
def test_files_that_are_no_video(sc, tmp_path, small_video, kind):
    """One bad file fails its own stream; the message has path and name."""
    path = tmp_path / f"{kind}.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is no video\n" * 100)
    elif kind == "truncated":
        data = Path(small_video).read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind == "folder":
        path.mkdir()
    inputs = [
        NamedVideoStream(sc, "bad", path=str(path)),
        NamedVideoStream(sc, "good", path=small_video),
    ]
    outputs = [NamedStream(sc, "bad hist"), NamedStream(sc, "good hist")]
    hist = sc.ops.Histogram(frame=sc.io.Input(inputs))
    failures = failures_of(sc, sc.io.Output(hist, outputs))
    assert [failure.stream for failure in failures] == ["bad hist"]
    assert str(path) in failures[0].reason
    assert not outputs[0].committed()
    assert outputs[1].len() == 60
    assert not work_left(sc.db_path)
    with pytest.raises(ScannerException, match=str(path)) as caught:
        inputs[0].len()
    assert isinstance(caught.value, ValueError)
    # Alone, too, and again: nothing is left of the attempt.
    with pytest.raises(ScannerException, match=str(path)):
        run(
            sc,
            sc.io.Output(sc.ops.Histogram(frame=sc.io.Input(inputs[:1])), outputs[:1]),
        )
    assert not sc.has_table("bad hist")


def test_a_video_that_changed(sc, tmp_path, small_video):
    path = tmp_path / "v.mp4"
    shutil.copy(small_video, path)
    stream = NamedVideoStream(sc, "v", path=str(path))
    output = NamedStream(sc, "out")
    first = sc.io.Output(sc.ops.Histogram(frame=sc.io.Input([stream])), [output])
    run(sc, first)
    make_video(path, frames=20)
    again = sc.io.Output(
        sc.ops.Histogram(
            frame=sc.io.Input([NamedVideoStream(sc, "v", path=str(path))])
        ),
        [output],
    )
    with pytest.raises(ScannerException, match=r"v\.mp4.*has changed"):
        run(sc, again, cache_mode=CacheMode.Overwrite)
    assert output.len() == 60
    path.unlink()
    with pytest.raises(ScannerException, match=r"v\.mp4"):
        list(NamedVideoStream(sc, "v").load())


def test_inputs_that_are_not_there(sc, no_workers):
    for stream in (NamedStream(sc, "nothing"), NamedVideoStream(sc, "nothing")):
        column = sc.io.Input([stream])
        output = NamedStream(sc, "out")
        if isinstance(stream, NamedVideoStream):
            output = NamedVideoStream(sc, "out")
        refused(
            sc,
            sc.io.Output(column, [output]),
            FileNotFoundError,
            "'nothing' does not exist or was never committed",
        )
        with pytest.raises(ScannerException, match="nothing") as caught:
            stream.len()
        assert isinstance(caught.value, FileNotFoundError)
        loading = stream.load()
        with pytest.raises(ScannerException, match="uncommitted stream 'nothing'"):
            next(loading)


def test_inputs_of_several_types(sc, small_video, no_workers):
    video = NamedVideoStream(sc, "clip", path=small_video)
    values, texts = NamedStream(sc, "values"), NamedStream(sc, "texts")
    values.save([1, 2], Any)
    texts.save(["a", "b"], str)
    for first, second, message in [
        (video, values, "'clip' holds FrameType, 'values' holds Any"),
        (values, video, "'values' holds Any, 'clip' holds FrameType"),
        (values, texts, "'values' holds Any, 'texts' holds "),
    ]:
        kind = NamedVideoStream if first is video else NamedStream
        outputs = [kind(sc, name) for name in ("out", "out2")]
        made = sc.io.Output(sc.io.Input([first, second]), outputs)
        refused(sc, made, TypeError, f"must hold one type: {message}")


# Graphs and arguments


@pytest.mark.parametrize(
    ("build", "builtin", "match"),
    [
        (lambda sc, f: sc.ops.Histogramm, AttributeError, "Histogramm does not exist"),
        (lambda sc, f: sc.ops.Histogramm, AttributeError, "did you mean Histogram"),
        (lambda sc, f: sc.sources.Nope, AttributeError, "Source Nope does not exist"),
        (lambda sc, f: sc.sinks.Nope, AttributeError, "Sink Nope does not exist"),
        (lambda sc, f: sc.ops.Histogram(), ValueError, "required sequence frame"),
        (lambda sc, f: sc.ops.Histogram(frames=f), ValueError, "'frames' misspelt"),
        (lambda sc, f: sc.ops.Histogram(frame=3), TypeError, "must be a column"),
        (lambda sc, f: sc.ops.Histogram(f, f), ValueError, "expects 1 input columns"),
        (
            lambda sc, f: sc.ops.Resize(frame=f, width=[4], hieght=[4]),
            ValueError,
            "Resize has no argument 'hieght'; did you mean height",
        ),
        (
            lambda sc, f: sc.ops.Blur(frame=f, kernel_siz=3),
            ValueError,
            "Blur has no argument 'kernel_siz'; did you mean kernel_size",
        ),
        (lambda sc, f: sc.ops.Blur(frame=f), ValueError, "needs the argument"),
        (
            lambda sc, f: sc.ops.Resize(frame=f, width=4, height=[4]),
            ValueError,
            "`width` to op `Resize` is a stream config argument and must be a list",
        ),
        (
            lambda sc, f: sc.ops.Resize(frame=f, width=[4, 5], height=[4]),
            ValueError,
            "Resize. had .* per-stream arguments, but expected 1",
        ),
        (
            lambda sc, f: sc.ops.ShotBoundaries(histograms=f),
            TypeError,
            "histograms of op ShotBoundaries takes Histogram.*FrameType",
        ),
        (
            lambda sc, f: sc.ops.Resize(
                frame=sc.ops.Histogram(frame=f), width=[4], height=[4]
            ),
            TypeError,
            "frame of op Resize takes FrameType.*Histogram",
        ),
        (
            lambda sc, f: sc.ops.Histogram(frame=f, batch=8),
            ValueError,
            "Histogram specified a batch size",
        ),
        (
            lambda sc, f: sc.ops.Histogram(frame=f, stencil=[0, 1]),
            ValueError,
            "Histogram specified stencil",
        ),
        (
            lambda sc, f: sc.ops.Histogram(frame=f, bounded_state=3),
            ValueError,
            "Histogram specified bounded_state",
        ),
        (
            lambda sc, f: sc.ops.Histogram(frame=f, device="GPU"),
            ValueError,
            "Invalid device type 'GPU'",
        ),
        (
            lambda sc, f: sc.ops.Histogram(frame=f, device=DeviceType.GPU),
            ValueError,
            "Histogram requested kernel with device type GPU",
        ),
        (
            lambda sc, f: sc.ops.OpticalFlow(frame=f, stencil=["a"]),
            ValueError,
            "stencil of op OpticalFlow",
        ),
        (lambda sc, f: sc.ops.Histogram(frame=f).lossless(), TypeError, "Histogram"),
        (lambda sc, f: f.compress("av7"), ValueError, "'av7' does not exist"),
        (lambda sc, f: f.compress_video(quality=99), ValueError, "quality"),
        (lambda sc, f: sc.streams.Stride(f, 8), ValueError, "must be a list"),
        (lambda sc, f: sc.streams.Stride(f, []), ValueError, "empty list"),
        (lambda sc, f: sc.streams.Stride(f, [1.5]), ValueError, r"1\.5"),
        (lambda sc, f: sc.streams.Stride(f, [True]), ValueError, "True"),
        (lambda sc, f: sc.streams.Stride(f, ["8"]), ValueError, "'8'"),
        (lambda sc, f: sc.streams.Stride(f, [8, 8]), ValueError, "2 .* expected 1"),
        (lambda sc, f: sc.streams.Stride(f, [{"strid": 8}]), ValueError, "strid"),
        (lambda sc, f: sc.streams.Stride(f, strid=[8]), TypeError, "strid"),
        (lambda sc, f: sc.streams.Range(f, [(0,)]), ValueError, r"\(0,\)"),
        (lambda sc, f: sc.streams.Range(f, [(0, "x")]), ValueError, "'x'"),
        (lambda sc, f: sc.streams.Ranges(f, [(0, 1)]), ValueError, "pairs"),
        (lambda sc, f: sc.streams.Gather(f, [4]), ValueError, "list of row numbers"),
        (lambda sc, f: sc.streams.Gather(f, [["a"]]), ValueError, "'a'"),
        (lambda sc, f: sc.streams.Slice(f, [50]), ValueError, "sc.partitioner"),
        (lambda sc, f: sc.io.Input("clip"), ValueError, "list of streams"),
        (lambda sc, f: sc.io.Input([]), ValueError, "empty"),
        (lambda sc, f: sc.io.Input(["clip"]), ValueError, "element 0 is str"),
        (lambda sc, f: sc.io.Output(f, []), ValueError, "empty"),
        (lambda sc, f: sc.io.Output(3, [NamedStream(sc, "x")]), TypeError, "column"),
        (
            lambda sc, f: sc.io.Output(f, [NamedVideoStream(sc, n) for n in "ab"]),
            ValueError,
            "2 streams|1 streams",
        ),
        (
            lambda sc, f: sc.io.Output(
                sc.ops.Histogram(frame=f), [NamedVideoStream(sc, "video")]
            ),
            TypeError,
            "'video' is a NamedVideoStream.*Histogram",
        ),
        (lambda sc, f: sc.streams.Unslice(f), ValueError, "not been sliced"),
        (
            lambda sc, f: sc.streams.Slice(
                sc.streams.Slice(f, [sc.partitioner.all(5)]), [sc.partitioner.all(5)]
            ),
            ValueError,
            "Nested slicing",
        ),
        (
            lambda sc, f: sc.io.Output(
                sc.streams.Slice(f, [sc.partitioner.all(5)]),
                [NamedVideoStream(sc, "out")],
            ),
            ValueError,
            "'out' needs Unslice",
        ),
        (
            lambda sc, f: sc.streams.Range(f, [SliceList([(0, 1), (1, 2)])]),
            ValueError,
            "Range have a SliceList, but its input has not been sliced",
        ),
        (
            lambda sc, f: sc.ops.Resize(frame=f, width=[SliceList([4, 5])], height=[4]),
            ValueError,
            "'width' of Resize have a SliceList",
        ),
        (
            lambda sc, f: sc.ops.DrawFlow(
                frame=sc.streams.Slice(f, [sc.partitioner.all(5)]), flow=f
            ),
            ValueError,
            "different slice levels",
        ),
        (lambda sc, f: PerfParams.manual(3, 10), ValueError, "multiple of work packet"),
        (lambda sc, f: PerfParams.manual(0, 10), ValueError, "work_packet_size"),
        (lambda sc, f: PerfParams.manual(1, 1, cpu_pol="1G"), ValueError, "cpu_pol"),
    ],
)
def test_building_a_graph(sc, frame, build, builtin, match):
    """Refused where it is written."""
    with pytest.raises(builtin, match=match) as caught:
        build(sc, frame)
    # A wrong keyword of a plain method is Python's own error.
    if "unexpected keyword" not in str(caught.value):
        assert isinstance(caught.value, ScannerException)
    assert not sc.has_table("out")


@pytest.mark.parametrize(
    ("build", "builtin", "match"),
    [
        (lambda sc, f: sc.streams.Stride(f, [0]), ValueError, "Stride.*'clip'.* 0"),
        (lambda sc, f: sc.streams.Stride(f, [-3]), ValueError, "Stride.*'clip'.* -3"),
        (
            lambda sc, f: sc.streams.StridedRange(f, [(0, 9, 0)]),
            ValueError,
            "StridedRange.*'clip'.*stride.* 0",
        ),
        (
            lambda sc, f: sc.streams.StridedRange(f, [(0, 9, -1)]),
            ValueError,
            "StridedRange.*'clip'.*stride.* -1",
        ),
        (
            lambda sc, f: sc.streams.Range(f, [(-1, 4)]),
            (ValueError, IndexError),
            "Range.*'clip'.* -1",
        ),
        (
            lambda sc, f: sc.streams.Range(f, [(9, 4)]),
            (ValueError, IndexError),
            "Range.*'clip'.* 9 .* 4",
        ),
        (
            lambda sc, f: sc.streams.Gather(f, [[-1]]),
            (ValueError, IndexError),
            "Gather.*'clip'.* -1",
        ),
        (lambda sc, f: sc.streams.Repeat(f, [0]), ValueError, "Repeat.*'clip'.* 0"),
        (
            lambda sc, f: sc.streams.RepeatNull(f, [-2]),
            ValueError,
            "RepeatNull.*'clip'.* -2",
        ),
        *[
            (
                lambda sc, f, method=method, args=args: sc.streams.Unslice(
                    sc.streams.Slice(f, [getattr(sc.partitioner, method)(*args)])
                ),
                (ValueError, IndexError),
                match,
            )
            for method, args, match in [
                ("all", (0,), "Slice.*'clip'.* group_size.* 0"),
                ("strided", (0, 4), "Slice.*'clip'.* stride.* 0"),
                ("range", (5, 2), "Slice.*'clip'.* 5 .* 2"),
                ("strided_range", (0, 9, -1), "Slice.*'clip'.* stride.* -1"),
            ]
        ],
        (
            lambda sc, f: sc.streams.Gather(f, [[3, 60]]),
            (ValueError, IndexError),
            "Gather.*'clip'.* 60 .*60 rows",
        ),
        (
            lambda sc, f: sc.streams.Range(f, [(61, 70)]),
            (ValueError, IndexError),
            "Range.*'clip'.* 61 .*60 rows",
        ),
        (
            lambda sc, f: sc.streams.Unslice(
                sc.streams.Slice(f, [sc.partitioner.ranges([(0, 5), (50, 61)])])
            ),
            (ValueError, IndexError),
            "Slice.*'clip'.* 61 .*60 rows",
        ),
        (
            lambda sc, f: sc.streams.Unslice(
                sc.streams.Slice(f, [sc.partitioner.gather([[60]])])
            ),
            (ValueError, IndexError),
            "Slice.*'clip'.* 60 .*60 rows",
        ),
        (
            lambda sc, f: sc.streams.Unslice(
                sc.streams.Range(
                    sc.streams.Slice(f, [sc.partitioner.all(30)]),
                    [SliceList([(0, 1), (0, 1), (0, 1)])],
                )
            ),
            ValueError,
            "Range.*3.*2 .*group",
        ),
        (
            lambda sc, f: sc.streams.Unslice(
                sc.streams.Gather(
                    sc.streams.Slice(f, [sc.partitioner.all(30)]), [[29, 30]]
                )
            ),
            (ValueError, IndexError),
            "Gather.*30.*30 rows",
        ),
    ],
)
def test_rows_that_do_not_fit(sc, frame, no_workers, build, builtin, match):
    """Known once the length of the stream is: before any worker starts."""
    output = NamedVideoStream(sc, "out")
    refused(sc, sc.io.Output(build(sc, frame), [output]), builtin, match)
    with pytest.raises(ScannerException, match=match):
        sc.explain(sc.io.Output(build(sc, frame), [output]))
    assert not output.committed()


def test_joins_of_unequal_length(sc, frame, no_workers):
    short = sc.streams.Range(frame, [(0, 7)])
    flow = sc.ops.OpticalFlow(frame=short)
    drawn = sc.ops.DrawFlow(frame=frame, flow=flow)
    output = sc.io.Output(drawn, [NamedVideoStream(sc, "out")])
    refused(sc, output, ValueError, r"DrawFlow.*(60.*7|7.*60)")


def test_outputs_of_one_run(sc, frame, no_workers, small_video):
    short = sc.streams.Range(frame, [(0, 7)])

    def to(name, column=frame):
        return sc.io.Output(column, [NamedVideoStream(sc, name)])

    refused(sc, [to("a"), to("b", short)], ValueError, "'a' would have 60, 'b' 7")
    refused(sc, [to("a"), to("a")], ValueError, "'a'.*unique")
    refused(sc, to("clip"), ValueError, "'clip' is both an input and an output")
    two = sc.io.Input(
        [NamedVideoStream(sc, n, path=small_video) for n in ("clip", "clip2")]
    )
    same = sc.io.Output(two, [NamedVideoStream(sc, "a"), NamedVideoStream(sc, "a")])
    refused(sc, same, ValueError, "'a'.*unique")
    swapped = sc.io.Output(
        two, [NamedVideoStream(sc, "out"), NamedVideoStream(sc, "clip")]
    )
    refused(sc, swapped, ValueError, "'clip' is both")
    other = [NamedVideoStream(sc, name) for name in "bc"]
    refused(sc, [to("a"), sc.io.Output(two, other)], ValueError, "streams")
    refused(sc, [], ValueError, "empty list")
    refused(sc, frame, ValueError, "OpColumn")
    refused(sc, to("a"), ValueError, "cache_mode", cache_mode="Overwrite")
    refused(sc, to("a"), ValueError, "on_failure.*'ignore'", on_failure="ignore")
    refused(sc, to("a"), ValueError, "detach", detach=True)
    with pytest.raises(ScannerException, match=r"perf_params.*7"):
        sc.run(to("a"), 7)


def test_graphs_of_two_clients(sc, frame, tmp_path):
    with open_client(tmp_path / "other") as other:
        with pytest.raises(ScannerException, match="different clients"):
            other.ops.Histogram(frame=frame)
        with pytest.raises(ScannerException, match="no run 77"):
            other.report(77)


def test_an_existing_output(sc, frame, no_workers):
    output = NamedStream(sc, "out")
    output.save([b"old"])
    outputs = sc.io.Output(sc.ops.Histogram(frame=frame), [output])
    refused(
        sc,
        outputs,
        FileExistsError,
        "overwrite the NamedStream `out`.*Ignore.*Overwrite",
    )
    assert list(output.load()) == [b"old"]
    # A name that a graph has written cannot become that of a video.
    with pytest.raises(ScannerException, match="'out' was written by a graph"):
        NamedVideoStream(sc, "out", path="x.mp4").len()


def test_an_invalid_graph_keeps_the_old_stream(sc, frame, no_workers):
    output = NamedVideoStream(sc, "out")
    output.save([numbered_frame(5)], FrameType)
    wrong = sc.streams.Gather(frame, [[99]])
    with pytest.raises(ScannerException):
        run(sc, sc.io.Output(wrong, [output]), cache_mode=CacheMode.Overwrite)
    assert numbers(output) == [5]


def test_two_ops_of_one_name(sc):
    @register_python_op(name="BadTwice")
    def first(config, x: bytes) -> bytes:
        return b"first"

    with pytest.raises(ScannerException, match="name BadTwice twice") as caught:

        @register_python_op(name="BadTwice")
        def second(config, x: bytes, y: bytes) -> bytes:
            return b"second"

    assert isinstance(caught.value, ValueError)
    NamedStream(sc, "in").save([b"x"])
    out = NamedStream(sc, "out")
    made = sc.ops.BadTwice(x=sc.io.Input([NamedStream(sc, "in")]))
    run(sc, sc.io.Output(made, [out]))
    assert list(out.load()) == [b"first"]


def test_clients(tmp_path):
    with pytest.raises(ScannerException, match="master"):
        Client(master="localhost:5001", db_path=str(tmp_path))
    with pytest.warns(UserWarning, match="machine_params"):
        Client(machine_params=3, db_path=str(tmp_path))
    with pytest.raises(ScannerException, match=r"nowhere\.toml"):
        Client(config_path=str(tmp_path / "nowhere.toml"))
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ScannerException, match=str(file)) as caught:
        Client(db_path=str(file))
    assert isinstance(caught.value, OSError)


# Empty streams


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda sc, v: Client(db_path=3), "db_path must be a folder or URL, got 3"),
        (
            lambda sc, v: Client(db_path=sc.db_path, options="--runner=DirectRunner"),
            "a list of flags such as .*, got '--runner=DirectRunner'",
        ),
        (lambda sc, v: Client(db_path=sc.db_path, options=[3]), r"got \[3\]"),
        (lambda sc, v: PerfParams.manual("8", 16), "work_packet_size must be .*'8'"),
        (lambda sc, v: PerfParams.manual(8, 16.0), r"io_packet_size must be .* 16\.0"),
        (lambda sc, v: NamedVideoStream(sc, "a", path=4), "path of a video .* got 4"),
        (lambda sc, v: sc.ingest_videos("a.mp4"), "list of pairs .* got 'a.mp4'"),
        (lambda sc, v: sc.ingest_videos(["a.mp4"]), r"pairs .* got \['a.mp4'\]"),
        (lambda sc, v: v.save_mp4("a", scale=5), r"scale must be \(width, height\)"),
        (lambda sc, v: v.save_mp4("a", scale=(5, 0)), r"1 or more; got \(5, 0\)"),
        (lambda sc, v: v.save_mp4("a", fps=-1), "fps -1 is not a positive"),
        (lambda sc, v: v.save_mp4("no/a"), "cannot write 'no/a.mp4': there is no fol"),
    ],
)
def test_values_of_another_kind(sc, small_video, tmp_path, monkeypatch, call, match):
    monkeypatch.chdir(tmp_path)
    video = NamedVideoStream(sc, "clip", path=small_video)
    with pytest.raises(ScannerException, match=match):
        call(sc, video)
    assert [p.name for p in tmp_path.iterdir()] == ["db"]


def test_streams_of_no_rows(sc, frame):
    """Committed, and inputs like any other."""
    nothing = sc.streams.Gather(frame, [[]])
    hist = sc.ops.Histogram(frame=nothing)
    outputs = [NamedVideoStream(sc, "no frames"), NamedStream(sc, "no histograms")]
    run(sc, [sc.io.Output(nothing, outputs[:1]), sc.io.Output(hist, outputs[1:])])
    for output in outputs:
        assert output.committed()
        assert output.len() == 0
        assert list(output.load()) == []
        with pytest.raises(ScannerException, match="row"):
            list(output.load(rows=[0]))
    frames = sc.io.Input(outputs[:1])
    histograms = sc.io.Input(outputs[1:])
    made = {
        "hist": sc.ops.Histogram(frame=frames),
        "shots": sc.ops.ShotBoundaries(histograms=histograms),
        "flow": sc.ops.OpticalFlow(frame=sc.streams.Stride(frames, [2])),
        "repeated": sc.streams.Repeat(frames, [3]),
        "sliced": sc.streams.Unslice(sc.streams.Slice(frames, [sc.partitioner.all(5)])),
        "ranged": sc.streams.Range(histograms, [(0, 5)]),
    }
    targets = [NamedStream(sc, f"empty {name}") for name in made]
    run(
        sc,
        [sc.io.Output(c, [t]) for c, t in zip(made.values(), targets, strict=True)],
    )
    assert [target.len() for target in targets] == [0] * len(made)
    assert targets[0].type().name == "Histogram"
    # One empty stream beside a full one.
    several = sc.io.Input([outputs[0], NamedVideoStream(sc, "clip")])
    both = [NamedStream(sc, "both 0"), NamedStream(sc, "both 1")]
    run(sc, sc.io.Output(sc.ops.Histogram(frame=several), both))
    assert [stream.len() for stream in both] == [0, 60]


# Kernels


@register_python_op()
class BadKernel(Kernel):
    """Gives something else than it declares on row 3 of frames."""

    def __init__(self, config, what):
        self.what = what

    def execute(self, frame: FrameType) -> FrameType:
        if frame_number(frame) % 1000 != 3:
            return frame
        if self.what == "raises":
            raise KeyError("a key")
        if self.what == "exits":
            raise SystemExit(3)
        return {"none": None, "bytes": b"x", "list": [1], "object": np.array([[[{}]]])}[
            self.what
        ]


@register_python_op()
def BadHistogram(config, frame: FrameType) -> Histogram:
    return "no histogram"


@register_python_op()
def BadBytes(config, frame: FrameType) -> bytes:
    return None


@register_python_op()
def BadPair(config, frame: FrameType) -> tuple[bytes, bytes]:
    return (b"1",)


@register_python_op(batch=8)
def BadBatch(config, frame: Sequence[FrameType]) -> Sequence[bytes]:
    return [b"x"] * (len(frame) - 1)


@register_python_op(batch=8)
def BadBatchKind(config, frame: Sequence[FrameType]) -> Sequence[bytes]:
    return b"12345678"[: len(frame)]


@register_python_op(whole_stream=True)
def BadWhole(config, frame: Sequence[FrameType]) -> Sequence[bytes]:
    return []


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("raises", "KeyError: 'a key'"),
        ("none", "must be a frame .*got NoneType"),
        ("bytes", "must be a frame .*got bytes"),
        ("list", "must be a frame .*got list"),
        ("object", "dtype object"),
    ],
)
def test_kernels_that_fail_on_a_row(sc, small_video, what, reason):
    """The stream fails with op, row and traceback; the others are committed."""
    streams = [NamedVideoStream(sc, n, path=small_video) for n in ("clip", "clip2")]
    # Row 3 of the second stream's rows is not among those that are kept.
    frames = sc.streams.Range(sc.io.Input(streams), [(0, 9), (10, 19)])
    outputs = [NamedVideoStream(sc, "bad"), NamedVideoStream(sc, "good")]
    made = sc.ops.BadKernel(frame=frames, what=what)
    failures = failures_of(sc, sc.io.Output(made, outputs))
    assert len(failures) == 1
    assert (failures[0].stream, failures[0].op, failures[0].row) == (
        "bad",
        "BadKernel",
        3,
    )
    assert re.search(reason, failures[0].reason)
    if what == "raises":
        assert "test_bad_input.py" in failures[0].traceback
    assert "BadKernel" in str(JobFailure(failures))
    assert not outputs[0].committed()
    assert numbers(outputs[1]) == list(range(1010, 1019))
    assert not [name for name in files_of(sc.db_path) if name.startswith("bad/")]
    # Again, with the old stream in place: it survives.
    outputs[0].save([numbered_frame(1)], FrameType)
    job = run(
        sc,
        sc.io.Output(made, outputs),
        cache_mode=CacheMode.Overwrite,
        on_failure="return",
    )
    assert [f.stream for f in sc.report(job).failures] == ["bad"]
    assert numbers(outputs[0]) == [1]
    assert not outputs[0].descriptor().run


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ("BadHistogram", "Histogram"),
        ("BadBytes", "NoneType"),
        ("BadPair", "2 output columns"),
        ("BadBatch", "7 elements for a call with 8 rows"),
        ("BadBatchKind", "sequence"),
        ("BadWhole", "0 elements for a call with 60 rows"),
    ],
)
def test_kernels_that_return_something_else(sc, frame, op, reason):
    made = getattr(sc.ops, op)(frame=frame)
    made = made[0] if isinstance(made, tuple) else made
    output = NamedStream(sc, "out")
    failures = failures_of(sc, sc.io.Output(made, [output]))
    assert [(f.stream, f.op, f.row) for f in failures] == [("out", op, 0)]
    assert reason in failures[0].reason
    assert not output.committed()
    assert not [name for name in files_of(sc.db_path) if name.startswith("out/")]


@register_python_op()
class BadLife(Kernel):
    def __init__(self, config, where):
        self.where = where
        self.fail("init")

    def fail(self, where):
        if where == self.where:
            raise ValueError(f"not in {where}")

    def new_stream(self, a=0):
        self.fail("new_stream")

    def reset(self):
        self.fail("reset")

    def fetch_resources(self):
        self.fail("fetch")

    def setup_with_resources(self):
        self.fail("setup")

    def close(self):
        self.fail("close")

    def execute(self, frame: FrameType) -> Any:
        return 1


@pytest.mark.parametrize("where", ["init", "new_stream", "reset", "fetch", "setup"])
def test_kernels_that_fail_before_the_first_row(sc, frame, where):
    output = NamedStream(sc, "out")
    made = sc.ops.BadLife(frame=frame, where=where)
    failures = failures_of(sc, sc.io.Output(made, [output]))
    assert [(f.stream, f.op) for f in failures] == [("out", "BadLife")]
    assert f"ValueError: not in {where}" in failures[0].reason
    assert not output.committed()


def test_a_kernel_that_fails_to_close(sc, frame):
    output = NamedStream(sc, "out")
    run(sc, sc.io.Output(sc.ops.BadLife(frame=frame, where="close"), [output]))
    assert output.len() == 60


@register_python_op()
def BadExit(config, frame: FrameType) -> bytes:
    sys.exit(3 if frame_number(frame) < 1000 else 0)


def test_a_kernel_that_leaves_the_program(sc, frame, small_video, test_video):
    """Fails its stream, like any other error."""
    streams = [
        NamedVideoStream(sc, "clip", path=small_video),
        NamedVideoStream(sc, "empty"),
    ]
    streams[1].save([], FrameType)
    outputs = [NamedStream(sc, "out"), NamedStream(sc, "good")]
    made = sc.ops.BadExit(frame=sc.io.Input(streams))
    failures = failures_of(sc, sc.io.Output(made, outputs))
    assert [(f.stream, f.row, f.reason) for f in failures] == [
        ("out", 0, "SystemExit: 0")
    ]
    assert [output.committed() for output in outputs] == [False, True]


class Unloadable:
    """Can be sent, but not be loaded."""

    def __reduce__(self):
        return _not_here, ()


def _not_here():
    raise ImportError("not on this machine")


def test_arguments_that_cannot_be_sent(sc, frame):
    def graph(what):
        return sc.io.Output(
            sc.ops.BadKernel(frame=frame, what=what), [NamedVideoStream(sc, "out")]
        )

    before = files_of(sc.db_path)
    with pytest.raises(ScannerException, match=r"'what' of op BadKernel.*generator"):
        run(sc, graph(i for i in range(3)))
    assert not work_left(sc.db_path)
    added = files_of(sc.db_path) - before
    assert all(name.startswith("clip/") for name in added)
    with pytest.raises(ScannerException, match="ImportError: not on this machine"):
        run(sc, graph(Unloadable()))
    assert not sc.has_table("out")


def test_failures_can_be_returned(sc, frame):
    output = NamedStream(sc, "out")
    outputs = sc.io.Output(sc.ops.BadBytes(frame=frame), [output])
    job = run(sc, outputs, on_failure="return")
    report = sc.report(job)
    assert [f.stream for f in report.failures] == ["out"]
    assert report.committed == []
    assert not output.committed()
    assert not sc.has_table("out")
    sc.get_profile(job)


def test_many_failures_are_all_listed(sc, small_video):
    streams = [NamedVideoStream(sc, f"v{i}", path=small_video) for i in range(12)]
    frames = sc.streams.Range(
        sc.io.Input(streams), [(0, 5) if i % 2 else (10, 15) for i in range(12)]
    )
    outputs = [NamedVideoStream(sc, f"out/{i}") for i in range(12)]
    made = sc.ops.BadKernel(frame=frames, what="raises")
    failures = failures_of(sc, sc.io.Output(made, outputs))
    assert {f.stream for f in failures} == {f"out/{i}" for i in range(1, 12, 2)}
    assert [output.committed() for output in outputs] == [True, False] * 6


# Frames of every kind


@register_python_op()
class BadShapes(Kernel):
    """Frames that are not plain uint8 RGB in one piece of memory."""

    def __init__(self, config, what):
        self.what = what

    def execute(self, frame: FrameType) -> FrameType:
        return changed(frame, self.what)


def changed(frame, what):
    made = {
        "flipped": lambda: frame[::-1, ::-1],
        "strided": lambda: frame[::2, ::3],
        "transposed": lambda: frame.transpose(1, 0, 2),
        "fortran": lambda: np.asfortranarray(frame),
        "odd": lambda: frame[:47, :63],
        "tiny": lambda: frame[:1, :1],
        "column": lambda: frame[:, :1],
        "float": lambda: frame.astype(np.float32) / 255,
        "double": lambda: frame.astype(np.float64),
        "signed": lambda: frame.astype(np.int16) - 300,
        "gray": lambda: frame[:, :, :1],
        "flat": lambda: frame[:, :, 0],
        "four": lambda: np.concatenate((frame, frame[:, :, :1]), axis=2),
        "bool": lambda: frame > 100,
        "big endian": lambda: frame.astype(">u2"),
    }
    return made[what]()


@pytest.mark.parametrize(
    "what",
    [
        "flipped",
        "strided",
        "transposed",
        "fortran",
        "odd",
        "tiny",
        "column",
        "float",
        "double",
        "signed",
        "gray",
        "flat",
        "four",
        "bool",
        "big endian",
    ],
)
def test_frames_of_any_kind(sc, frame, what):
    """Kept as they are when lossless; lossy ones keep their size."""
    made = sc.ops.BadShapes(frame=sc.streams.Range(frame, [(0, 10)]), what=what)
    outputs = [NamedVideoStream(sc, "exact"), NamedVideoStream(sc, "lossy")]
    run(
        sc,
        [sc.io.Output(made.lossless(), outputs[:1]), sc.io.Output(made, outputs[1:])],
    )
    source = list(NamedVideoStream(sc, "clip").load(rows=range(10)))
    for found, near, original in zip(
        outputs[0].load(), outputs[1].load(), source, strict=True
    ):
        expected = changed(original, what)
        if expected.ndim == 2:
            expected = expected[:, :, None]
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
        assert found.flags.c_contiguous
        assert near.shape == expected.shape
        assert near.dtype == expected.dtype
        if near.dtype == np.uint8 and near.shape[2] == 3 and min(near.shape[:2]) > 8:
            assert np.abs(near.astype(int) - expected).mean() < 15
        elif near.dtype != np.uint8:
            assert np.array_equal(near, expected)


@register_python_op()
def BadSizes(config, frame: FrameType) -> FrameType:
    """The size changes with frame 5."""
    return frame if frame_number(frame) % 1000 < 5 else frame[:40, :56]


@pytest.mark.parametrize("io", [4, 12, 60])
def test_frames_whose_size_changes(sc, frame, io):
    """Kept when lossless; when lossy an error that names the row, in every cut."""
    made = sc.ops.BadSizes(frame=frame)
    exact, lossy = NamedVideoStream(sc, "exact"), NamedVideoStream(sc, "lossy")
    perf = PerfParams.manual(4, io)
    run(sc, sc.io.Output(made.lossless(), [exact]), perf)
    shapes = [found.shape[:2] for found in exact.load()]
    assert shapes == [(48, 64)] * 5 + [(40, 56)] * 55
    failures = failures_of(sc, sc.io.Output(made, [lossy]), perf)
    assert [f.stream for f in failures] == ["lossy"]
    assert "row 5" in failures[0].reason
    assert "lossless" in failures[0].reason
    assert not lossy.committed()
    assert not [name for name in files_of(sc.db_path) if name.startswith("lossy/")]


# Databases


def test_two_format_versions(sc, tmp_path):
    with open_client(tmp_path / "old") as old:
        NamedStream(old, "s").save([b"1"])
    marker = tmp_path / "old" / "beam_scanner.json"
    found = json.loads(marker.read_text())
    key = next(k for k in found if "version" in k)
    marker.write_text(json.dumps({**found, key: 999}))
    with pytest.raises(ScannerException, match="999") as caught:
        open_client(tmp_path / "old")
    assert isinstance(caught.value, OSError)
    assert str(found[key]) in str(caught.value)
    assert str(tmp_path / "old") in str(caught.value)
    with pytest.raises(ScannerException, match="999"):
        NamedStream(
            sc, "s", storage=old.named_storage.__class__(tmp_path / "old")
        ).len()
    marker.write_text("{")
    with pytest.raises(ScannerException, match=r"beam_scanner\.json|old"):
        open_client(tmp_path / "old")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@register_python_op()
class BadNoise(Kernel):
    def __init__(self, config, size):
        self.size = size

    def execute(self, frame: FrameType) -> bytes:
        return np.random.default_rng(frame_number(frame)).bytes(self.size)


@pytest.mark.parametrize("io", [4, 60])
def test_a_full_disk(small_disk, small_video, io):
    """The stream fails, the old one survives, and there is room again."""
    with open_client(small_disk / "db") as sc:
        frame = sc.io.Input([NamedVideoStream(sc, "clip", path=small_video)])
        output = NamedStream(sc, "out")
        output.save([b"old"])
        too_much = sc.io.Output(sc.ops.BadNoise(frame=frame, size=200_000), [output])
        with pytest.raises(ScannerException, match="no space left"):
            run(
                sc,
                too_much,
                PerfParams.manual(4, io),
                cache_mode=CacheMode.Overwrite,
            )
        assert list(output.load()) == [b"old"]
        assert not [n for n in files_of(small_disk / "db") if n.startswith(".tmp/")]
        little = sc.io.Output(sc.ops.BadNoise(frame=frame, size=20), [output])
        run(sc, little, cache_mode=CacheMode.Overwrite)
        assert output.len() == 60
        assert not [n for n in work_left(small_disk / "db") if "/runs/" in n]


@pytest.fixture
def public_folder():
    """A folder that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_a_database_without_write_permission(public_folder):
    """Run as another user, since root may write everywhere."""
    uid = os.getuid() if os.getuid() != 0 else 65534
    db = public_folder / "db"
    for folder in (db, public_folder / "free"):
        with open_client(folder) as sc:
            NamedStream(sc, "old").save([b"old"])
    script = textwrap.dedent(
        f"""
        import os, sys
        sys.path.insert(0, {str(Path(client_module.__file__).parents[1])!r})
        from beam_scanner import *

        def run(db):
            sc = Client(db_path=db, options=['--direct_running_mode=in_memory'])
            print('old:', list(NamedStream(sc, 'old').load()))
            column = sc.io.Input([NamedStream(sc, 'old')])
            output = sc.io.Output(sc.ops.Pass(input=column), [NamedStream(sc, 'new')])
            sc.run(output, PerfParams.estimate(), show_progress=False)

        # Loads what the other user may not be allowed to read: the interpreter.
        run({str(public_folder / "free")!r})
        os.setuid({uid})
        try:
            run({str(db)!r})
        except ScannerException as error:
            print('caught:', type(error).__mro__[1:3], error)
        """
    )
    before = files_of(db)
    subprocess.run(["chmod", "-R", "a-w,a+rX", str(db)], check=True)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(db)], check=True)
    assert done.returncode == 0, done.stderr
    assert "caught:" in done.stdout, done.stdout + done.stderr
    assert "OSError" in done.stdout
    assert str(db) in done.stdout
    assert "ermission" in done.stdout
    # What is there can be read.
    assert done.stdout.count("old: [b'old']") == 2
    assert files_of(db) == before


# Names


@pytest.mark.parametrize(
    "name",
    ["a/b/c", "two words", "größe/日本語", "a.b", "x%2Fy", "CON", "a:b*c?", "é" * 60],
)
def test_stream_names(sc, frame, name):
    video, blob = NamedVideoStream(sc, name), NamedStream(sc, f"{name}.hist")
    ranged = sc.streams.Range(frame, [(0, 3)])
    run(
        sc,
        [
            sc.io.Output(ranged, [video]),
            sc.io.Output(sc.ops.Histogram(frame=ranged), [blob]),
        ],
    )
    assert numbers(NamedVideoStream(sc, name)) == [1000, 1001, 1002]
    assert blob.len() == 3
    root = os.path.realpath(sc.db_path)
    for file in video.files() + blob.files():
        assert os.path.realpath(file).startswith(root + os.sep)
        assert os.path.exists(file)
    assert sc.has_table(name)
    sc.delete_table(name)
    assert not video.committed()
    assert blob.committed()


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/etc/x", "", "x" * 1000])
def test_names_that_would_leave_the_database(sc, name):
    with pytest.raises(ScannerException) as caught:
        NamedStream(sc, name)
    assert isinstance(caught.value, ValueError)
    assert repr(name)[:20].rstrip("'") in str(caught.value)
    with pytest.raises(ScannerException):
        NamedVideoStream(sc, name, path="x.mp4")
    assert not (Path(sc.db_path).parent / "out").exists()


def test_names_that_are_not_text(sc):
    for name in (3, None, b"x"):
        with pytest.raises(ScannerException):
            NamedStream(sc, name)


def test_rows_to_load(sc):
    stream = NamedStream(sc, "s")
    stream.save([b"0", b"1", b"2"])
    assert list(stream.load(rows=[2, 0, 2])) == [b"2", b"0", b"2"]
    for rows in ([3], [-1], [0, 99]):
        with pytest.raises(ScannerException, match=r"'s'.*3|3.*'s'") as caught:
            list(stream.load(rows=rows))
        assert isinstance(caught.value, IndexError)
    with pytest.raises(ScannerException):
        list(stream.load(rows=["a"]))


def test_new_tables(sc):
    with pytest.raises(ScannerException, match="2"):
        sc.new_table("t", ["a", "b"], [[b"1", b"2"], [b"3"]])
    with pytest.raises(ScannerException):
        sc.new_table("t", ["a"], [["text"]])
    assert not sc.has_table("t")
