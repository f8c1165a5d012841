"""Scanner's own tests of caching and ops, its tutorials and its tables."""

from __future__ import annotations

import struct
from typing import Any, Tuple  # noqa: UP035

import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    ColumnType,
    DeviceType,
    FrameType,
    Kernel,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    ScannerException,
    protobufs,
    register_python_op,
)
from beam_scanner.types import BboxList
from tests.support.client_helpers import numbers, open_client
from tests.support.scanner_suite import (
    ROWS,
    FilesStream,
    clip,
    farneback,
    is_histogram_of,
    run,
)
from tests.support.video_fixtures import frame_number, make_video


def test_cache_mode(cl):
    def value(name):
        return struct.unpack("=q", next(NamedStream(cl, name).load()))[0]

    def add_one(mode):
        data = cl.io.Input([NamedStream(cl, "cache_in")])
        output_op = cl.io.Output(
            cl.ops.SuiteAddOne(x=data), [NamedStream(cl, "cache_out")]
        )
        return cl.run(
            output_op, PerfParams.manual(1, 1), cache_mode=mode, show_progress=False
        )

    NamedStream(cl, "cache_in").save([struct.pack("=q", 0)])
    assert add_one(CacheMode.Error) is not None
    assert value("cache_out") == 1
    with pytest.raises(ScannerException, match="overwrite the NamedStream `cache_out`"):
        add_one(CacheMode.Error)
    assert add_one(CacheMode.Ignore) is None
    assert value("cache_out") == 1
    NamedStream(cl, "cache_in").save([struct.pack("=q", 1)])
    # Scanner keeps 1 here; another input is another result.
    assert add_one(CacheMode.Ignore) is not None
    assert value("cache_out") == 2
    assert add_one(CacheMode.Overwrite) is not None
    assert value("cache_out") == 2


def test_histogram(cl):
    hist = cl.ops.Histogram(frame=clip(cl))
    output = NamedStream(cl, "test_hist_op")
    run(cl, cl.io.Output(hist, [output]))
    first = next(output.load())
    assert [(channel.shape, channel.dtype.name) for channel in first] == [
        ((16,), "int32")
    ] * 3
    assert all(is_histogram_of(h, i) for i, h in enumerate(output.load()))


def test_optical_flow(cl):
    flow = cl.ops.OpticalFlow(frame=clip(cl), stencil=[-1, 0])
    flow_range = cl.streams.Range(flow, ranges=[(0, 50)])
    output = NamedVideoStream(cl, "test_flow")
    run(cl, cl.io.Output(flow_range, [output]))
    frames = list(output.load())
    assert len(frames) == output.len() == 50
    assert (frames[0].shape, frames[0].dtype) == ((48, 64, 2), np.float32)
    pair = NamedVideoStream(cl, "test1").load(rows=[6, 7])
    assert np.allclose(frames[7], farneback(*pair), atol=1e-5)


