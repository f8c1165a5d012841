"""The arguments of one call of an op: columns, options and what the kernel takes."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    GraphError,
    ScannerException,
)
from beam_scanner.graph.builder import (
    OpGenerator,
    check_graph,
)
from beam_scanner.graph.nodes import (
    SliceList,
)
from beam_scanner.kernels import (
    register_op,
    register_python_kernel,
    registry,
)
from beam_scanner.ops import register_ops
from beam_scanner.types import DeviceType, Histogram
from tests.support.graph_parts import (
    Configured,
    Pass,
    Stored,
    blobs,
    frames,
    io,
    partitioner,
    streams,
)


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


def test_options_override_what_was_registered(ops):
    plain = ops.Window(frame=frames()).node
    assert (plain.stencil, plain.stencil_edge) == ((0, 1), "null")
    told = ops.Window(frame=frames(), stencil=[-1, 0], stencil_edge="error").node
    assert (told.stencil, told.stencil_edge) == ((-1, 0), "error")
    assert ops.Window(frame=frames(), stencil=[]).node.stencil == (0, 1)
    assert ops.Batched(x=blobs()).node.batch == 8
    assert ops.Batched(x=blobs(), batch=50).node.batch == 50
    with pytest.warns(UserWarning, match="taken for whole_stream=True"):
        whole = ops.Batched(x=blobs(), batch=10_000_000).node
    assert (whole.batch, whole.spec.whole_stream) == (1, True)
    assert not ops.Batched(x=blobs()).node.spec.whole_stream
    assert ops.Bounded(x=blobs()).node.bounded_state == 4
    assert ops.Bounded(x=blobs(), bounded_state=0).node.bounded_state == 0
    scanner = {"batch": -1, "bounded_state": -1, "stencil": [], "extra": None}
    assert ops.Pass(x=blobs(), args=None, **scanner).node.init_args == {}


def test_batches_of_ops_that_ship_are_ignored():
    register_ops()
    # Their signatures have no batch.
    shipped: Any = OpGenerator()
    with pytest.warns(
        UserWarning, match="op Histogram takes rows one at a time"
    ) as seen:
        node = shipped.Histogram(frame=frames(), batch=50).node
    assert seen[0].filename == __file__
    assert (node.batch, node.spec.whole_stream) == (1, False)
    with pytest.warns(UserWarning, match="batch=10000000 is ignored"):
        node = shipped.Resize(frame=frames(), width=8, height=8, batch=10**7).node
    assert (node.batch, node.spec.whole_stream) == (1, False)
    histograms = shipped.Histogram(frame=frames(), batch=1)
    with pytest.raises(ArgumentError, match="ShotBoundaries specified a batch size"):
        shipped.ShotBoundaries(histograms=histograms, batch=50)


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


def bad_calls():
    frame, blob = frames(), blobs()
    sliced = streams.Slice(blobs(2), [partitioner.all(5)] * 2)
    good = {"scale": 1, "width": [1]}
    return [
        ("Pass", {}, ArgumentError, "Op Pass required sequence x as input"),
        ("Join", {"frme": frame}, ArgumentError, "sequence frame .* 'frme' misspelt"),
        ("Pass", {"x": 3}, ElementTypeError, "input x of op Pass must be a column"),
        ("Pass", {"x": 3}, ElementTypeError, "return, got int$"),
        (
            "Offset",
            {"x": blob, "by": "x"},
            ElementTypeError,
            "input by of op Offset must be a column, .* got str; .* in config.args, and",
        ),
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
            {"x": blob, "scale": 1, "width": (3,)},
            ArgumentError,
            "`width` to op `Scaled` is a stream config argument and must be one value",
        ),
        (
            "Scaled",
            {"x": blob, "scale": 1, "width": SliceList([3])},
            ArgumentError,
            "or a list with one",
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
            "'width' of Scaled is a SliceList, but its input has not been sliced",
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


@pytest.mark.parametrize("count", [1, 3])
def test_one_stream_argument_is_for_all_streams(ops, count):
    blob = blobs(count)
    node = ops.Scaled(x=blob, scale=1, width=3).node
    assert node.stream_args == {"width": (3,) * count}
    check_graph([io.Output(node.outputs()[0], [Stored(f"o{i}") for i in range(count)])])
    mixed = ops.Scaled(x=blob, scale=1, width=3, height=[*range(count)]).node
    assert mixed.stream_args == {"width": (3,) * count, "height": (*range(count),)}
    with pytest.raises(ArgumentError, match="`height` needs one value"):
        ops.Scaled(x=blob, scale=1, width=3, height=[1] * (count + 1))


@pytest.mark.parametrize(
    "value", [(3,), range(3), np.array([3]), {3}, iter([3]), SliceList([3]), blobs()]
)
def test_what_may_be_one_value_or_several_is_refused(ops, value):
    with pytest.raises(ArgumentError, match="one value for all streams, or a list"):
        ops.Scaled(x=blobs(), scale=1, width=value)
