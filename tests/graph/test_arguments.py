"""Values of op calls are refused where the call is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import DeviceType, FrameType, Kernel, PerfParams, SliceList
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    MissingDependencyError,
    OpNotFoundError,
    ScannerException,
)
from beam_scanner.graph.builder import OpGenerator, StreamsGenerator, TaskPartitioner
from beam_scanner.graph.nodes import Node, OpColumn
from beam_scanner.kernels import register_python_op, registry
from beam_scanner.ops import register_ops
from beam_scanner.ops import resize as resize_module

FRAME = OpColumn(Node())


@pytest.fixture(scope="module")
def ops() -> Iterator[OpGenerator]:
    @register_python_op()
    class Taking(Kernel):
        made = 0

        def __init__(
            self,
            config: Any,
            rows: int = 1,
            share: float = 0.5,
            loud: bool = False,
            path: str | None = None,
            label: str = "",
            sizes: list[int] | None = None,
        ) -> None:
            Taking.made += 1

        def new_stream(self, offset: int = 0, way: str = "up") -> None:
            Taking.made += 1

        def execute(self, frame: FrameType) -> Any:
            return Taking.made

    register_ops()
    yield OpGenerator()
    assert Taking.made == 0, "a user's kernel was made where the graph is built"
    registry().remove("Taking")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rows", "3", "a whole number, got '3'"),
        ("rows", 2.5, r"a whole number, got 2\.5"),
        ("rows", None, "a whole number, got None"),
        ("share", "0.5", "a number, got '0.5'"),
        ("share", [1.0], r"a number, got \[1\.0\]"),
        ("loud", "no", "True or False, got 'no'"),
        ("loud", None, "True or False, got None"),
        ("label", 3, "a string, got 3"),
        ("offset", [3, "x"], "a whole number, got 'x'"),
        ("offset", [SliceList([3, 4.5])], r"a whole number, got 4\.5"),
        ("way", [7], "a string, got 7"),
    ],
)
def test_values_that_do_not_fit_their_annotation(
    ops: OpGenerator, name: str, value: Any, expected: str
) -> None:
    with pytest.raises(
        ElementTypeError, match=f"{name!r} of op Taking must be {expected}"
    ):
        ops.Taking(frame=FRAME, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", np.int64(3)),
        ("rows", True),
        ("share", 1),
        ("share", np.float32(0.25)),
        ("loud", np.bool_(True)),
        ("loud", 1),
        ("path", None),
        ("path", 3),
        ("label", Path("a")),
        ("sizes", "anything"),
        ("offset", [np.int32(3)]),
        ("way", ["down", "up"]),
    ],
)
def test_values_that_may_be_meant(ops: OpGenerator, name: str, value: Any) -> None:
    node = ops.Taking(frame=FRAME, **{name: value}).node
    assert {**node.init_args, **node.stream_args}[name] in (
        value,
        tuple(value) if isinstance(value, list) else value,
    )


@pytest.mark.parametrize(
    ("call", "match"),
    [
        ("Resize(width=['a'], height=[3])", "'width' of op Resize must be a whole"),
        ("Resize(width=[3])", "Resize needs a width and a height above 0"),
        ("Resize()", "Resize needs a width and a height above 0"),
        ("Resize(width=[3, 0], height=[3, 3])", "got width=0, height=3"),
        ("Resize(width=[3], height=[-3])", "height=-3"),
        (
            "Resize(width=[3], height=[3], interpolation=['NEAREST'])",
            "no interpolation 'NEAREST'; use one of INTER_NEAREST",
        ),
        ("Blur(kernel_size=0)", "kernel_size of 1 or more"),
        ("Blur(kernel_size=4, sigma=1.0)", "odd where sigma is above 0"),
        ("Blur(kernel_size=3, sigma=-1)", "sigma of 0 or more"),
        ("Blur(kernel_size='3')", "'kernel_size' of op Blur must be a whole number"),
        ("ConvertColor(conversion=['RGB2HSV'])", "no conversion 'RGB2HSV'"),
        ("ImageEncoder(format='gif')", "no format 'gif'; use 'png' or 'jpg'"),
        ("ImageEncoder(format='jpg', quality=0)", "quality of 1 to 100, got 0"),
        ("ImageEncoder(quality='best')", "'quality' of op ImageEncoder must be"),
        (
            "Montage(num_frames=0, target_width=8, frames_per_row=2)",
            "num_frames, target_width and frames_per_row of 1 or more, got 0, 8 and 2",
        ),
    ],
)
def test_ops_that_ship_know_their_arguments(
    ops: OpGenerator, call: str, match: str
) -> None:
    if call.startswith(("Blur", "ConvertColor")):
        pytest.importorskip("cv2")
    name, _, arguments = call.partition("(")
    with pytest.raises(ScannerException, match=match):
        eval(f"op(frame=FRAME, {arguments}", {"op": getattr(ops, name), "FRAME": FRAME})


def test_every_slice_group_is_looked_at(ops: OpGenerator) -> None:
    column = StreamsGenerator().Slice(FRAME, [TaskPartitioner().all(2)])
    small = ops.Resize(  # type: ignore[attr-defined]
        frame=column, width=[SliceList([3, 4])], height=[5]
    ).node.stream_args
    assert small == {"width": (SliceList([3, 4]),), "height": (5,)}
    with pytest.raises(ArgumentError, match="got width=0, height=5"):
        ops.Resize(frame=column, width=[SliceList([3, 0])], height=[5])


def test_equal_arguments_of_many_streams_are_tried_once(
    ops: OpGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    monkeypatch.setattr(
        resize_module, "check_interpolation", lambda op, name: tried.append(name)
    )
    many = 5000
    ops.Resize(frame=FRAME, width=[4, 5] * many, height=[3, 3] * many)
    assert len(tried) == 2


def test_what_is_missing_here_may_be_there_on_workers(
    ops: OpGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(op: str) -> None:
        raise MissingDependencyError(f"op {op} needs OpenCV")

    monkeypatch.setattr("beam_scanner.ops.blur.opencv", missing)
    assert ops.Blur(frame=FRAME, kernel_size=3).node.init_args == {"kernel_size": 3}  # type: ignore[attr-defined]
    with pytest.raises(ArgumentError, match="kernel_size=0"):
        ops.Blur(frame=FRAME, kernel_size=0)


@pytest.mark.parametrize(
    ("look", "match"),
    [
        (lambda ops: ops.Histogrm, "Op Histogrm does not exist; did you mean Histogr"),
        (lambda ops: ops.Stride, r"Op Stride does not exist; it is sc\.streams\.Str"),
        (
            lambda ops: StreamsGenerator().Strid,
            "Stream operation Strid does not exist; did you mean Stride",
        ),
        (
            lambda ops: StreamsGenerator().gather,
            "Stream operation gather does not exist; did you mean Gather",
        ),
        (
            lambda ops: StreamsGenerator().Resize,
            r"Stream operation Resize does not exist; it is sc\.ops\.Resize",
        ),
        (
            lambda ops: StreamsGenerator().Zip,
            "Stream operation Zip does not exist; there are All, Gather, Range",
        ),
        (
            lambda ops: TaskPartitioner().stride,
            "Partitioner stride does not exist; did you mean strided",
        ),
        (
            lambda ops: TaskPartitioner().xyz,
            "Partitioner xyz does not exist; there are all, gather, range",
        ),
    ],
)
def test_names_that_are_nearly_right(ops: OpGenerator, look: Any, match: str) -> None:
    with pytest.raises(OpNotFoundError, match=match) as caught:
        look(ops)
    assert isinstance(caught.value, AttributeError)


def test_arguments_that_are_nearly_right(ops: OpGenerator) -> None:
    with pytest.raises(ArgumentError, match="'stencl'; did you mean stencil"):
        ops.OpticalFlow(frame=FRAME, stencl=[0, 1])  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match=r"no argument 'zzz'\. It takes frame"):
        ops.Histogram(frame=FRAME, zzz=1)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match="'cpu_pol'; did you mean cpu_pool"):
        PerfParams.manual(1, 1, cpu_pol="1G")
    with pytest.raises(ArgumentError, match=r"'zzz'\. It has work_packet_size, io_p"):
        PerfParams.estimate(zzz=1)
    with pytest.raises(
        ArgumentError, match="no such kernel exists; it has one for CPU"
    ):
        ops.Histogram(frame=FRAME, device=DeviceType.GPU)


def test_annotations_that_are_classes() -> None:
    """As they are without ``from __future__ import annotations``."""
    names: dict[str, Any] = {"FrameType": FrameType, "Any": Any, "__name__": "own"}
    exec(
        "class Plain:\n"
        "    def __init__(self, config, rows: int): pass\n"
        "    def execute(self, frame: FrameType) -> Any: return 1\n",
        names,
    )
    register_python_op()(names["Plain"])
    try:
        with pytest.raises(
            ElementTypeError, match="'rows' of op Plain must be a whole"
        ):
            OpGenerator().Plain(frame=FRAME, rows="3")
        assert OpGenerator().Plain(frame=FRAME, rows=3).node.init_args == {"rows": 3}
    finally:
        registry().remove("Plain")
