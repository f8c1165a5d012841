"""Scanner's own tests of tables, samplers, slices, state and stencils."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    DeviceType,
    FrameType,
    Kernel,
    NamedStream,
    NamedVideoStream,
    NullElement,
    PerfParams,
    ScannerException,
    SliceList,
    protobufs,
    register_python_op,
)
from tests.support.client_helpers import numbers
from tests.support.scanner_suite import (
    ROWS,
    clip,
    farneback,
    is_histogram_of,
    run,
)
from tests.support.video_fixtures import frame_number


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


@pytest.mark.slow
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


@pytest.mark.slow
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
