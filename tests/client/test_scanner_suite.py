"""Scanner's own tests, test by test, with the values asserted that it only counted.

Calls are written as Scanner's tests write them. Not here: what starts servers of
Scanner's cluster by hand (a worker that joins in the middle of a run), its C++ ops,
and ops that load models.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Tuple  # noqa: UP035

import numpy as np
import psutil
import pytest
from client_helpers import PROCESSES, numbers, open_client
from video_fixtures import frame_number, make_video, numbered_frame

from beam_scanner import (
    CacheMode,
    Client,
    ColumnType,
    DeviceType,
    FrameType,
    JobFailure,
    Kernel,
    KernelConfig,
    NamedStream,
    NamedVideoStream,
    NullElement,
    PerfParams,
    ScannerException,
    SliceList,
    StorageBackend,
    StoredStream,
    protobufs,
    register_python_op,
)
from beam_scanner.types import BboxList

ROWS = 720


@pytest.fixture(scope="module")
def cl(tmp_path_factory, test_video, small_video):
    """One client for the module, as Scanner's fixture: four ingested tables."""
    with open_client(tmp_path_factory.mktemp("suite") / "db") as client:
        client.ingest_videos([("test1", test_video), ("test2", small_video)])
        client.ingest_videos(
            [("test1_inplace", test_video), ("test2_inplace", small_video)],
            inplace=True,
        )
        yield client


def run(cl, outputs, perf=None, **kwargs):
    return cl.run(
        outputs,
        perf or PerfParams.estimate(),
        cache_mode=CacheMode.Overwrite,
        show_progress=False,
        **kwargs,
    )


def clip(cl):
    return cl.io.Input([NamedVideoStream(cl, "test1")])


def is_histogram_of(histogram, number):
    """Whether a 3 x 16 histogram is about that of a numbered frame."""
    frame = numbered_frame(number)
    bright = (frame > 128).sum(axis=(0, 1))
    found = np.asarray(histogram)
    assert found.shape == (3, 16)
    return (np.abs(found[:, 8:].sum(axis=1) - bright) < 200).all() and (
        found.sum(axis=1) == 64 * 48
    ).all()


def test_new_client(cl):
    assert all(
        cl.has_table(name)
        for name in ("test1", "test2", "test1_inplace", "test2_inplace")
    )
    for attribute in [
        "config",
        "ops",
        "sources",
        "sinks",
        "streams",
        "partitioner",
        "io",
    ]:
        assert getattr(cl, attribute) is not None
    assert cl.protobufs.Point is protobufs.Point


def test_perf_params(cl):
    ghist = cl.streams.Gather(cl.ops.Histogram(frame=clip(cl)), [[0]])
    output = NamedStream(cl, "perf_params")
    output_op = cl.io.Output(ghist, [output])
    loaded = []
    for perf in (PerfParams.manual(10, 10), PerfParams.estimate()):
        cl.run(output_op, perf, show_progress=False, cache_mode=CacheMode.Overwrite)
        loaded.append(list(output.load()))
    assert len(loaded[0]) == 1
    assert is_histogram_of(loaded[0][0], 0)
    assert np.array_equal(loaded[0], loaded[1])


def test_auto_ingest(cl, small_video):
    stream = NamedVideoStream(cl, "test3", path=small_video)
    hist = cl.ops.Histogram(frame=cl.io.Input([stream]))
    output = NamedStream(cl, "auto_ingest")
    run(cl, cl.io.Output(hist, [output]))
    assert output.len() == 60
    assert stream.len() == 60
    assert is_histogram_of(next(output.load()), 1000)


def test_table_properties(cl):
    for name, number in [("test1", 0), ("test1_inplace", 2)]:
        table = cl.table(name)
        assert table.id() == number
        assert table.name() == name
        assert table.num_rows() == ROWS
        assert list(table.column_names()) == ["index", "frame"]
        assert table.committed()
        assert cl.table(number).name() == name


def test_summarize(cl):
    text = cl.summarize()
    assert "test1_inplace" in text
    assert "720" in text


