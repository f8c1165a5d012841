"""Type hints of rows that leave a graph: what their values are, and whether None."""

from __future__ import annotations

import weakref
from typing import Any

from apache_beam import typehints
from apache_beam.typehints.typehints import is_consistent_with

from beam_scanner.elements.coders import value_hint
from beam_scanner.elements.keys import FrameKey
from beam_scanner.graph.nodes import Node, OpColumn, OpNode, SampleNode
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info

_nulls: weakref.WeakKeyDictionary[Node, dict[int, bool]]
_nulls = weakref.WeakKeyDictionary()
"""For each output of a node whether its rows may be null, as far as is known."""


def rows_hint(column: OpColumn, declared: Any) -> Any:
    """Type hint of the rows of a column.

    To be called for each column as it is made, so that what follows it in the graph
    finds out from it alone whether there may be nulls.

    Args:
        column: The column.
        declared: The type that the user has given, if any.
    """
    kind = column.type or get_type_info(FrameType)
    hint = (
        declared
        or typehints.Tuple[FrameKey, value_hint(kind, nullable=_may_be_null(column))]
    )
    _nulls.setdefault(column.node, {})[column.index] = takes_none(hint)
    return hint


def takes_none(hint: Any) -> bool:
    """Whether a type of elements has room for None as their value."""
    return bool(is_consistent_with(typehints.Tuple[FrameKey, None], hint))


def _may_be_null(column: OpColumn) -> bool:
    known = _nulls.setdefault(column.node, {})
    if column.index not in known:
        known[column.index] = _makes_nulls(column.node)
    return known[column.index]


def _makes_nulls(node: Node) -> bool:
    if isinstance(node, SampleNode) and node.op == "RepeatNull":
        return True
    if isinstance(node, OpNode):
        if node.on_error == "null" or getattr(node.spec.kernel, "gives_nulls", False):
            return True
        if node.spec.takes_nulls:
            return False
        if node.stencil is not None and node.stencil_edge == "null":
            return True
    return any(map(_may_be_null, node.inputs))
