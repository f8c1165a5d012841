"""Graphs, arguments and values that fit nothing are refused before any worker starts."""

from __future__ import annotations

import pytest

from beam_scanner import (
    CacheMode,
    Client,
    DeviceType,
    FrameType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    ScannerException,
    SliceList,
    register_python_op,
)
from tests.support.client_helpers import numbers, open_client
from tests.support.refusals import refused, run
from tests.support.video_fixtures import numbered_frame

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
            lambda sc, f: sc.ops.Resize(frame=f, width=(4,), height=[4]),
            ValueError,
            "`width` to op `Resize` is a stream config argument and must be one value",
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
            lambda sc, f: sc.ops.ShotBoundaries(sc.ops.Histogram(frame=f), batch=8),
            ValueError,
            "ShotBoundaries specified a batch size",
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
        (lambda sc, f: sc.streams.Stride(f, "8"), ValueError, "whole number"),
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
            "Range is a SliceList, but its input has not been sliced",
        ),
        (
            lambda sc, f: sc.ops.Resize(frame=f, width=[SliceList([4, 5])], height=[4]),
            ValueError,
            "'width' of Resize is a SliceList",
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
    refused(sc, [], ValueError, "at least one output")
    refused(sc, frame, ValueError, "OpColumn")
    refused(sc, to("a"), ValueError, "cache_mode", cache_mode="Overwrite")
    refused(sc, to("a"), ValueError, "on_failure.*'ignore'", on_failure="ignore")
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
        (lambda sc, v: Client(db_path=3), "db_path must be a folder or URL, got 3"),  # type: ignore[arg-type]
        (
            lambda sc, v: Client(db_path=sc.db_path, options="--runner=DirectRunner"),
            "a list of flags such as .*, got '--runner=DirectRunner'",
        ),
        (lambda sc, v: Client(db_path=sc.db_path, options=[3]), r"got \[3\]"),
        (lambda sc, v: PerfParams.manual("8", 16), "work_packet_size must be .*'8'"),  # type: ignore[arg-type]
        (lambda sc, v: PerfParams.manual(8, 16.0), r"io_packet_size must be .* 16\.0"),  # type: ignore[arg-type]
        (lambda sc, v: NamedVideoStream(sc, "a", path=4), "path of a video .* got 4"),  # type: ignore[arg-type]
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