def test_load_video_column(cl):
    for name in ("test1", "test1_inplace"):
        frame = next(NamedVideoStream(cl, name).load())
        assert (frame.shape, frame.dtype) == ((48, 64, 3), np.uint8)
        assert frame_number(frame) == 0


def test_gather_video_column(cl):
    for name in ("test1", "test1_inplace"):
        rows = [0, 10, 100, 200]
        assert numbers(NamedVideoStream(cl, name), rows) == rows
        assert [
            frame_number(f) for f in cl.table(name).column("frame").load(rows=rows)
        ] == rows


def test_profiler(cl, tmp_path):
    ghist = cl.streams.Gather(cl.ops.Histogram(frame=clip(cl)), [[0]])
    job_id = run(cl, cl.io.Output(ghist, [NamedStream(cl, "profiler")]))
    assert isinstance(job_id, int)
    profile = cl.get_profile(job_id)
    path = tmp_path / "a.b" / "t.trace"
    path.parent.mkdir()
    profile.write_trace(str(path))
    events = json.loads(path.read_text())
    events = events["traceEvents"] if isinstance(events, dict) else events
    assert any(event["ph"] == "X" and "Histogram" in event["name"] for event in events)
    assert profile.statistics()
    with pytest.raises(ScannerException, match="987654"):
        cl.get_profile(987654)


def test_new_table(cl):
    cl.new_table("test", ["col1", "col2"], [[b"r00", b"r01"], [b"r10", b"r11"]])
    t = cl.table("test")
    assert t.num_rows() == 2
    assert next(t.column("col2").load()) == b"r01"
    assert list(t.column("col1").load()) == [b"r00", b"r10"]
    with pytest.raises(ScannerException, match="test"):
        cl.new_table("test", ["col1"], [[b"x"]])
    cl.delete_table("test")
    assert not cl.has_table("test")


def test_multiple_outputs(cl):
    def run_job(args_1, args_2):
        frame = clip(cl)
        ranges = [
            cl.streams.Range(input=frame, ranges=[args]) for args in (args_1, args_2)
        ]
        outputs = [NamedVideoStream(cl, f"mp_{i}") for i in range(2)]
        run(cl, [cl.io.Output(r, [o]) for r, o in zip(ranges, outputs, strict=True)])
        return [numbers(output) for output in outputs]

    with pytest.raises(ScannerException, match=r"'mp_0'.* 30, 'mp_1' 15"):
        run_job({"start": 0, "end": 30}, {"start": 0, "end": 15})
    assert not cl.has_table("mp_0")
    assert run_job({"start": 0, "end": 30}, {"start": 30, "end": 60}) == [
        list(range(30)),
        list(range(30, 60)),
    ]
    one = cl.streams.Range(input=clip(cl), ranges=[{"start": 0, "end": 30}])
    outputs = [NamedVideoStream(cl, f"mp_{i}") for i in range(2, 4)]
    run(cl, [cl.io.Output(one, [output]) for output in outputs])
    assert [numbers(output) for output in outputs] == [list(range(30))] * 2


@pytest.mark.parametrize(
    ("sampler", "args", "expected"),
    [
        ("Stride", {"strides": [{"stride": 8}]}, range(0, ROWS, 8)),
        ("Range", {"ranges": [{"start": 0, "end": 30}]}, range(30)),
        (
            "StridedRange",
            {"ranges": [{"start": 0, "end": 300, "stride": 10}]},
            range(0, 300, 10),
        ),
        ("Gather", {"indices": [[0, 150, 377, 500]]}, [0, 150, 377, 500]),
        # Forms and values beyond Scanner's tests.
        ("Stride", {"strides": [96]}, range(0, ROWS, 96)),
        ("Stride", {"strides": [(96,)]}, range(0, ROWS, 96)),
        ("Range", {"ranges": [(700, 1000)]}, range(700, ROWS)),
        ("Ranges", {"intervals": [[(5, 8), (0, 2), (6, 9)]]}, [5, 6, 7, 0, 1, 6, 7, 8]),
        ("StridedRange", {"ranges": [(10, 20, 5)]}, [10, 15]),
        ("Gather", {"indices": [[500, 3, 3, 719, 0]]}, [500, 3, 3, 719, 0]),
        ("Repeat", {"spacings": [240]}, None),
        ("All", {}, range(ROWS)),
    ],
)
def test_sample(cl, sampler, args, expected):
    frame = clip(cl)
    if sampler == "Repeat":
        frame, expected = cl.streams.Range(frame, [(0, 3)]), np.repeat(range(3), 240)
    sample_frame = getattr(cl.streams, sampler)(input=frame, **args)
    output = NamedVideoStream(cl, "test_sample")
    run(cl, cl.io.Output(sample_frame, [output]))
    assert output.len() == len(expected)
    assert numbers(output) == list(expected)