def test_shot_detection(cl, tmp_path):
    """720 frames of 8 shots: 7 boundaries, at the cuts."""
    av = pytest.importorskip("av")
    cuts = [90, 180, 200, 300, 450, 600, 700]
    path = str(tmp_path / "shots.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(ROWS):
            shade = 20 + 60 * (sum(cut <= i for cut in cuts) % 4)
            picture = np.full((48, 64, 3), shade, np.uint8)
            picture[: 4 + i % 3] += 3
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frame = cl.io.Input([NamedVideoStream(cl, "shots", path=path)])
    range_frame = cl.streams.Range(frame, ranges=[(0, 1000)])
    hist = cl.ops.Histogram(frame=range_frame)
    outputs = [NamedStream(cl, "boundaries"), NamedStream(cl, "boundaries_cut")]
    boundaries = cl.ops.ShotBoundaries(histograms=hist)
    for output, io in zip(outputs, (1000, 100), strict=True):
        run(cl, cl.io.Output(boundaries, [output]), PerfParams.manual(io, io))
        found = list(output.load())
        assert found[0] == cuts
        assert found[1:] == [None] * (ROWS - 1)


def test_tutorial_00_basic(cl):
    streams = [NamedVideoStream(cl, "test1"), NamedVideoStream(cl, "test2")]
    outputs = [NamedStream(cl, "tutorial_0"), NamedStream(cl, "tutorial_1")]
    hist = cl.ops.Histogram(frame=cl.io.Input(streams))
    run(cl, cl.io.Output(hist, outputs))
    assert [output.len() for output in outputs] == [ROWS, 60]
    assert is_histogram_of(next(outputs[1].load()), 1000)
    for output in outputs:
        output.delete(cl)
        assert not output.committed()
    outputs[0].storage().delete(cl, outputs)


@register_python_op()
class SuiteSplit(Kernel):
    """Two outputs, as in the tutorial on ops."""

    def __init__(self, config, scale):
        super().__init__(config)
        self.scale = scale

    def execute(self, frame: FrameType) -> Tuple[FrameType, Any]:  # noqa: UP006
        return frame[:: self.scale, :: self.scale], frame_number(frame)


def test_tutorial_01_ops(cl, tmp_path):
    frame = cl.streams.Stride(clip(cl), [90])
    small, number = cl.ops.SuiteSplit(frame=frame, scale=2)
    outputs = [NamedVideoStream(cl, "tutorial_small"), NamedStream(cl, "tutorial_no")]
    run(cl, [cl.io.Output(small, outputs[:1]), cl.io.Output(number, outputs[1:])])
    assert list(outputs[1].load()) == list(range(0, ROWS, 90))
    assert numbers(outputs[0]) == list(range(0, ROWS, 90))
    assert next(outputs[0].load()).shape == (24, 32, 3)
    # An unused output costs nothing but its computation.
    run(cl, cl.io.Output(number, [NamedStream(cl, "tutorial_only")]))
    assert NamedStream(cl, "tutorial_only").len() == 8


@register_python_op(bounded_state=60)
class SuiteBackground(Kernel):
    """Mean of the frames seen: background subtraction with state."""

    def reset(self):
        self.seen = []

    def execute(self, frame: FrameType) -> Any:
        self.seen.append(frame_number(frame))
        return self.seen[-61:]


def test_tutorial_02_attributes_and_04_slicing(cl):
    frame = clip(cl)
    background = cl.ops.SuiteBackground(frame=frame)
    ranged = cl.streams.Range(background, [(0, 120)])
    output = NamedStream(cl, "tutorial_state")
    for io in (20, 120):
        run(
            cl,
            cl.io.Output(ranged, [output]),
            PerfParams.manual(10, 120 // (120 // io)),
        )
        assert list(output.load()) == [
            list(range(max(0, i - 60), i + 1)) for i in range(120)
        ]
    sliced = cl.streams.Slice(
        frame, partitions=[cl.partitioner.ranges([(110, 120), (120, 140)])]
    )
    unsliced = cl.streams.Unslice(cl.ops.SuiteBackground(frame=sliced))
    run(cl, cl.io.Output(unsliced, [output]))
    assert [seen[0] for seen in output.load()] == [110] * 10 + [120] * 20
    assert [seen[-1] for seen in output.load()] == list(range(110, 140))


def test_tutorial_05_sources_and_sinks(cl, tmp_path):
    """Frames to image files and back to a stream, then read by another graph."""
    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    frame = cl.streams.Gather(clip(cl), [[3, 1, 4, 1]])
    run(cl, cl.io.Output(cl.ops.ImageEncoder(frame=frame), [FilesStream(paths)]))
    images = cl.io.Input([FilesStream(paths)])
    resized = cl.ops.Resize(
        frame=cl.ops.ImageDecoder(img=images), width=[32], height=[24]
    )
    output = NamedVideoStream(cl, "tutorial_images")
    run(cl, cl.io.Output(resized, [output]))
    assert numbers(output) == [3, 1, 4, 1]
    again = NamedVideoStream(cl, "tutorial_again")
    run(cl, cl.io.Output(cl.io.Input([output]), [again]))
    assert numbers(again) == [3, 1, 4, 1]


@register_python_op()
def SuiteBoxes(config, frame: FrameType) -> BboxList:
    return [protobufs.BoundingBox(x1=0.0, y1=0.0, x2=0.5, y2=0.5, score=0.5)]


def test_boxes_are_drawn(cl):
    frame = cl.streams.Range(clip(cl), [(0, 3)])
    boxes = cl.ops.SuiteBoxes(frame=frame)
    drawn = cl.ops.DrawBboxes(frame=frame, bboxes=boxes)
    outputs = [NamedStream(cl, "boxes"), NamedVideoStream(cl, "drawn")]
    run(
        cl,
        [cl.io.Output(boxes, outputs[:1]), cl.io.Output(drawn.lossless(), outputs[1:])],
    )
    assert [[(b.x2, b.score) for b in row] for row in outputs[0].load()] == [
        [(0.5, 0.5)]
    ] * 3
    for picture in outputs[1].load():
        assert picture[0, 5].tolist() == [255, 0, 0]
        assert picture[24, 32].tolist() == [255, 0, 0]


def test_ingest_videos(cl, tmp_path, small_video):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    tables, failures = cl.ingest_videos(
        [("good", small_video), ("bad", str(broken))], force=True
    )
    assert [table.name() for table in tables] == ["good"]
    assert [path for path, _ in failures] == [str(broken)]
    assert str(broken) in failures[0][1]
    assert cl.has_table("good")
    assert not cl.has_table("bad")
    with pytest.raises(ScannerException, match="over existing table good"):
        cl.ingest_videos([("good", small_video)])
    with pytest.raises(ScannerException, match="Duplicate table name x"):
        cl.ingest_videos([("x", small_video), ("x", small_video)])
    with pytest.raises(ScannerException, match="at least one video"):
        cl.ingest_videos([])
    with pytest.raises(ScannerException, match="All videos failed"):
        cl.ingest_videos([("bad", str(broken))])
    cl.ingest_videos([("good", small_video)], force=True)
    cl.delete_tables(["good", "never there"])
    assert not cl.has_table("good")


def test_tables_and_waiting(cl):
    unknown = cl.table("no such table")
    assert not unknown.exists()
    assert not unknown.committed()
    with pytest.raises(ScannerException):
        cl.table(1.5)
    loaded = []
    cl.new_table("batch_a", ["col"], [[b"1"], [b"2"]])
    cl.new_table("batch_b", ["col"], [[b"3"]])
    cl.batch_load(
        [cl.table("batch_a"), cl.table("batch_b")],
        "col",
        lambda name, values: loaded.append((name, list(values))),
    )
    assert sorted(loaded) == [("batch_a", [b"1", b"2"]), ("batch_b", [b"3"])]
    assert frame_number(next(cl.sequence("test1").load())) == 0
    job = run(
        cl,
        cl.io.Output(
            cl.streams.Range(clip(cl), [(0, 1)]), [NamedVideoStream(cl, "waited")]
        ),
    )
    cl.wait_on_job(job)
    assert [status["finished"] for status in cl.wait_on_job_gen(job)] == [True]
    assert cl.get_active_jobs() == []


def test_sources_and_sinks_by_name(cl):
    frame = cl.sources.FrameColumn(table_name=["test1"], column_name=["frame"])
    hist = cl.ops.Histogram(frame=cl.streams.Range(frame, [(5, 7)]))
    sink = cl.sinks.Column(columns={"hist": hist}, table_name=["by_name"])
    run(cl, sink)
    found = list(NamedStream(cl, "by_name").load())
    assert [is_histogram_of(h, i) for i, h in enumerate(found, 5)] == [True, True]
    with pytest.raises(ScannerException, match="Columns must be specified"):
        cl.sinks.Column(table_name=["x"])


def test_register_op_and_kernel(cl):
    cl.register_op("SuiteRegistered", [("frame", ColumnType.Video)], ["ret"])

    class Registered(Kernel):
        def execute(self, frame):
            return (b"%d" % frame_number(frame),)

    cl.register_python_kernel("SuiteRegistered", DeviceType.CPU, Registered)
    output = NamedStream(cl, "registered")
    frame = cl.streams.Range(clip(cl), [(8, 10)])
    run(cl, cl.io.Output(cl.ops.SuiteRegistered(frame=frame), [output]))
    assert list(output.load()) == [b"8", b"9"]
    with pytest.raises(ScannerException, match="re-register"):
        cl.register_op("SuiteRegistered", ["frame"], ["ret"])


def test_load_op(cl, tmp_path):
    path = tmp_path / "loaded.py"
    path.write_text(
        "from typing import Any\n"
        "from beam_scanner import FrameType, register_python_op\n"
        "@register_python_op()\n"
        "def SuiteLoaded(config, frame: FrameType) -> Any:\n"
        "    return frame.shape\n"
    )
    for _ in range(2):
        cl.load_op(str(path))
    output = NamedStream(cl, "loaded")
    frame = cl.streams.Range(clip(cl), [(0, 2)])
    run(cl, cl.io.Output(cl.ops.SuiteLoaded(frame=frame), [output]))
    assert list(output.load()) == [(48, 64, 3)] * 2
    with pytest.raises(ScannerException, match=r"no_op\.py' does not exist"):
        cl.load_op(str(tmp_path / "no_op.py"))
    with pytest.raises(ScannerException, match="Failed to load op library: libop"):
        cl.load_op("libop.so")


def test_a_stopped_cluster_is_no_loss(tmp_path, small_video):
    """Scanner's programs end so; nothing is held that could be closed."""
    with open_client(tmp_path / "db") as sc:
        sc.ingest_videos([("v", small_video)])
        sc.stop_cluster()
        assert NamedVideoStream(sc, "v").len() == 60
    sc.stop_cluster()


def test_two_databases(tmp_path, small_video):
    """A stream of another database, and videos of the same name in two."""
    with open_client(tmp_path / "a") as first, open_client(tmp_path / "b") as second:
        other = make_video(tmp_path / "other.mp4", frames=3, first_number=9)
        first.ingest_videos([("v", small_video)])
        second.ingest_videos([("v", other)])
        assert NamedVideoStream(first, "v").len() == 60
        assert numbers(NamedVideoStream(second, "v")) == [9, 10, 11]
        mixed = first.io.Input(
            [NamedVideoStream(first, "v", storage=second.named_storage)]
        )
        output = NamedVideoStream(first, "copied")
        run(first, first.io.Output(mixed, [output]))
        assert numbers(output) == [9, 10, 11]
        assert not second.has_table("copied")
