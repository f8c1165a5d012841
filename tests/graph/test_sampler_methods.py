from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    GraphError,
    ScannerException,
)
from beam_scanner.graph.builder import (
    IOGenerator,
    TaskPartitioner,
)
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OutputNode,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
)
from beam_scanner.rows.samplers import (
    All,
    Gather,
    GatherPartition,
    RangesPartition,
    Repeat,
    Stride,
    StridedPartition,
    StridedRanges,
)
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    StorageBackend,
    StoredStream,
)
from beam_scanner.types import Histogram
from beam_scanner.video.encoding import Encoding
from tests.support.graph_parts import (
    Stored,
    blobs,
    frames,
    io,
    out,
    partitioner,
    streams,
)

# --- streams ---------------------------------------------------------------------


def sampled(column):
    assert isinstance(column.node, SampleNode)
    return column.node.samplers


@pytest.mark.parametrize(
    ("op", "keyword", "value", "expected"),
    [
        ("Stride", "strides", 8, Stride(8)),
        ("Stride", "strides", np.int32(8), Stride(8)),
        ("Stride", "strides", (8,), Stride(8)),
        ("Stride", "strides", {"stride": 8}, Stride(8)),
        ("Range", "ranges", (0, 30), StridedRanges(((0, 30),))),
        ("Range", "ranges", [0, 30], StridedRanges(((0, 30),))),
        ("Range", "ranges", {"start": 0, "end": 30}, StridedRanges(((0, 30),))),
        ("Ranges", "intervals", [(0, 3), (5, 6)], StridedRanges(((0, 3), (5, 6)))),
        ("Ranges", "intervals", ((0, 3), (5, 6)), StridedRanges(((0, 3), (5, 6)))),
        ("Ranges", "intervals", {"intervals": [(0, 3)]}, StridedRanges(((0, 3),))),
        ("Ranges", "intervals", [], StridedRanges(())),
        ("StridedRange", "ranges", (0, 300, 10), StridedRanges(((0, 300),), 10)),
        (
            "StridedRange",
            "ranges",
            {"start": 0, "end": 300, "stride": 10},
            StridedRanges(((0, 300),), 10),
        ),
        (
            "StridedRanges",
            "intervals",
            ([(0, 9), (4, 6)], 2),
            StridedRanges(((0, 9), (4, 6)), 2),
        ),
        (
            "StridedRanges",
            "intervals",
            {"intervals": [(0, 9)], "stride": 2},
            StridedRanges(((0, 9),), 2),
        ),
        ("Gather", "indices", [0, 150, 377, 500], Gather((0, 150, 377, 500))),
        ("Gather", "indices", {"rows": [5, 1, 1]}, Gather((5, 1, 1))),
        ("Gather", "indices", range(3), Gather((0, 1, 2))),
        ("Gather", "indices", np.array([3, 1]), Gather((3, 1))),
        ("Repeat", "spacings", 8, Repeat(8)),
        ("Repeat", "spacings", {"spacing": 8}, Repeat(8)),
        ("RepeatNull", "spacings", (8,), Repeat(8, nulls=True)),
    ],
)
def test_forms_of_stream_arguments(op, keyword, value, expected):
    call, column = getattr(streams, op), frames()
    by_position, by_name = (
        call(column, [value]),
        call(input=column, **{keyword: [value]}),
    )
    assert sampled(by_position) == sampled(by_name) == (expected,)
    assert by_position.type is None
    assert by_position.node.label == op
    sliced = streams.Slice(column, [partitioner.all()])
    groups = call(sliced, [SliceList([value, value])])
    assert sampled(groups) == (SliceList([expected, expected]),)
    assert isinstance(sampled(groups)[0], SliceList)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=4),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 9),
)
def test_strided_ranges_in_scanners_form_and_per_stream(intervals, stride):
    jobs = len(intervals)
    column = blobs(jobs)
    expected = tuple(StridedRanges(tuple(item), stride) for item in intervals)
    per_stream = [list(item) or ((),) for item in intervals]
    if all(intervals):
        for strides in (stride, [stride] * jobs):
            found = streams.StridedRanges(column, per_stream, strides)
            assert sampled(found) == expected
    found = streams.StridedRanges(column, intervals=[(i, stride) for i in intervals])
    assert sampled(found) == expected
    found = streams.StridedRanges(column, intervals=intervals[0], stride=stride)
    assert sampled(found) == (expected[0],) * jobs
    found = streams.StridedRanges(
        streams.Slice(column, [partitioner.all()] * jobs),
        [SliceList([intervals[0], [(1, 2)]])] * jobs,
        stride,
    )
    both = SliceList([expected[0], StridedRanges(((1, 2),), stride)])
    assert sampled(found) == (both,) * jobs