def test_sampler_arguments_by_position(cl):
    frame = clip(cl)
    sampled = [
        cl.streams.Stride(frame, [180]),
        cl.streams.Range(frame, [(4, 8)]),
        cl.streams.Ranges(frame, [[(0, 2), (9, 11)]]),
        cl.streams.StridedRange(frame, [(0, 8, 2)]),
        cl.streams.StridedRanges(frame, [(0, 4), (100, 104)], 2),
        cl.streams.Gather(frame, [[9, 7, 7, 1]]),
    ]
    outputs = [NamedVideoStream(cl, f"position_{i}") for i in range(6)]
    run(cl, [cl.io.Output(s, [o]) for s, o in zip(sampled, outputs, strict=True)])
    assert [numbers(output) for output in outputs] == [
        [0, 180, 360, 540],
        [4, 5, 6, 7],
        [0, 1, 9, 10],
        [0, 2, 4, 6],
        [0, 2, 100, 102],
        [9, 7, 7, 1],
    ]


def test_space(cl):
    hist = cl.ops.Histogram(frame=clip(cl))
    plain, repeat, null = (
        NamedStream(cl, f"test_space_{name}") for name in ("plain", "repeat", "null")
    )
    run(cl, cl.io.Output(hist, [plain]))
    run(
        cl,
        [
            cl.io.Output(cl.streams.Repeat(input=hist, spacings=[8]), [repeat]),
            cl.io.Output(cl.streams.RepeatNull(input=hist, spacings=[8]), [null]),
        ],
    )
    expected = list(plain.load())
    assert all(is_histogram_of(h, i) for i, h in enumerate(expected))
    assert repeat.len() == null.len() == ROWS * 8
    for i, (repeated, spaced) in enumerate(
        zip(repeat.load(), null.load(), strict=True)
    ):
        assert len(repeated) == 3
        assert np.array_equal(repeated, expected[i // 8])
        if i % 8 == 0:
            assert np.array_equal(spaced, expected[i // 8])
        else:
            assert isinstance(spaced, NullElement)


def test_stream_args(cl):
    resized_frame = cl.ops.Resize(frame=clip(cl), width=[640], height=[480])
    range_frame = cl.streams.Range(resized_frame, [(0, 10)])
    output = NamedVideoStream(cl, "test_stream_args")
    run(cl, cl.io.Output(range_frame, [output]))
    frames = list(output.load())
    assert {frame.shape for frame in frames} == {(480, 640, 3)}
    assert [frame_number(frame) for frame in frames] == list(range(10))


def test_slice(cl):
    slice_frame = cl.streams.Slice(clip(cl), partitions=[cl.partitioner.all(50)])
    unsliced_frame = cl.streams.Unslice(slice_frame)
    output = NamedVideoStream(cl, "test_slicing")
    run(cl, cl.io.Output(unsliced_frame, [output]))
    assert output.len() == NamedVideoStream(cl, "test1").len()
    assert numbers(output) == list(range(ROWS))


def test_overlapping_slice(cl):
    slice_frame = cl.streams.Slice(
        clip(cl),
        partitions=[cl.partitioner.strided_ranges([(0, 15), (5, 25), (15, 35)], 1)],
    )
    sample_frame = cl.streams.Range(
        slice_frame,
        ranges=[
            SliceList(
                [
                    {"start": 0, "end": 10},
                    {"start": 5, "end": 15},
                    {"start": 5, "end": 15},
                ]
            )
        ],
    )
    output = NamedVideoStream(cl, "test_overlapping_slicing")
    run(cl, cl.io.Output(cl.streams.Unslice(sample_frame), [output]))
    assert numbers(output) == list(range(30))


@pytest.mark.parametrize(
    ("method", "args", "expected"),
    [
        ("all", (300,), range(ROWS)),
        ("strided", (240, 2), [0, 240, 480]),
        ("range", (3, 6), [3, 4, 5]),
        ("ranges", ([(10, 12), (0, 2)],), [10, 11, 0, 1]),
        ("strided_range", (0, 9, 4), [0, 4, 8]),
        ("strided_ranges", ([(0, 4), (0, 4)], 2), [0, 2, 0, 2]),
        ("gather", ([[5, 1], [9, 9]],), [5, 1, 9, 9]),
    ],
)
def test_partitioners(cl, method, args, expected):
    partition = getattr(cl.partitioner, method)(*args)
    sliced = cl.streams.Slice(clip(cl), [partition])
    output = NamedVideoStream(cl, "test_partitioners")
    run(cl, cl.io.Output(cl.streams.Unslice(sliced), [output]))
    assert numbers(output) == list(expected)


@register_python_op()
class SuiteSliceArgs(Kernel):
    def __init__(self, config):
        pass

    def new_stream(self, arg):
        self.arg = arg

    def execute(self, frame: FrameType) -> Any:
        return self.arg


def test_slice_args(cl):
    slice_frame = cl.streams.Slice(
        clip(cl), partitions=[cl.partitioner.ranges([[0, 1], [1, 2], [2, 3]])]
    )
    each = cl.ops.SuiteSliceArgs(frame=slice_frame, arg=[SliceList([0, 1, 2])])
    every = cl.ops.SuiteSliceArgs(frame=slice_frame, arg=["plain"])
    outputs = [NamedStream(cl, f"test_slice_args_{i}") for i in range(2)]
    run(
        cl,
        [
            cl.io.Output(cl.streams.Unslice(test), [output])
            for test, output in zip((each, every), outputs, strict=True)
        ],
    )
    assert [list(output.load()) for output in outputs] == [[0, 1, 2], ["plain"] * 3]


class _Increment(Kernel):
    def reset(self):
        self.count = 0

    def execute(self, ignore: FrameType) -> Any:
        self.count += 1
        return self.count - 1


@register_python_op(bounded_state=1)
class SuiteIncrementBounded(_Increment):
    pass


@register_python_op(unbounded_state=True)
class SuiteIncrementUnbounded(_Increment):
    pass


def test_bounded_state(cl):
    increment = cl.ops.SuiteIncrementBounded(ignore=clip(cl), bounded_state=3)
    sampled = cl.streams.Gather(increment, indices=[[0, 10, 25, 26, 27]])
    output = NamedStream(cl, "test_bounded_state")
    run(cl, cl.io.Output(sampled, [output]))
    assert list(output.load()) == [0, 3, 3, 4, 5]


def test_unbounded_state(cl):
    slice_frame = cl.streams.Slice(clip(cl), partitions=[cl.partitioner.all(50)])
    sliced = cl.ops.SuiteIncrementUnbounded(ignore=slice_frame)
    outputs = [NamedStream(cl, f"test_unbounded_state_{i}") for i in range(2)]
    run(
        cl,
        [
            cl.io.Output(cl.streams.Unslice(sliced), outputs[:1]),
            cl.io.Output(cl.ops.SuiteIncrementUnbounded(clip(cl)), outputs[1:]),
        ],
    )
    assert list(outputs[0].load()) == [i % 50 for i in range(ROWS)]
    assert list(outputs[1].load()) == list(range(ROWS))


def test_inplace(cl):
    inputs = [NamedVideoStream(cl, "test1_inplace"), NamedVideoStream(cl, "test1")]
    hist = cl.ops.Histogram(frame=cl.io.Input(inputs), device=DeviceType.CPU)
    sampled = cl.streams.Range(hist, [(0, 30), (0, 30)])
    outputs = [NamedStream(cl, f"test_inplace_{i}") for i in range(2)]
    run(cl, cl.io.Output(sampled, outputs))
    first, second = (list(output.load()) for output in outputs)
    assert all(is_histogram_of(h, i) for i, h in enumerate(first))
    assert np.array_equal(first, second)


@register_python_op(stencil=[0, 1])
def SuiteWindow(config, frame: Sequence[FrameType]) -> Any:
    return [frame_number(f) for f in frame]


def farneback(first, second):
    cv2 = pytest.importorskip("cv2")
    first, second = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in (first, second))
    return cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0)


def test_stencil(cl):
    def flows(frame, stencil, then=None, perf=None):
        flow = cl.ops.OpticalFlow(frame=frame, stencil=stencil, device=DeviceType.CPU)
        seen = cl.ops.SuiteWindow(frame=frame, stencil=stencil)
        columns = [flow, seen]
        if then is not None:
            columns = [cl.streams.Range(c, [then]) for c in columns]
        outputs = [NamedVideoStream(cl, "flows"), NamedStream(cl, "windows")]
        run(
            cl,
            [cl.io.Output(c, [o]) for c, o in zip(columns, outputs, strict=True)],
            perf,
        )
        frames = list(outputs[0].load())
        assert {(f.shape, f.dtype.name) for f in frames} == {((48, 64, 2), "float32")}
        windows = list(outputs[1].load())
        for found, window in zip(frames, windows, strict=True):
            pair = NamedVideoStream(cl, "test1").load(rows=window)
            assert np.allclose(found, farneback(*pair), atol=1e-5)
        return windows

    first = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 1}])
    two = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 2}])
    three = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 3}])
    assert flows(first, [-1, 0]) == [[0, 0]]
    assert flows(first, [0, 1]) == [[0, 0]]
    assert flows(two, [0, 1]) == [[0, 1], [1, 1]]
    assert flows(clip(cl), [-1, 0], then=(0, 1)) == [[0, 0]]
    # A stencil wider than a packet.
    assert flows(three, [0, 1], perf=PerfParams.manual(1, 1)) == [
        [0, 1],
        [1, 2],
        [2, 2],
    ]


