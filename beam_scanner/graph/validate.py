"""Checks of graphs: everything that can be known before streams are read is checked here.

* ``check_call`` and ``check_output``: one node, when it is made;
* ``check_node`` and ``facts``: a node and those before it: slices, numbers of streams, clients;
* ``check_graph``: a whole graph, when it is to be run;
* ``check_joined`` and ``check_slice_list``: what depends on the lengths of streams, called
  by the planner when it binds a graph to one job's streams.

Code that comes later asserts. How arguments are written (``{'stride': 8}``, positions and
names) is read in ``op_call`` and ``samplers``.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    GraphError,
    MissingDependencyError,
)
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
    topological,
)
from beam_scanner.kernels.digests.digest import code_digest
from beam_scanner.kernels.kernel import KernelConfig
from beam_scanner.kernels.op_spec import Param, Port
from beam_scanner.rows.row_maps import Layout
from beam_scanner.storage import StoredStream
from beam_scanner.text.quantities import counted
from beam_scanner.types.compatible import reader_as


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
            nodes = topological([node])
        for each in nodes:
            if each not in _facts:
                _facts[each] = Facts(_level(each), _jobs(each))
    return _facts[node]


def check_node(node: Node, client: Any) -> Node:
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
    _check_slice_lists(node, level)
    return level


def _output_name(node: OutputNode) -> str:
    return f"output {node.streams[0].name()!r}" if node.streams else "Output"


def _check_slice_lists(node: Node, level: int) -> None:
    if isinstance(node, SampleNode):
        values = {"an argument": node.samplers}
    elif isinstance(node, OpNode):
        values = {f"argument {name!r}": v for name, v in node.stream_args.items()}
    else:
        return
    for what, each in values.items():
        lists = [value for value in each if isinstance(value, SliceList)]
        if lists and not level:
            raise GraphError(
                f"{what} of {node.label} is a SliceList, but its input has not been "
                f"sliced: give one plain value for each stream, or put {node.label} "
                "between Slice and Unslice"
            )
        if any(isinstance(value, SliceList) for listed in lists for value in listed):
            raise GraphError(
                f"{what} of {node.label} is a SliceList with a SliceList in it"
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
                    f"the list of sc.io.Output has {counted(found, 'stream')}, but the column of "
                    f"{column.node.label} is of {counted(jobs, 'stream')}: give one for each "
                    "stream in the list of sc.io.Input"
                )
            raise GraphError(
                f"{node.label} has a column of {counted(found, 'stream')}, from {who}, and one "
                f"of {counted(jobs, 'stream')}, from {column.node.label}: the lists of "
                "sc.io.Input that they begin with must have equal lengths"
            )
        found, who = jobs, column.node.label
    return found


_OPEN_TYPES = ("Bytes", "Any")
"""Blob types that go with every other blob type."""


_FITS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number", lambda value: hasattr(value, "__index__")),
    "float": ("a number", lambda value: hasattr(value, "__float__")),
    "bool": (
        "True or False",
        lambda value: hasattr(value, "__index__") or isinstance(value, np.bool_),
    ),
    "str": ("a string", lambda value: isinstance(value, (str, os.PathLike))),
}
"""By annotation, what errors say is expected, and whether a value fits."""


def check_call(node: OpNode) -> None:
    """Checks one call of an op, as far as possible without running it.

    Columns must have the types that the kernel takes. Values must fit annotations
    ``int``, ``float``, ``bool`` and ``str``. Kernels of this package are made and given
    their arguments, since that costs nothing. A user's kernel may do anything then, such
    as loading a model, so only workers make those.

    Raises:
        ScannerException: A column, a value or a combination of options is impossible.
    """
    spec = node.spec
    for index, column in enumerate(node.columns):
        _check_type(spec.name, spec.inputs[0 if spec.variadic else index], column)
    _check_on_error(node)
    _check_lengths(node)
    if spec.native:
        _check_native(node)
    for param in spec.init_params:
        if param.name in node.init_args:
            _check_value(spec.name, param, node.init_args[param.name])
    for param in spec.stream_params:
        for value in node.stream_args.get(param.name, ()):
            for each in value if isinstance(value, SliceList) else (value,):
                _check_value(spec.name, param, each)
    # Workers may have what is not installed here.
    with suppress(MissingDependencyError):
        try_kernel(node)


def _check_type(op: str, port: Port, column: OpColumn) -> None:
    have = "FrameType" if column.type is None else column.type.name
    if column.type is None and port.type is None:
        return
    if (column.type is not None and port.type is not None) and (
        have in _OPEN_TYPES
        or port.type_name in _OPEN_TYPES
        or reader_as(column.type, port.type) is not None
    ):
        return
    have = "FrameType" if column.type is None else column.type.label
    takes = "FrameType" if port.type is None else port.type.label
    # A chain of the command is checked before there is a node that it begins with.
    of = f"column of {column.node.label}" if column.node.label else "column"
    raise ElementTypeError(
        f"input {port.name} of op {op} takes {takes}, but the {of} holds {have}"
    )


def _check_native(node: OpNode) -> None:
    """Native code reads no pickles; its arguments are encoded to see whether they fit."""
    kernel = node.spec.kernel
    for column in node.columns:
        if column.type is not None and column.type.unpickles:
            raise ElementTypeError(
                f"the column of {column.node.label} holds {column.type.name}, pickled "
                f"Python objects, which native op {node.label} cannot read"
            )
    kernel.encode.encode(node.init_args)
    for arguments in _of_each_group(node.stream_args):
        kernel.encode_stream.encode(arguments)


def _check_on_error(node: OpNode) -> None:
    if node.on_error != "null":
        return
    if node.spec.unbounded_state:
        raise ArgumentError(
            f"on_error of op {node.label} cannot be 'null': it has unbounded state, "
            "so every later row may depend on the one that failed"
        )
    if node.spec.whole_stream:
        raise ArgumentError(
            f"on_error of op {node.label} cannot be 'null': it takes all rows of a "
            "stream in one call, so that no single row fails"
        )


def _check_lengths(node: OpNode) -> None:
    jobs = (facts(column.node).jobs for column in node.columns)
    expected = next((count for count in jobs if count is not None), None)
    for name, values in node.stream_args.items():
        expected = len(values) if expected is None else expected
        if len(values) != expected or not values:
            raise ArgumentError(
                f"Op `{node.label}` had {len(values)} per-stream arguments, but "
                f"expected {expected or 'one or more'}: argument `{name}` needs one "
                "value for each stream"
            )
    for stream, values in enumerate(zip(*node.stream_args.values(), strict=True)):
        sizes = {len(v) for v in values if isinstance(v, SliceList)}
        if len(sizes) > 1:
            raise ArgumentError(
                f"the SliceLists of op {node.label} for stream {stream} have "
                f"different lengths: {sorted(sizes)}"
            )


def _check_value(op: str, param: Param, value: Any) -> None:
    if param.annotation not in _FITS or (not param.required and value is param.default):
        return
    expected, fits = _FITS[param.annotation]
    if not fits(value):
        raise ElementTypeError(
            f"argument {param.name!r} of op {op} must be {expected}, got {value!r}"
        )


def try_kernel(node: OpNode) -> None:
    """Makes the kernel of an op that ships, and gives it its arguments.

    Raises:
        ArgumentError: It does not take them.
        MissingDependencyError: It needs a package that is not installed here.
    """
    if not (node.spec.is_class and node.spec.ships):
        return
    init_args = dict(node.init_args)
    try:
        kernel = node.spec.instantiate(KernelConfig(args=init_args), init_args)
        seen = set()
        for arguments in _of_each_group(node.stream_args):
            key = tuple(map(repr, arguments.values()))
            if key not in seen:
                seen.add(key)
                kernel.new_stream(**arguments)
    except TypeError as error:
        raise ArgumentError(
            f"op {node.label} cannot be called like this: {error}"
        ) from error


def _of_each_group(
    stream_args: Mapping[str, Sequence[Any]],
) -> Iterator[dict[str, Any]]:
    """The arguments of every slice group of every stream; ``{}`` once without any."""
    if not stream_args:
        yield {}
    for values in zip(*stream_args.values(), strict=True):
        lists = [value for value in values if isinstance(value, SliceList)]
        for group in range(len(lists[0]) if lists else 1):
            yield {
                name: value[group] if isinstance(value, SliceList) else value
                for name, value in zip(stream_args, values, strict=True)
            }


def check_output(node: OutputNode) -> None:
    """Checks that an output can hold what its column does.

    Raises:
        ElementTypeError: The column has options of frames, and holds something else.
    """
    column = node.input
    if column.type is not None and column.encoding is not None:
        raise ElementTypeError(
            f"{_output_name(node)} has compression options, which are only for "
            f"frames, but its column holds {column.type.label}"
        )


def listed_outputs(outputs: OutputNode | Sequence[OutputNode]) -> list[OutputNode]:
    """The outputs of a run as a list.

    Raises:
        GraphError: There is none, or one is something else.
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
        raise GraphError("a run needs at least one output, got an empty list")
    return listed


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

    Examples:
        >>> check_graph([])
        Traceback (most recent call last):
        beam_scanner.errors.GraphError: a run needs at least one output, got an empty list
    """
    listed = listed_outputs(outputs)
    nodes = topological(listed)
    for node in nodes:
        facts(node)
    _check_counts(nodes)
    _check_clients(nodes)
    for output in listed:
        check_output(output)
    _check_streams(nodes)
    return nodes


def _check_counts(nodes: Sequence[Node]) -> None:
    counts = [(n.label, c) for n in nodes if (c := n.job_count()) is not None]
    if not counts:
        raise GraphError("the graph reads no input and has no stream arguments")
    first_label, first = counts[0]
    for label, count in counts[1:]:
        if count != first:
            raise GraphError(
                f"{first_label} has {first} streams, but {label} has {count}: "
                "all inputs, outputs and per-stream arguments of a run "
                "must have one value for each stream"
            )


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
    # A backend without an equality of its own is often a new object in each call, so
    # what it holds decides.
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


_MANY = 1 << 40
"""Rows of a stream longer than any: what it cannot give, no stream can."""


def check_possible(node: SampleNode | SliceNode) -> None:
    """Checks that samplers and partitions fit some stream, however long.

    Raises:
        ArgumentError: They fit none, as a stride of 0.
    """
    if isinstance(node, SliceNode):
        for partition in node.partitions:
            partition.groups(_MANY, node.label)
        return
    for value in node.samplers:
        for each in value if isinstance(value, SliceList) else [value]:
            each.row_map(_MANY, node.label)


def check_joined(where: str, names: Sequence[str], layouts: Sequence[Layout]) -> None:
    """Checks inputs of one op, whose streams are known by now.

    Args:
        where: Names the op and the stream; begins every error.
        names: Of the inputs.
        layouts: The rows and slice groups of each.

    Raises:
        GraphError: They differ in rows or groups; names two of them.
    """
    one, first = names[0], layouts[0]
    for two, other in zip(names[1:], layouts[1:], strict=True):
        if len(first) != len(other):
            raise GraphError(
                f"{where}: {one} has {len(first)} slice groups, {two} has {len(other)}"
            )
        if first.rows != other.rows:
            raise GraphError(
                f"{where}: {one} has {first.rows} rows, {two} has {other.rows}"
            )
        if not first.same_groups(other):
            raise GraphError(
                f"{where}: {one} and {two} have slice groups of different lengths"
            )


def check_slice_list(where: str, value: Any, groups: int) -> None:
    """Checks the length of an argument that is a ``SliceList``.

    Args:
        where: Names the argument and the stream; begins every error.
        value: The argument.
        groups: How many slice groups the stream has.

    Raises:
        GraphError: It does not have one value for each group.
    """
    if isinstance(value, SliceList) and len(value) != groups:
        raise GraphError(
            f"{where}: a SliceList of {len(value)} values for {groups} slice groups"
        )
