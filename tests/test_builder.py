from __future__ import annotations

import contextlib
import gc
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner import types
from beam_scanner.builder import (
    IOGenerator,
    OpGenerator,
    SinkGenerator,
    SourceGenerator,
    StreamsGenerator,
    TaskPartitioner,
    check_graph,
)
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    GraphError,
    OpNotFoundError,
    ScannerException,
)
from beam_scanner.graph import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
)
from beam_scanner.kernels import (
    Kernel,
    Registry,
    dumps_graph,
    loads_graph,
    read_spec,
    register_op,
    register_python_kernel,
    registry,
)
from beam_scanner.sampling import (
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
from beam_scanner.types import DeviceType, FrameType, Histogram
from beam_scanner.video.encoding import Encoding


class Stored(StoredStream):
    """A stream that holds nothing; its type is what it is told."""

    def __init__(self, name, type=bytes, backend=None):
        self._name = name
        self._type = type
        self._backend = backend

    def name(self):
        return self._name

    def storage(self):
        return self._backend or StorageBackend()

    def type(self):
        return self._type

    def exists(self):
        return True

    committed = exists

    def load_bytes(self, rows=None):
        return iter(())

    def write(self, first_row, elements, seconds):
        pass


class Pass(Kernel):
    def execute(self, x: bytes) -> bytes:
        return x


class Join(Kernel):
    def execute(self, frame: FrameType, data: Histogram) -> Any:
        return None


class Scaled(Kernel):
    def __init__(self, config, scale, offset=0):
        super().__init__(config)

    def new_stream(self, width, height=1):
        pass

    def execute(self, x: bytes) -> Any:
        return x


class Defaults(Kernel):
    def new_stream(self, width=1):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class NamedArgs(Kernel):
    def __init__(self, config, args, extra):
        super().__init__(config)

    def execute(self, x: bytes) -> bytes:
        return x


def Window(config, frame: Sequence[FrameType]) -> Histogram:
    return []


def Batched(config, x: Sequence[bytes]) -> Sequence[bytes]:
    return x


def Split(config, x: bytes) -> tuple[bytes, FrameType]:
    return x, np.zeros((1, 1, 3), np.uint8)


def Concat(config, *parts: bytes) -> bytes:
    return b"".join(parts)


def Configured(config, x: bytes) -> Any:
    return config.args


def Numbers(config, x: types.NumpyArrayFloat32) -> Any:
    return x


def MakesHistogram(config, frame: FrameType) -> Histogram:
    return []


class Bounded(Pass):
    pass


@pytest.fixture
def ops():
    found = Registry()
    for kernel in (
        Pass,
        Join,
        Scaled,
        Defaults,
        NamedArgs,
        Split,
        Concat,
        Configured,
        Numbers,
        MakesHistogram,
    ):
        found.add(read_spec(kernel))
    found.add(read_spec(Window, stencil=[0, 1], stencil_edge="null"))
    found.add(read_spec(Batched, batch=8))
    found.add(read_spec(Bounded, bounded_state=4))
    found.add(read_spec(Pass, "Gpu", devices=(DeviceType.GPU,)))
    found.add(read_spec(Pass, "Either", devices=(DeviceType.CPU, DeviceType.GPU)))
    return OpGenerator(None, found)


io = IOGenerator()
streams = StreamsGenerator()
partitioner = TaskPartitioner()


def blobs(n=1, type=bytes):
    return io.Input([Stored(f"in{i}", type) for i in range(n)])


def frames(n=1):
    return io.Input([Stored(f"video{i}", FrameType) for i in range(n)])


def out(column, *names):
    return io.Output(column, [Stored(name) for name in names or ("out",)])


# --- ops -------------------------------------------------------------------------


def test_an_op_call_makes_a_node(ops):
    column = blobs(2)
    found = ops.Scaled(x=column, scale=3, width=[1, 2], height=[3, 4])
    node = found.node
    assert isinstance(node, OpNode)
    assert node.spec.kernel is Scaled
    assert node.columns == (column,)
    assert node.init_args == {"scale": 3}
    assert node.stream_args == {"width": (1, 2), "height": (3, 4)}
    assert (node.device, node.batch, node.stencil) == (DeviceType.CPU, 1, None)
    assert (node.stencil_edge, node.bounded_state) == ("repeat", None)
    assert found.type.name == "Any"


def test_inputs_by_position_and_by_name(ops):
    frame, data = frames(), blobs(type=Histogram)
    for found in (
        ops.Join(frame, data),
        ops.Join(frame, data=data),
        ops.Join(data=data, frame=frame),
    ):
        assert found.node.columns == (frame, data)
    both = ops.Concat(data, data)
    assert both.node.columns == (data, data)


def test_several_outputs_are_a_tuple(ops):
    first, second = ops.Split(x=blobs())
    assert (first.type.name, second.type) == ("Bytes", None)
    assert (first.index, second.index) == (0, 1)
    assert first.node is second.node


def test_options_override_what_was_registered(ops):
    plain = ops.Window(frame=frames()).node
    assert (plain.stencil, plain.stencil_edge) == ((0, 1), "null")
    told = ops.Window(frame=frames(), stencil=[-1, 0], stencil_edge="error").node
    assert (told.stencil, told.stencil_edge) == ((-1, 0), "error")
    assert ops.Window(frame=frames(), stencil=[]).node.stencil == (0, 1)
    assert ops.Batched(x=blobs()).node.batch == 8
    assert ops.Batched(x=blobs(), batch=50).node.batch == 50
    assert ops.Bounded(x=blobs()).node.bounded_state == 4
    assert ops.Bounded(x=blobs(), bounded_state=0).node.bounded_state == 0
    scanner = {"batch": -1, "bounded_state": -1, "stencil": [], "extra": None}
    assert ops.Pass(x=blobs(), args=None, **scanner).node.init_args == {}


def test_devices(ops):
    assert ops.Gpu(x=blobs()).node.device == DeviceType.GPU
    assert ops.Either(x=blobs()).node.device == DeviceType.CPU
    assert ops.Either(x=blobs(), device=DeviceType.GPU).node.device == DeviceType.GPU


def test_each_device_may_have_a_kernel_of_its_own():
    register_op("TwoKernels8", ["x"], ["y"])
    register_python_kernel("TwoKernels8", DeviceType.CPU, Pass)
    register_python_kernel("TwoKernels8", DeviceType.GPU, Configured, batch=4)
    try:
        found = OpGenerator().TwoKernels8(x=blobs(), device=DeviceType.GPU, k=1).node
        assert (found.spec.kernel, found.batch) == (Configured, 4)
        assert found.init_args == {"k": 1}
        assert OpGenerator().TwoKernels8(x=blobs()).node.spec.kernel is Pass
    finally:
        registry().remove("TwoKernels8")


def test_init_arguments_in_args(ops):
    column = blobs()
    assert ops.Configured(x=column, a=1).node.init_args == {"a": 1}
    assert ops.Configured(x=column, args={"a": 1}, b=2).node.init_args == {
        "a": 1,
        "b": 2,
    }
    told = ops.NamedArgs(x=column, args=1, extra=2).node
    assert told.init_args == {"args": 1, "extra": 2}


def test_stream_arguments_with_defaults_may_be_left_out(ops):
    assert ops.Defaults(x=blobs()).node.stream_args == {}


def test_slice_lists_and_plain_values_mix(ops):
    column = streams.Slice(blobs(2), [partitioner.all(5)] * 2)
    groups = SliceList([1, 2, 3])
    found = ops.Scaled(x=column, scale=1, width=[groups, 5], height=[7, groups]).node
    assert found.stream_args == {"width": (groups, 5), "height": (7, groups)}


def test_open_types_take_all_blobs(ops):
    for column in (blobs(), blobs(type=Any), blobs(type=Histogram)):
        ops.Pass(x=column)
    ops.Numbers(x=blobs())
    ops.Numbers(x=blobs(type=types.NumpyArrayFloat32))


def test_help_shows_the_arguments(ops):
    assert {"Pass", "Join"} <= set(dir(ops))
    signature = inspect.signature(ops.Scaled)
    assert list(signature.parameters)[:3] == ["x", "scale", "offset"]
    assert "Scaled" in repr(ops.Scaled)


def bad_calls():
    frame, blob = frames(), blobs()
    sliced = streams.Slice(blobs(2), [partitioner.all(5)] * 2)
    good = {"scale": 1, "width": [1]}
    return [
        ("Pass", {}, ArgumentError, "Op Pass required sequence x as input"),
        ("Join", {"frme": frame}, ArgumentError, "sequence frame .* 'frme' misspelt"),
        ("Pass", {"x": 3}, ElementTypeError, "input x of op Pass must be a column"),
        ("Pass", {"x": (blob, blob)}, ElementTypeError, "pick one of its columns"),
        ("Pass", {"x": blob, "y": 1}, ArgumentError, "Pass has no argument 'y'"),
        (
            "Scaled",
            {"x": blob, "scael": 1, "width": [1]},
            ArgumentError,
            "no argument 'scael'; did you mean scale",
        ),
        ("Scaled", {"x": blob, "width": [1]}, ArgumentError, "needs the arg.* 'scale'"),
        (
            "Scaled",
            {"x": blob, "scale": 1},
            ArgumentError,
            "No arguments provided to op `Scaled` for stream parameters",
        ),
        (
            "Scaled",
            {"x": blob, "scale": 1, "height": [1]},
            ArgumentError,
            "needs the per-stream argument width",
        ),
        (
            "Scaled",
            {"x": blob, "scale": 1, "width": 3},
            ArgumentError,
            "`width` to op `Scaled` is a stream config argument and must be a list",
        ),
        (
            "Scaled",
            {"x": blob, "scale": 1, "width": SliceList([3])},
            ArgumentError,
            "must be a list",
        ),
        (
            "Scaled",
            {"x": blob, "scale": 1, "width": []},
            ArgumentError,
            "had 0 per-stream arguments, but expected 1",
        ),
        (
            "Scaled",
            {"x": blob, **good, "height": [1, 2]},
            ArgumentError,
            "had 2 per-stream arguments, but expected 1: argument `height`",
        ),
        (
            "Scaled",
            {
                "x": sliced,
                "scale": 1,
                "width": [SliceList([1]), 1],
                "height": [SliceList([1, 2]), 1],
            },
            ArgumentError,
            "stream 0 have different lengths",
        ),
        (
            "Scaled",
            {"x": blob, "scale": 1, "width": [SliceList([1])]},
            GraphError,
            "'width' of Scaled have a SliceList, but its input has not been sliced",
        ),
        (
            "Scaled",
            {"x": blob, **good, "args": {"scale": 2}},
            ArgumentError,
            "'scale' twice, also in args",
        ),
        (
            "Pass",
            {"x": blob, "args": 3},
            ArgumentError,
            "args of op Pass must be a dic",
        ),
        (
            "Pass",
            {"x": frame},
            ElementTypeError,
            "input x of op Pass takes Bytes, but the column of Input holds FrameType",
        ),
        (
            "Window",
            {"frame": blob},
            ElementTypeError,
            "takes FrameType, but the column of Input holds Bytes",
        ),
        (
            "Numbers",
            {"x": blobs(type=Histogram)},
            ElementTypeError,
            "takes NumpyArrayFloat32, .* holds Histogram",
        ),
        ("Pass", {"x": blob, "device": "GPU"}, ArgumentError, "Invalid device type"),
        (
            "Gpu",
            {"x": blob, "device": DeviceType.CPU},
            ArgumentError,
            "requested kernel with device type CPU but no such kernel exists",
        ),
        ("Pass", {"x": blob, "batch": 4}, ArgumentError, "not declared to support bat"),
        ("Batched", {"x": blob, "batch": 0}, ArgumentError, "must be 1 or more, got 0"),
        ("Batched", {"x": blob, "batch": "2"}, ArgumentError, "whole number, got '2'"),
        ("Pass", {"x": blob, "stencil": [0]}, ArgumentError, "specified stencil but"),
        ("Window", {"frame": frame, "stencil": 3}, ArgumentError, "list of one or mor"),
        (
            "Pass",
            {"x": blob, "stencil_edge": "null"},
            ArgumentError,
            "specified stencil_edge but",
        ),
        (
            "Window",
            {"frame": frame, "stencil_edge": "wrap"},
            ArgumentError,
            "one of repeat, null, error",
        ),
        (
            "Pass",
            {"x": blob, "bounded_state": 3},
            ArgumentError,
            "not declared to have bounded state",
        ),
        (
            "Bounded",
            {"x": blob, "bounded_state": -2},
            ArgumentError,
            "must be 0 or more, got -2",
        ),
        ("Concat", {"parts": [blob]}, ArgumentError, "takes its inputs by position"),
        ("Concat", {}, ArgumentError, "required one or more inputs"),
    ]


@pytest.mark.parametrize("number", range(len(bad_calls())))
def test_bad_calls(ops, number):
    name, kwargs, kind, message = bad_calls()[number]
    with pytest.raises(kind, match=message) as caught:
        getattr(ops, name)(**kwargs)
    assert isinstance(caught.value, ScannerException)


def test_bad_positions(ops):
    blob = blobs()
    with pytest.raises(ArgumentError, match=r"expects 1 input columns \(x\), but rec"):
        ops.Pass(blob, blob)
    with pytest.raises(ArgumentError, match="got input x twice"):
        ops.Pass(blob, x=blob)
    with pytest.raises(ElementTypeError, match="input parts of op Concat must be a co"):
        ops.Concat(blob, 3)


def test_unknown_op_at_attribute_access(ops):
    with pytest.raises(OpNotFoundError, match=r"Op Nope does not exist$"):
        ops.Nope  # noqa: B018
    with pytest.raises(OpNotFoundError, match="did you mean Scaled"):
        ops.scaled  # noqa: B018
    assert not hasattr(ops, "_repr_html_")


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
    assert partitioner.ranges([[0, 1], [1, 2]]) == RangesPartition(((0, 1), (1, 2)))
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
            8,
            "`strides` to op `Stride` is a stream config arg.* must be a list",
        ),
        ("Stride", SliceList([8]), "must be a list with one value for each stream"),
        ("Stride", [], "`strides` to op `Stride` is an empty list"),
        ("Stride", ["8"], r"strides\[0\] of Stride must be stride, got '8'"),
        ("Stride", [1.5], r"strides\[0\] of Stride must be stride, got 1.5"),
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
        streams.Stride("video", [8])
    with pytest.raises(GraphError, match=r"`Stride` had 1 per-stream arg.* expected 2"):
        streams.Stride(column, [8])
    with pytest.raises(GraphError, match="its arguments of Stride have a SliceList"):
        streams.Stride(column, [SliceList([8]), 8])
    with pytest.raises(
        ArgumentError, match="intervals for 2 streams and strides for 1"
    ):
        streams.StridedRanges(column, [[(0, 1)], [(0, 1)]], [1])
    with pytest.raises(
        ArgumentError, match="intervals of StridedRanges must be a list"
    ):
        streams.StridedRanges(column, 3, 1)
    with pytest.raises(ArgumentError, match=r"must be \(intervals, stride\), got 3"):
        streams.StridedRanges(column, [3, 4])
    with pytest.raises(
        ArgumentError, match="group_size of a partitioner must be a who"
    ):
        partitioner.all("5")
    with pytest.raises(ArgumentError, match="must be a list of lists"):
        partitioner.gather(3)