class OwnStorage(StorageBackend):
    pass


class PackedFile(StoredStream):
    """u64 count, then elements of 8 bytes; as users write sources of their own."""

    def __init__(self, path):
        self._path = path

    def name(self):
        return self._path

    def storage(self):
        return OwnStorage()

    def exists(self):
        return os.path.exists(self._path)

    def committed(self):
        return self.exists()

    def type(self):
        return bytes

    def len(self):
        return struct.unpack("=Q", Path(self._path).read_bytes()[:8])[0]

    def load_bytes(self, rows=None):
        data = Path(self._path).read_bytes()[8:]
        for row in range(self.len()) if rows is None else rows:
            yield data[8 * row : 8 * row + 8]


class FilesStream(StoredStream):
    """One file an element, as Scanner's files source and sink."""

    def __init__(self, paths):
        self._paths = list(paths)

    def name(self):
        return self._paths[0]

    def storage(self):
        return OwnStorage()

    def exists(self):
        return any(os.path.exists(path) for path in self._paths)

    def committed(self):
        return all(os.path.exists(path) for path in self._paths)

    def type(self):
        return bytes

    def len(self):
        return len(self._paths)

    def load_bytes(self, rows=None):
        for row in range(len(self._paths)) if rows is None else rows:
            yield Path(self._paths[row]).read_bytes()

    def write(self, first_row, elements, seconds):
        for row, element in enumerate(elements, first_row):
            Path(self._paths[row]).write_bytes(element)