def test_all_takes_the_number_of_streams_from_its_input():
    assert sampled(streams.All(blobs(3))) == (All(),) * 3
    assert sampled(streams.All(input=OpColumn(Node()))) == (All(),)


@pytest.mark.parametrize(
    ("op", "value", "each"),
    [
        ("Stride", 8, 8),
        ("Stride", np.int64(8), 8),
        ("Stride", {"stride": 8}, 8),
        ("Repeat", 3, 3),
        ("RepeatNull", 3, 3),
        ("Range", (0, 30), (0, 30)),
        ("Range", {"start": 0, "end": 30}, (0, 30)),
        ("StridedRange", (0, 30, 2), (0, 30, 2)),
        ("Gather", {"rows": [5, 1]}, [5, 1]),
        ("Ranges", {"intervals": [(0, 3)]}, [(0, 3)]),
        ("StridedRanges", {"intervals": [(0, 3)], "stride": 2}, ([(0, 3)], 2)),
        ("Slice", partitioner.all(3), partitioner.all(3)),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_one_value_is_for_all_streams(op, value, each, count):
    column = blobs(count)
    method = getattr(streams, op)
    found, expected = method(column, value).node, method(column, [each] * count).node
    if op == "Slice":
        assert found.partitions == expected.partitions
    else:
        assert found.samplers == expected.samplers


def test_slice_and_unslice():
    column = streams.Slice(frames(2), partitions=[partitioner.all(50), {
        "partitioner": partitioner.range(0, 5)
    }])  # fmt: skip
    assert isinstance(column.node, SliceNode)
    assert column.node.partitions == (
        StridedPartition(1, 50),
        RangesPartition(((0, 5),)),
    )
    joined = streams.Unslice(input=column)
    assert isinstance(joined.node, UnsliceNode)
    assert joined.type is None


def test_partitioners():
    assert partitioner.all() == StridedPartition(1, 250)
    assert partitioner.strided(3) == StridedPartition(3, 250)
    assert partitioner.strided(3, 7) == StridedPartition(3, 7)
    assert partitioner.range(2, 9) == RangesPartition(((2, 9),))
    assert partitioner.ranges([[0, 1], [1, 2]]) == RangesPartition(((0, 1), (1, 2)))  # type: ignore[list-item]
    assert partitioner.strided_range(0, 9, 2) == RangesPartition(((0, 9),), 2)
    assert partitioner.strided_ranges([(0, 15), (5, 25)], 1) == RangesPartition(
        ((0, 15), (5, 25)), 1
    )
    assert partitioner.gather([[3, 1], [0]]) == GatherPartition(((3, 1), (0,)))


@pytest.mark.parametrize(
    ("op", "values", "message"),
    [
        (
            "Stride",
            np.array([8]),
            "`strides` to op `Stride` is a stream config arg.* or a list with one",
        ),
        ("Stride", SliceList([8]), "or a list with one value for each stream"),
        ("Stride", (n for n in [8]), "or a list with one value for each stream"),
        ("Stride", "8", "strides of Stride must be a stride, a whole number, got '8'"),
        ("Stride", None, "strides of Stride must be a stride, a whole number"),
        (
            "Range",
            (1, 2, 3),
            r"ranges of Range must be \(start, end\), got \(1, 2, 3\)",
        ),
        ("Range", [0, 30], r"ranges\[0\] of Range must be \(start, end\), got 0"),
        ("Gather", (0, 10), r"indices\[0\] of Gather must be a list of row numbers"),
        ("Gather", 3, "indices of Gather must be a list of row numbers, got 3"),
        ("Slice", 3, "partitions of Slice must come from sc.partitioner"),
        ("Stride", [], "`strides` to op `Stride` is an empty list"),
        (
            "Stride",
            ["8"],
            r"strides\[0\] of Stride must be a stride, a whole number, got '8'",
        ),
        (
            "Stride",
            [1.5],
            r"strides\[0\] of Stride must be a stride, a whole number, got 1.5",
        ),
        ("Stride", [True], "whole number, got True"),
        ("Stride", [np.array([8.5])], "stride of .* must be a whole number"),
        ("Stride", [{"strides": 8}], "must be a dict with 'stride'"),
        ("Range", [(1, 2, 3)], r"must be \(start, end\), got \(1, 2, 3\)"),
        ("Range", [(1, "2")], r"end of ranges\[0\] of Range must be a whole number"),
        ("Ranges", [(0, 10)], r"list of \(start, end\) pairs"),
        ("Ranges", [{"ranges": []}], "must be a dict with 'intervals'"),
        ("StridedRange", [(0, 10)], r"must be \(start, end, stride\)"),
        ("Gather", [0, 10], r"indices\[0\] of Gather must be a list of row numbers"),
        ("Gather", [[0.5]], "a row of .* must be a whole number, got 0.5"),
        ("Slice", [3], "must come from sc.partitioner"),
        ("Slice", [SliceList([TaskPartitioner().all()])], "is a SliceList"),
    ],
)
def test_bad_stream_arguments(op, values, message):
    with pytest.raises(ArgumentError, match=message):
        getattr(streams, op)(blobs(), values)


def test_more_bad_stream_arguments():
    column = blobs(2)
    with pytest.raises(ElementTypeError, match="input of Stride must be a column"):
        streams.Stride("video", [8])  # type: ignore[arg-type]
    with pytest.raises(GraphError, match=r"`Stride` had 1 per-stream arg.* expected 2"):
        streams.Stride(column, [8])
    with pytest.raises(GraphError, match="an argument of Stride is a SliceList"):
        streams.Stride(column, [SliceList([8]), 8])
    with pytest.raises(
        ArgumentError, match="intervals for 2 streams and strides for 1"
    ):
        streams.StridedRanges(column, [[(0, 1)], [(0, 1)]], [1])
    with pytest.raises(
        ArgumentError, match="intervals of StridedRanges must be a list"
    ):
        streams.StridedRanges(column, 3, 1)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"must be \(intervals, stride\), got 3"):
        streams.StridedRanges(column, [3, 4])
    with pytest.raises(
        ArgumentError, match="group_size of a partitioner must be a who"
    ):
        partitioner.all("5")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="must be a list of lists"):
        partitioner.gather(3)  # type: ignore[arg-type]


