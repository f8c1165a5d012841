"""Nodes of a graph and their columns."""

from __future__ import annotations

from beam_scanner.graph.nodes import (
    OpNode,
)
from beam_scanner.types import DeviceType
from tests.support.graph_parts import Scaled, blobs

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


def test_several_outputs_are_a_tuple(ops):
    first, second = ops.Split(x=blobs())
    assert (first.type.name, second.type) == ("Bytes", None)
    assert (first.index, second.index) == (0, 1)
    assert first.node is second.node


def test_a_column_is_shown_without_its_graph(ops):
    column = blobs()
    for _ in range(3):
        column = ops.Pass(x=column)
    assert repr(column) == "<OpColumn: Pass, Bytes>"
    first, second = ops.Split(x=column)
    assert repr(first) == "<OpColumn: Split, Bytes>"
    assert repr(second) == "<OpColumn: output 1 of Split, FrameType>"