class PythonStream(StoredStream):
    """A list of the program, as Scanner's Python source."""

    def __init__(self, data):
        self._data = data

    def name(self):
        return "python"

    def storage(self):
        return OwnStorage()

    def exists(self):
        return True

    def committed(self):
        return True

    def len(self):
        return len(self._data)

    def type(self):
        return bytes

    def load_bytes(self, rows=None):
        for row in range(len(self._data)) if rows is None else rows:
            yield pickle.dumps(self._data[row])


def test_packed_file_source(cl, tmp_path):
    path = tmp_path / "packed"
    path.write_bytes(struct.pack("=5Q", 4, 0, 1, 2, 3))
    data = cl.io.Input([PackedFile(str(path))])
    output = NamedStream(cl, "test_cpp_source")
    run(cl, cl.io.Output(cl.ops.Pass(input=data), [output]))
    assert [struct.unpack("=Q", b)[0] for b in output.load()] == [0, 1, 2, 3]


def test_files_source_and_sink(cl, tmp_path):
    paths = [str(tmp_path / f"in{i}") for i in range(4)]
    for i, path in enumerate(paths):
        Path(path).write_bytes(struct.pack("=Q", i))
    data = cl.ops.Pass(input=cl.io.Input([FilesStream(paths)]))
    named = NamedStream(cl, "test_files_source")
    written = [str(tmp_path / f"out{i}") for i in range(4)]
    sink = FilesStream(written)
    run(cl, [cl.io.Output(data, [named]), cl.io.Output(data, [sink])])
    expected = [struct.pack("=Q", i) for i in range(4)]
    assert list(named.load()) == expected
    assert [Path(path).read_bytes() for path in written] == expected
    assert list(sink.load()) == expected


