"""Checks that workers can be sent a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import Node, OpNode
from beam_scanner.kernels.digests.digest import where_first
from beam_scanner.kernels.pickling import check_loads


def check_picklable(value: Any, nodes: Sequence[Node]) -> None:
    """Refuses what workers cannot be sent.

    Args:
        value: What is to be sent.
        nodes: Of its graph, to find the op that is to blame.

    Raises:
        ArgumentError: It cannot be pickled, or not be loaded again.
    """
    try:
        check_loads(value)
    except Exception as error:
        ops = [node for node in nodes if isinstance(node, OpNode)]
        where, kind = next(filter(None, map(_blamed, ops)), ("the graph", ""))
        kind = f"{kind}; " if kind else ""
        raise ArgumentError(
            f"{where} cannot be sent to workers ({kind}{type(error).__name__}: {error}); "
            "let the kernel make it, from something that can be pickled"
        ) from error


def _blamed(node: OpNode) -> tuple[str, str] | None:
    """What of an op cannot be sent: the innermost object, and where it is."""
    parts = {
        f"argument {name!r} of op {node.label}": value
        for name, value in (node.init_args | node.stream_args).items()
    }
    parts[f"the kernel of op {node.label}"] = node.spec.kernel
    home = node.spec.kernel.__module__
    if _cannot_be_sent(list(parts.values())):
        return where_first(list(parts.items()), home, _cannot_be_sent)
    return (f"op {node.label}", "") if _cannot_be_sent(node.spec) else None


def _cannot_be_sent(value: Any) -> bool:
    try:
        check_loads(value, surely=False)
    except Exception:
        return True
    return False
