"""Ops that take columns of several types are refused others before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from beam_scanner import types
from beam_scanner.errors import ElementTypeError
from beam_scanner.graph.nodes import InputNode, OpColumn, OpNode
from beam_scanner.graph.op_call import OpCall
from beam_scanner.graph.validate import check_call
from beam_scanner.kernels.register import registry
from beam_scanner.ops import register_ops
from beam_scanner.types import Keypoints, Label, Mask, Text, get_type_info


def node(op: str, second: Any, **arguments: Any) -> OpNode:
    """A call of an op on frames and on a column of some type."""
    register_ops()
    source = InputNode(())
    kind = None if second is types.FrameType else get_type_info(second)
    call = OpCall(registry(), op, dict(arguments))
    made = call.node((OpColumn(source), OpColumn(source, 1, kind)))
    check_call(made)
    return made


@pytest.mark.parametrize(
    ("op", "kinds"),
    [
        ("DrawKeypoints", [Keypoints, list[Keypoints]]),
        ("Heatmap", [Mask, list[Mask], types.NumpyArray, types.FrameType]),
        ("DrawBboxes", [types.BboxList]),
        ("DrawFlow", [types.FrameType]),
    ],
)
def test_types_that_are_taken(op: str, kinds: list[Any]) -> None:
    for kind in kinds:
        assert len(node(op, kind).columns) == 2
    for other in (str, list[Label]):
        with pytest.raises(ElementTypeError, match=f"of op {op} takes"):
            node(op, other)


def test_text_is_made_of_any_value() -> None:
    pytest.importorskip("fontpkg")
    for kind in (str, int, float, Label, list[Label], list[Text], list[str], Any):
        taken = node("DrawText", kind).spec.inputs[1].type
        assert taken is not None
        assert taken.name == get_type_info(kind).name
    with pytest.raises(ElementTypeError, match="DrawText takes Any"):
        node("DrawText", types.FrameType)