def test_python_source(cl):
    rows = [{f"{i}": i} for i in range(4)]
    data = cl.io.Input([PythonStream(rows)])
    output = NamedStream(cl, "test_python_source")
    run(cl, cl.io.Output(cl.ops.Pass(input=data), [output]))
    assert list(output.load(fn=pickle.loads)) == rows
    assert [pickle.loads(b) for b in output.load()] == rows


@register_python_op()
class SuitePy(Kernel):
    def __init__(self, config, kernel_arg):
        assert kernel_arg == 1
        self.x = 20
        self.y = 20

    def new_stream(self, x, y):
        self.x = x
        self.y = y

    def execute(self, frame: FrameType) -> Any:
        return {"x": self.x, "y": self.y, "row": frame_number(frame)}


def test_python_kernel(cl):
    range_frame = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 3}])
    test_out = cl.ops.SuitePy(frame=range_frame, kernel_arg=1, x=[0], y=[0])
    output = NamedStream(cl, "test_hist")
    run(cl, cl.io.Output(test_out, [output]))
    assert list(output.load()) == [{"x": 0, "y": 0, "row": i} for i in range(3)]


@register_python_op()
class SuiteResource(Kernel):
    def __init__(self, config, path):
        self.path = path

    def fetch_resources(self):
        count = int(Path(self.path).read_text())
        Path(self.path).write_text(str(count + 1))

    def setup_with_resources(self):
        assert int(Path(self.path).read_text()) == 1

    def execute(self, frame: FrameType) -> Any:
        return None


