"""Ops, sources and sinks as objects; per-stream arguments as messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner import (
    DeviceType,
    FrameType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.errors import ArgumentError, OpNotFoundError, ScannerException
from beam_scanner.graph.nodes import OpNode
from beam_scanner.kernels.register import registry
from beam_scanner.ops import shipped_ops
from beam_scanner.scannerpy import protobufs
from beam_scanner.scannerpy.op import _INSTEAD, Op, OpColumn, OpGenerator, check_modules
from beam_scanner.scannerpy.op import collect_per_stream_args as collect
from tests.support.client_helpers import open_client


@pytest.fixture
def sc(tmp_path: Path) -> Any:
    with open_client(tmp_path / "db") as client:
        yield client


def test_an_op_is_the_call_that_it_stands_for(sc: Any, clip: str) -> None:
    frames = sc.io.Input([NamedVideoStream(sc, "clip", path=clip)])
    op = Op(sc, "Histogram", [frames], DeviceType.CPU)
    assert op.inputs() == [frames]
    node = op.outputs().node
    same = sc.ops.Histogram(frame=frames).node
    assert isinstance(node, OpNode)
    assert (node.spec, node.batch, node.stencil) == (same.spec, same.batch, None)
    small = Op(
        sc,
        "Resize",
        [op.inputs()[0]],
        DeviceType.CPU,
        stream_args={"width": [8], "height": [6]},
    )
    assert small.outputs().node.stream_args == {"width": (8,), "height": (6,)}
    flow = Op(sc, "OpticalFlow", [frames], DeviceType.CPU, -1, -1, [-1, 0])
    assert flow.outputs().node.stencil == (-1, 0)
    with pytest.raises(OpNotFoundError, match="Op Nope does not exist"):
        Op(sc, "Nope", [frames], DeviceType.CPU)
    with pytest.raises(ArgumentError, match=r"Client\.explain"):
        op.to_proto({})
    check_modules(sc)
    output = sc.io.Output(op.outputs(), [NamedStream(sc, "hists")])
    assert isinstance(output.input, OpColumn)
    sc.run(output, PerfParams.estimate(), show_progress=False)
    assert sc.table("hists").num_rows() == 30


def test_per_stream_arguments() -> None:
    given = {"table_name": ["a", "b"], "column_name": "frame", "other": 3}
    made = collect("Column", "ColumnEnumeratorArgs", given)
    read = [protobufs.ColumnEnumeratorArgs.FromString(each) for each in made]
    assert [(each.table_name, each.column_name) for each in read] == [
        ("a", "frame"),
        ("b", "frame"),
    ]
    assert given == {"other": 3}
    for wrong in (
        {},
        {"table_name": "a"},
        {"table_name": ["a"], "column_name": ["frame"] * 2},
    ):
        with pytest.raises(ScannerException, match="Options: table_name, column_name"):
            collect("Column", "ColumnEnumeratorArgs", dict(wrong))


@pytest.mark.parametrize("name", _INSTEAD)
def test_what_to_use_in_place_of_an_op(sc: Any, name: str) -> None:
    assert isinstance(sc.ops, OpGenerator)
    assert name not in shipped_ops()
    with pytest.raises(
        OpNotFoundError, match=f"Op {name} does not exist here: "
    ) as error:
        getattr(sc.ops, name)
    instead = str(error.value).partition(": ")[2].split()[0]
    assert instead in shipped_ops() or instead == "it"


def test_an_op_of_the_users_is_no_such_op(sc: Any) -> None:
    @register_python_op(name="OpenPose")
    def pose(config: Any, frame: FrameType) -> bytes:
        return b""

    try:
        assert sc.ops.OpenPose.__name__ == "OpenPose"
    finally:
        registry().remove("OpenPose")