junk = st.one_of(
    st.none(),
    st.integers(-2, 3),
    st.floats(),
    st.text(max_size=3),
    st.builds(np.zeros, st.lists(st.integers(0, 2), max_size=2)),
    st.builds(lambda: blobs(2)),
    st.builds(lambda: frames(2)),
    st.builds(lambda: streams.Slice(blobs(2), [partitioner.all()] * 2)),
    st.sampled_from([*DeviceType, partitioner.all(3), Stored("x")]),
)
junk = st.recursive(
    junk,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.lists(inner, max_size=2).map(SliceList)
        | st.dictionaries(
            st.sampled_from(["stride", "start", "end", "rows", "a", 1]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=6,
)
NAMES = [
    *("x", "frame", "data", "scale", "width", "height", "device", "batch", "args"),
    *("stencil", "stencil_edge", "bounded_state", "extra", "misspelt"),
]


@given(st.data())
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_is_passed_the_error_is_ours(ops, data):
    kwargs = data.draw(st.dictionaries(st.sampled_from(NAMES), junk, max_size=5))
    kwargs = {"x": blobs(2), **kwargs}
    args = data.draw(st.lists(junk, max_size=2))
    for name in dir(ops):
        with contextlib.suppress(ScannerException):
            getattr(ops, name)(*args, **kwargs)
    values = data.draw(junk)
    for name in ("Stride", "Range", "Ranges", "StridedRange", "StridedRanges", "Slice"):
        with contextlib.suppress(ScannerException):
            getattr(streams, name)(blobs(2), values)
    for name in ("Gather", "Repeat", "RepeatNull", "StridedRanges"):
        with contextlib.suppress(ScannerException):
            getattr(streams, name)(data.draw(junk), values)
    for call in (streams.All, streams.Unslice, io.Input, check_graph):
        with contextlib.suppress(ScannerException):
            call(values)
    with contextlib.suppress(ScannerException):
        io.Output(blobs(2), values)


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
    assert kept.node.streams[0].name() == "kept"
    replaced = own.Input([Stored("other", backend=backend)])
    assert replaced.node.streams[0].name() == "in0"
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
        io.Output("a", [Stored("a")])
    with pytest.raises(ScannerException, match="cannot serve as a Scanner output"):
        io.Output(blobs(), [ReadOnly()])
    with pytest.raises(ScannerException, match="cannot serve as a Scanner input"):
        io.Input([StoredWithout()])
    video = NamedVideoStream(NamedStorage(tmp_path / "db"), "v")
    with pytest.raises(
        ElementTypeError, match=r"'v' is a NamedVideoStream, but .* Bytes"
    ):
        io.Output(blobs(), [video])
    with pytest.raises(GraphError, match="joins 1 streams of Output with 2 streams of"):
        out(blobs(2), "a")


class StoredWithout(StoredStream):
    def name(self):
        return "nothing"

    def storage(self):
        return StorageBackend()


def test_sources_and_sinks(tmp_path):
    class Database:
        named_storage = NamedStorage(tmp_path / "db")

    sc = Database()
    sources, sinks = SourceGenerator(sc), SinkGenerator(sc)
    column = sources.FrameColumn(table_name=["v"], column_name=["frame"])
    assert column.type is None
    assert sources.Column(table_name=["b"]).type.name == "Bytes"
    node = sinks.FrameColumn(columns={"frame": column}, table_name=["w"])
    assert node.streams[0].name() == "w"
    with pytest.raises(OpNotFoundError, match="Source Files does not exist"):
        sources.Files  # noqa: B018
    with pytest.raises(OpNotFoundError, match="Sink Files does not exist"):
        sinks.Files  # noqa: B018
    with pytest.raises(
        ArgumentError, match="Columns must be specified for Column Sink"
    ):
        sinks.Column(table_name=["w"])
    with pytest.raises(GraphError, match="sink Column takes one column, got a, b"):
        sinks.Column(columns={"a": column, "b": column}, table_name=["w"])
    with pytest.raises(ArgumentError, match="table_name of Column must be a list"):
        sources.Column(table_name="b")


# --- whole graphs --------------------------------------------------------------------


def test_a_good_graph_in_order(ops):
    column = frames(2)
    some = streams.Stride(column, [2, 2])
    sliced = streams.Slice(some, [partitioner.all()] * 2)
    joined = streams.Unslice(ops.MakesHistogram(frame=sliced))
    after = ops.Join(frame=some, data=joined)
    first, second = out(after, "a", "b"), out(joined, "c", "d")
    nodes = check_graph([first, second])
    assert len(nodes) == 8
    assert nodes[0] is column.node
    assert check_graph(first)[-1] is first
    copied = loads_graph(dumps_graph([first, second]))
    assert [n.label for n in check_graph(copied)] == [n.label for n in nodes]


def test_slices(ops):
    column = blobs()
    sliced = streams.Slice(column, [partitioner.all()])
    with pytest.raises(GraphError, match="Nested slicing not currently supported"):
        streams.Slice(sliced, [partitioner.all()])
    with pytest.raises(GraphError, match="Unslice received inputs that have not been"):
        streams.Unslice(column)
    with pytest.raises(GraphError, match=r"Final outputs must be unsliced.*'out'"):
        out(sliced)
    with pytest.raises(GraphError, match=r"Concat specified inputs at different slice"):
        ops.Concat(column, sliced)
    again = streams.Slice(streams.Unslice(sliced), [partitioner.all()])
    check_graph(out(streams.Unslice(again)))


def test_graphs_that_were_not_built_here_are_checked_too():
    one = OpColumn(InputNode((Stored("a"),)), 0, types.get_type_info(bytes))
    sliced = OpColumn(SliceNode(one, (partitioner.all(),)), 0, one.type)
    nested = OpColumn(SliceNode(sliced, (partitioner.all(),)), 0, one.type)
    with pytest.raises(GraphError, match="Nested"):
        check_graph(OutputNode(nested, (Stored("b"),)))
    with pytest.raises(GraphError, match="Final output columns are sliced"):
        check_graph(OutputNode(sliced, (Stored("b"),)))
    encoded = OpColumn(one.node, 0, one.type, Encoding())
    with pytest.raises(ElementTypeError, match="compression options, which are only"):
        check_graph(OutputNode(encoded, (Stored("b"),)))


def test_numbers_of_streams(ops):
    two, three = blobs(2), blobs(3)
    with pytest.raises(
        GraphError, match="joins 2 streams of Input with 3 streams of In"
    ):
        ops.Concat(two, three)
    first, second = out(two, "a", "b"), out(three, "c", "d", "e")
    with pytest.raises(GraphError, match=r"2 streams, but .* has 3"):
        check_graph([first, second])


def test_what_a_run_takes():
    with pytest.raises(GraphError, match=r"what sc.io.Output.* got OpColumn"):
        check_graph(blobs())
    with pytest.raises(GraphError, match=r"got OpColumn"):
        check_graph([out(blobs()), blobs()])
    with pytest.raises(GraphError, match="at least one output"):
        check_graph([])


def test_names_of_streams(tmp_path):
    column = blobs(2)
    with pytest.raises(GraphError, match="same stream name 'a'"):
        check_graph(out(column, "a", "a"))
    with pytest.raises(GraphError, match="same stream name 'a'"):
        check_graph([out(column, "a", "b"), out(column, "c", "a")])
    with pytest.raises(GraphError, match="'in1' is both an input and an output"):
        check_graph(out(column, "a", "in1"))
    one, two = NamedStorage(tmp_path / "one"), NamedStorage(tmp_path / "two")
    source = io.Input([NamedStream(one, "a")])
    check_graph(io.Output(source, [NamedStream(two, "a")]))
    again = io.Output(source, [NamedStream(NamedStorage(tmp_path / "one"), "a")])
    with pytest.raises(GraphError, match="'a' is both an input and an output"):
        check_graph(again)


class Client:
    pass


def test_clients_do_not_mix(ops):
    first, second = Client(), Client()
    column = IOGenerator(first).Input([Stored("a")])
    other = IOGenerator(second).Input([Stored("b")])
    with pytest.raises(
        GraphError, match="Stride and its input from Input belong to di"
    ):
        StreamsGenerator(second).Stride(column, [2])
    node = IOGenerator(first).Output(column, [Stored("c")])
    with pytest.raises(GraphError, match="belong to different clients"):
        check_graph([node, IOGenerator(second).Output(other, [Stored("d")])])
    check_graph(node)
    del first, second
    gc.collect()
    check_graph(node)