# --- inputs and outputs ------------------------------------------------------------


def test_types_of_inputs(tmp_path):
    storage = NamedStorage(tmp_path / "db")
    stream = NamedStream(storage, "words")
    assert io.Input([stream]).type.name == "Bytes"
    column = io.Input([NamedVideoStream(storage, "video")])
    assert column.type is None
    assert isinstance(column.node, InputNode)
    assert blobs(type=Histogram).type.name == "Histogram"
    assert blobs(type=None).type.name == "Bytes"
    assert frames().type is None


def test_an_output_keeps_the_encoding_of_its_column():
    node = io.Output(frames().lossless(), streams=[Stored("a")])
    assert isinstance(node, OutputNode)
    assert node.input.encoding == Encoding(codec="raw")
    with pytest.raises(ElementTypeError, match="compression is only for columns of"):
        blobs().lossless()


def test_storage_backends_with_hooks_of_their_own():
    calls = []

    class Backend(StorageBackend):
        def source(self, sc, streams):
            calls.append(("source", sc, len(streams)))
            return blobs(len(streams)) if streams[0].name() == "other" else None

        def sink(self, sc, op, streams):
            calls.append(("sink", sc, op.type.name))

    client = Client()
    own = IOGenerator(client)
    backend = Backend()
    kept = own.Input([Stored("kept", backend=backend)])
    assert kept.node.streams[0].name() == "kept"  # type: ignore[attr-defined]
    replaced = own.Input([Stored("other", backend=backend)])
    assert replaced.node.streams[0].name() == "in0"  # type: ignore[attr-defined]
    own.Output(kept, [Stored("out", backend=backend)])
    assert calls == [
        ("source", client, 1),
        ("source", client, 1),
        ("sink", client, "Bytes"),
    ]


class ReadOnly(StoredStream):
    def name(self):
        return "read only"

    def storage(self):
        return StorageBackend()

    def load_bytes(self, rows=None):
        return iter(())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Stored("a"), "must take a list of streams as input, got Stored"),
        ([], "must take a list of streams as input, got an empty one"),
        (["a.mp4"], "must take a list of streams as input: element 0 is str"),
        ([Stored("a"), "b"], "must take .* as input: element 1 is str"),
    ],
)
def test_bad_streams(value, message):
    with pytest.raises(ArgumentError, match=f"io.Input {message}"):
        io.Input(value)
    with pytest.raises(ArgumentError, match=f"io.Output {message}"):
        io.Output(blobs(), value)


def test_bad_outputs(tmp_path):
    with pytest.raises(
        ElementTypeError, match=r"first argument of io\.Output must be a"
    ):
        io.Output("a", [Stored("a")])  # type: ignore[arg-type]
    with pytest.raises(ScannerException, match="cannot serve as a Scanner output"):
        io.Output(blobs(), [ReadOnly()])
    with pytest.raises(ScannerException, match="cannot serve as a Scanner input"):
        io.Input([StoredWithout()])
    video = NamedVideoStream(NamedStorage(tmp_path / "db"), "v")
    assert io.Output(blobs(), [video]).streams == (video,)
    with pytest.raises(GraphError, match=r"has 1 stream, but .* of Input is of 2"):
        out(blobs(2), "a")


class StoredWithout(StoredStream):
    def name(self):
        return "nothing"

    def storage(self):
        return StorageBackend()


# --- whole graphs --------------------------------------------------------------------


class Client:
    pass