def test_fetch_resources(cl, tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    test = cl.ops.SuiteResource(frame=range_frame, path=str(counter))
    output = NamedStream(cl, "test_fetch_resources")
    with pytest.warns(UserWarning, match="pipeline_instances_per_node"):
        perf = PerfParams.manual(1, 3, pipeline_instances_per_node=2)
    run(cl, cl.io.Output(test, [output]), perf)
    assert list(output.load()) == [None] * 30
    assert counter.read_text() == "1"


@register_python_op(batch=50)
class SuitePyBatch(Kernel):
    def execute(self, frame: Sequence[FrameType]) -> Sequence[bytes]:
        assert 1 <= len(frame) <= 50
        return [b"%d" % frame_number(f) for f in frame]


@register_python_op(stencil=[0, 1])
class SuitePyStencil:
    """Without the base class, as in Scanner's guide."""

    def __init__(self, config):
        assert isinstance(config, KernelConfig)
        assert config.input_column_types == [ColumnType.Video]

    def execute(self, frame: Sequence[FrameType]) -> bytes:
        assert len(frame) == 2
        return b"%d %d" % tuple(frame_number(f) for f in frame)


@register_python_op(stencil=[0, 1], batch=50)
class SuitePyStencilBatch(Kernel):
    def execute(self, frame: Sequence[Sequence[FrameType]]) -> Sequence[bytes]:
        assert len(frame[0]) == 2
        return [b"%d %d" % tuple(frame_number(f) for f in pair) for pair in frame]


def test_python_batch_and_stencil_kernels(cl):
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    made = [
        cl.ops.SuitePyBatch(frame=range_frame, batch=50),
        cl.ops.SuitePyStencil(frame=range_frame),
        cl.ops.SuitePyStencilBatch(frame=range_frame, batch=50),
    ]
    outputs = [NamedStream(cl, f"test_batch_{i}") for i in range(3)]
    run(cl, [cl.io.Output(m, [o]) for m, o in zip(made, outputs, strict=True)])
    pairs = [b"%d %d" % (i, min(i + 1, 29)) for i in range(30)]
    assert list(outputs[0].load()) == [b"%d" % i for i in range(30)]
    assert list(outputs[1].load()) == pairs
    assert list(outputs[2].load()) == pairs


def test_bind_op_args(cl):
    stream = NamedVideoStream(cl, "test1")
    frame = cl.io.Input([stream, stream])
    range_frame = cl.streams.Range(frame, [(0, 1), (1, 2)])
    test_out = cl.ops.SuitePy(frame=range_frame, kernel_arg=1, x=[1, 10], y=[5, 50])
    outputs = [NamedStream(cl, "test_hist_0"), NamedStream(cl, "test_hist_1")]
    run(cl, cl.io.Output(test_out, outputs))
    assert [list(output.load()) for output in outputs] == [
        [{"x": 1, "y": 5, "row": 0}],
        [{"x": 10, "y": 50, "row": 1}],
    ]


@register_python_op()
def SuitePyVariadic(
    config,
    *frame: Tuple[FrameType, ...],  # noqa: UP006
) -> FrameType:
    assert len(frame) == 3
    return frame[0]


def test_py_variadic(cl):
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    test_out = cl.ops.SuitePyVariadic(range_frame, range_frame, range_frame)
    output = NamedVideoStream(cl, "test_variadic")
    run(cl, cl.io.Output(test_out.lossless(), [output]))
    expected = NamedVideoStream(cl, "test1").load(rows=range(30))
    assert all(
        np.array_equal(a, b) for a, b in zip(output.load(), expected, strict=True)
    )


def test_blur_lossless_and_compressed(cl):
    cv2 = pytest.importorskip("cv2")
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    blurred = cl.ops.Blur(frame=range_frame, kernel_size=3, sigma=0.1)
    made = [
        blurred.lossless(),
        blurred.compress("video", bitrate=1 * 1024 * 1024),
        blurred.compress_video(quality=35),
        blurred.compress_default(),
        blurred,
    ]
    outputs = [NamedVideoStream(cl, f"test_blur_{i}") for i in range(len(made))]
    run(cl, [cl.io.Output(m, [o]) for m, o in zip(made, outputs, strict=True)])
    expected = [
        cv2.GaussianBlur(frame, (3, 3), 0.1)
        for frame in NamedVideoStream(cl, "test1").load(rows=range(30))
    ]
    loaded = list(outputs[0].load())
    assert {(f.shape, f.dtype.name) for f in loaded} == {((48, 64, 3), "uint8")}
    assert all(np.array_equal(a, b) for a, b in zip(loaded, expected, strict=True))
    for output in outputs[1:]:
        assert numbers(output) == list(range(30))
        near = [
            np.abs(a.astype(int) - b).mean() < 12
            for a, b in zip(output.load(), expected, strict=True)
        ]
        assert all(near)
    sizes = [sum(os.path.getsize(f) for f in o.files(".mp4")) for o in outputs[:3]]
    assert sizes[2] < sizes[1]
    assert sizes[2] < sizes[0]


def test_save_mp4(cl, tmp_path):
    av = pytest.importorskip("av")
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    blurred = cl.ops.Blur(frame=range_frame, kernel_size=3, sigma=0.1)
    output = NamedVideoStream(cl, "test_save_mp4")
    run(cl, cl.io.Output(blurred, [output]))
    for name in ("saved", "twice.mp4"):
        output.save_mp4(str(tmp_path / name))
        with av.open(str(tmp_path / name.removesuffix(".mp4")) + ".mp4") as container:
            shown = [frame.to_ndarray(format="rgb24") for frame in container.decode()]
        assert [frame_number(frame) for frame in shown] == list(range(30))


def test_no_workers(tmp_path):
    with pytest.raises(ScannerException, match=r"workers=\[\].*options="):
        Client(db_path=str(tmp_path), workers=[])
    with pytest.raises(ScannerException, match="options="):
        Client(db_path=str(tmp_path), master="localhost:5001", workers=["a:1"])


@register_python_op()
def SuiteSleepFrame(config, ignore: FrameType) -> Any:
    time.sleep(0.01)
    return frame_number(ignore)


def _kill_a_worker(after):
    """SIGKILLs one of Beam's worker processes below this one, when ``after`` says."""
    while not after():
        time.sleep(0.05)
    for process in psutil.Process().children(recursive=True):
        if any("beam_scanner" in part for part in process.cmdline()):
            os.kill(process.pid, signal.SIGKILL)
            return


@pytest.mark.processes
# Threads of Beam's that served the worker die with it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_fault_tolerance(tmp_path, test_video):
    """A worker dies: an error within seconds; the next run makes what is missing."""
    db = tmp_path / "db"

    def graph(sc):
        frame = sc.io.Input([NamedVideoStream(sc, "test1", path=test_video)])
        range_frame = sc.streams.Range(frame, ranges=[{"start": 0, "end": 480}])
        output = NamedStream(sc, "test_fault_tolerance")
        slow = sc.ops.SuiteSleepFrame(ignore=range_frame)
        return sc.io.Output(slow, [output]), output

    def some_are_done():
        return len(list(db.glob(".work/jobs/**/0-0*"))) >= 4

    with open_client(db, PROCESSES) as sc:
        output_op, output = graph(sc)
        killer = threading.Thread(
            target=_kill_a_worker, args=(some_are_done,), daemon=True
        )
        killer.start()
        began = time.monotonic()
        with pytest.raises(ScannerException, match="worker process died"):
            run(sc, output_op, PerfParams.manual(1, 1))
        killer.join()
        assert time.monotonic() - began < 40
        assert not output.committed()
    with open_client(db) as sc:
        output_op, output = graph(sc)
        # A keyframe every 24 frames: no task is smaller than that.
        assert sc.explain(output_op, PerfParams.manual(1, 1)).tasks == 20
        report = sc.report(run(sc, output_op, PerfParams.manual(1, 1)))
        assert report.reused >= 4
        assert report.reused + report.tasks == 20
        assert list(output.load()) == list(range(480))


@register_python_op()
class SuiteFail(Kernel):
    def execute(self, frame: FrameType) -> bytes:
        raise ScannerException("Test")


def test_job_blacklist(cl):
    range_frame = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 1}])
    output = NamedStream(cl, "test_py_fail")
    output_op = cl.io.Output(cl.ops.SuiteFail(frame=range_frame), [output])
    run(cl, output_op, on_failure="return")
    assert not output.committed()
    with pytest.raises(JobFailure, match="SuiteFail, row 0: ScannerException: Test"):
        run(cl, output_op)


def test_job_timeout(cl):
    """Tasks have no time limit; asking for one is an error, not silence."""
    range_frame = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 1}])
    output = NamedStream(cl, "test_timeout")
    output_op = cl.io.Output(cl.ops.SuiteSleepFrame(ignore=range_frame), [output])
    with pytest.raises(ScannerException, match="task_timeout"):
        run(cl, output_op, task_timeout=0.1)
    assert not output.committed()


@register_python_op()
def SuiteAddOne(config, x: bytes) -> bytes:
    return struct.pack("=q", struct.unpack("=q", x)[0] + 1)


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
    with pytest.raises(ScannerException, match="compiled Scanner modules cannot"):
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
