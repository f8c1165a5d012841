"""Checks of a graph's shape: slices, jobs, clients, names of streams."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from beam_scanner.errors import ElementTypeError, GraphError
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpNode,
    OutputNode,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
    job_count,
    topological,
    up_to,
)
from beam_scanner.kernels.digests.digest import code_digest
from beam_scanner.storage import StoredStream


@dataclass(frozen=True)
class Facts:
    """What holds for all outputs of a node.

    Attributes:
        level: 1 between Slice and Unslice, else 0.
        jobs: How many streams the graph up to here is for; None if any number.
    """

    level: int
    jobs: int | None


# Nodes are shared by many graphs and never change, so what was found stays true.
_facts: weakref.WeakKeyDictionary[Node, Facts] = weakref.WeakKeyDictionary()
_makers: weakref.WeakKeyDictionary[Node, weakref.ref[Any]] = weakref.WeakKeyDictionary()


def facts(node: Node) -> Facts:
    """The facts of a node, which is checked with all nodes before it.

    Raises:
        GraphError: The graph up to this node cannot be run.
    """
    if node not in _facts:
        nodes = [node]
        if any(column.node not in _facts for column in node.inputs):
            nodes = up_to([node])
        for each in nodes:
            if each not in _facts:
                _facts[each] = Facts(_level(each), _jobs(each))
    return _facts[node]


def made(node: Node, client: Any) -> Node:
    """Checks a new node and remembers which client made it.

    Raises:
        GraphError: The node cannot follow its inputs.
    """
    if client is not None:
        _makers[node] = weakref.ref(client)
        for column in node.inputs:
            maker = _maker(column.node)
            if maker is not None and maker is not client:
                raise GraphError(
                    f"{node.label} and its input from {column.node.label} belong to "
                    "different clients; build a graph with one client"
                )
    facts(node)
    return node


def _maker(node: Node) -> Any:
    reference = _makers.get(node)
    return None if reference is None else reference()


def _level(node: Node) -> int:
    levels = [(column.node.label, _facts[column.node].level) for column in node.inputs]
    if not levels:
        return 0
    first_label, level = levels[0]
    for label, other in levels[1:]:
        if other != level:
            raise GraphError(
                f"Input Op {node.label} specified inputs at different slice levels: "
                f"{first_label} ({level}) vs {label} ({other}). Inputs must all be "
                "inside the slice, or all outside"
            )
    if isinstance(node, SliceNode):
        if level:
            raise GraphError("Nested slicing not currently supported.")
        return 1
    if isinstance(node, UnsliceNode):
        if not level:
            raise GraphError("Unslice received inputs that have not been sliced.")
        return 0
    if isinstance(node, OutputNode) and level:
        raise GraphError(
            "Final output columns are sliced. Final outputs must be unsliced: the "
            f"input of {_output_name(node)} needs Unslice"
        )
    if not level:
        _refuse_slice_lists(node)
    return level


def _output_name(node: OutputNode) -> str:
    return f"output {node.streams[0].name()!r}" if node.streams else "Output"


def _refuse_slice_lists(node: Node) -> None:
    if isinstance(node, SampleNode):
        values = {"its arguments": node.samplers}
    elif isinstance(node, OpNode):
        values = {f"argument {name!r}": v for name, v in node.stream_args.items()}
    else:
        return
    for what, each in values.items():
        if any(isinstance(value, SliceList) for value in each):
            raise GraphError(
                f"{what} of {node.label} have a SliceList, but its input has not been "
                "sliced: give one plain value for each stream, or put it between "
                "Slice and Unslice"
            )


def _jobs(node: Node) -> int | None:
    found = node.job_count()
    who = node.label
    for column in node.inputs:
        jobs = _facts[column.node].jobs
        if jobs is None:
            continue
        if found is not None and found != jobs:
            if isinstance(node, (OpNode, SampleNode, SliceNode)) and who == node.label:
                raise GraphError(
                    f"Op `{who}` had {found} per-stream arguments, but expected "
                    f"{jobs}: one for each stream of its input"
                )
            if isinstance(node, OutputNode):
                raise GraphError(
                    f"the list of sc.io.Output has {_streams(found)}, but the column of "
                    f"{column.node.label} is of {_streams(jobs)}: give one for each "
                    "stream in the list of sc.io.Input"
                )
            raise GraphError(
                f"{node.label} has a column of {_streams(found)}, from {who}, and one "
                f"of {_streams(jobs)}, from {column.node.label}: the lists of "
                "sc.io.Input that they begin with must be of one length"
            )
        found, who = jobs, column.node.label
    return found


def _streams(count: int) -> str:
    return f"{count} stream{'' if count == 1 else 's'}"


def check_graph(outputs: OutputNode | Sequence[OutputNode]) -> list[Node]:
    """Checks all that can be known of a graph without looking at a stream.

    Args:
        outputs: What ``sc.io.Output`` returned, one or several.

    Returns:
        All nodes of the graph, each after its inputs.

    Raises:
        GraphError: Slices are nested, left open or mixed; nodes are for different
            numbers of streams or from different clients; or a stream is written
            twice, or both written and read.
        ElementTypeError: Frames' options on a column of something else.

    Example:
        >>> check_graph([])
        Traceback (most recent call last):
        beam_scanner.errors.GraphError: a run needs at least one output
    """
    several = isinstance(outputs, (list, tuple))
    listed: list[Any] = list(cast(Any, outputs)) if several else [outputs]
    for output in listed:
        if not isinstance(output, OutputNode):
            raise GraphError(
                "a run takes what sc.io.Output(column, streams) returned, or a list of "
                f"those; got {type(output).__name__}"
            )
    if not listed:
        raise GraphError("a run needs at least one output")
    nodes = topological(listed)
    for node in nodes:
        facts(node)
    job_count(nodes)
    _check_clients(nodes)
    for output in listed:
        if output.input.encoding is not None and output.input.type is not None:
            raise ElementTypeError(
                f"{_output_name(output)} has compression options, which are only for "
                f"frames, but its column holds {output.input.type.name}"
            )
    _check_streams(nodes)
    return nodes


def _check_clients(nodes: Sequence[Node]) -> None:
    makers = {id(m): n for n in nodes if (m := _maker(n)) is not None}
    if len(makers) > 1:
        first, second = list(makers.values())[:2]
        raise GraphError(
            f"{first.label} and {second.label} belong to different clients; build a "
            "graph with one client"
        )


def stream_key(stream: StoredStream) -> tuple[Any, str]:
    """Equal for two objects that stand for one stored stream."""
    storage = stream.storage()
    # A backend without an equality of its own is often made anew by each call: what
    # it holds must tell.
    own_equality = type(storage).__eq__ is not object.__eq__
    place = storage if own_equality else code_digest(storage, home="")
    return (place, stream.name())


def _check_streams(nodes: Sequence[Node]) -> None:
    inputs = [node for node in nodes if isinstance(node, InputNode)]
    read = {stream_key(stream) for node in inputs for stream in node.streams}
    written: set[Any] = set()
    for node in nodes:
        if not isinstance(node, OutputNode):
            continue
        for stream in node.streams:
            key = stream_key(stream)
            if key in written:
                raise GraphError(
                    "Multiple outputs specified the same stream name "
                    f"{stream.name()!r}. Names of output streams must be unique in a "
                    "run."
                )
            if key in read:
                raise GraphError(
                    f"stream {stream.name()!r} is both an input and an output of one "
                    "run; write to another name"
                )
            written.add(key)
