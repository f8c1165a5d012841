"""Builds graphs with Scanner's calls: ``sc.io``, ``sc.ops``, ``sc.streams``.

A wrong call raises at once, not when the graph is run::

    frames = sc.io.Input([NamedVideoStream(sc, 'a', path='a.mp4')])
    some = sc.streams.Stride(frames, [8])
    small = sc.ops.Resize(frame=some, width=[640], height=[480])
    output = sc.io.Output(small, [NamedVideoStream(sc, 'a_small')])

Graphs hold no client: they can be pickled and read by other processes.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    OpNotFoundError,
    did_you_mean,
)
from beam_scanner.graph.nodes import InputNode, OpColumn, OutputNode, or_slice_list
from beam_scanner.graph.op_call import OpCall
from beam_scanner.graph.sampler_methods import StreamsGenerator as StreamsGenerator
from beam_scanner.graph.sampler_methods import TaskPartitioner as TaskPartitioner
from beam_scanner.graph.sampler_methods import column_of
from beam_scanner.graph.validate import check_call, check_node, check_output
from beam_scanner.graph.validate import check_graph as check_graph
from beam_scanner.kernels.op_help import op_doc, op_options, op_parameters
from beam_scanner.kernels.op_registry import Registry
from beam_scanner.kernels.op_spec import OpSpec
from beam_scanner.kernels.register import registry
from beam_scanner.storage import StoredStream
from beam_scanner.storage.streams.backend import element_type
from beam_scanner.types.element_types import ColumnType
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info

if TYPE_CHECKING:
    from beam_scanner.graph.signatures import Ops
else:
    Ops = object


class OpGenerator(Ops):
    """The registered ops by name: ``sc.ops``.

    Args:
        sc: The client, if there is one.
        ops: Where to look; all registered ops if None.

    Examples:
        >>> OpGenerator().Nope
        Traceback (most recent call last):
        beam_scanner.errors.OpNotFoundError: Op Nope does not exist
    """

    def __init__(self, sc: Any = None, ops: Registry | None = None) -> None:
        self._sc = sc
        self._ops = registry() if ops is None else ops

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise OpNotFoundError(f"Op {name} does not exist")
        try:
            self._ops.get(name)
        except OpNotFoundError as error:
            hint = did_you_mean(name, self._ops.names())
            if name in dir(StreamsGenerator()):
                hint = f"; it is sc.streams.{name}"
            raise OpNotFoundError(f"{error}{hint}") from None
        return OpBuilder(self._sc, self._ops, name)

    def __dir__(self) -> list[str]:
        return self._ops.names()


class OpBuilder:
    """One op: call it with columns and arguments to get its output columns.

    Args:
        sc: The client, if there is one.
        ops: Where the op is registered.
        name: Its name.
    """

    def __init__(self, sc: Any, ops: Registry, name: str) -> None:
        self._sc = sc
        self._ops = ops
        self.__name__ = name
        spec = ops.get(name)
        self.__doc__ = str(op_doc(spec))
        self.__signature__ = op_signature(spec)

    def __repr__(self) -> str:
        return f"sc.ops.{self.__name__}{self.__signature__}"

    def __get__(self, instance: object, owner: type | None = None) -> OpBuilder:
        """Itself: ``help`` takes what has this for a function, and shows its arguments."""
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Adds the op to a graph.

        Args:
            *args: Columns, in the order of the op's inputs.
            **kwargs: Columns by the names of inputs; init arguments; per-stream
                arguments, one value for all or a list with one for each; and for every op ``device``, ``batch``,
                ``stencil``, ``stencil_edge``, ``bounded_state``, ``on_error``.

        Returns:
            An OpColumn, or a tuple of them if the op has several outputs.

        Raises:
            ScannerException: An argument is missing, unknown or impossible.
        """
        node = OpCall(self._ops, self.__name__, dict(kwargs)).node(args)
        check_call(node)
        check_node(node, self._sc)
        outputs = node.outputs()
        return outputs[0] if len(outputs) == 1 else outputs


def op_signature(spec: OpSpec) -> inspect.Signature:
    """The signature of an op in ``sc.ops``, for ``help`` and for editors."""
    kinds = inspect.Parameter
    kind = kinds.VAR_POSITIONAL if spec.variadic else kinds.POSITIONAL_OR_KEYWORD
    count = len(spec.outputs)
    several = GenericAlias(tuple, (OpColumn,) * count)
    parameters = [
        *(kinds(port.name, kind, annotation=OpColumn) for port in spec.inputs),
        *op_parameters(spec, _for_streams),
        *op_options(spec),
    ]
    try:
        return inspect.Signature(
            parameters, return_annotation=OpColumn if count == 1 else several
        )
    except ValueError:  # columns of register_op may have any names
        return inspect.Signature([kinds("arguments", kinds.VAR_KEYWORD)])


def _for_streams(kind: Any) -> Any:
    """The annotation of one value for all streams, or a list with one for each."""
    several = GenericAlias(Sequence, (or_slice_list(kind),))
    try:
        return Any if kind is Any else kind | several
    except TypeError:  # users annotate as they like
        return Any


class IOGenerator:
    """Where graphs begin and end: ``sc.io``.

    Args:
        sc: The client, if there is one.
    """

    def __init__(self, sc: Any = None) -> None:
        self._sc = sc

    def Input(self, streams: Sequence[StoredStream]) -> OpColumn:
        """Reads stored streams; the graph is run once for each.

        Args:
            streams: One or more, all of the type of the first.

        Returns:
            A column with the rows of each stream.

        Raises:
            ScannerException: No list of streams, or their storage cannot be read.
        """
        listed = _streams("Input", streams)
        read = _of_storage(listed[0], "source")
        found = read(self._sc, list(listed))
        if isinstance(found, OpColumn):
            return found
        node = check_node(InputNode(listed), self._sc)
        return OpColumn(node, 0, input_type(listed[0]))

    def Output(self, op: OpColumn, streams: Sequence[StoredStream]) -> OutputNode:
        """Writes a column to stored streams.

        Args:
            op: The column.
            streams: One for each stream of the inputs.

        Returns:
            What ``sc.run`` takes.

        Raises:
            ScannerException: No list of streams, one for each of the inputs', or
                their storage cannot be written.
        """
        column = column_of(op, "io.Output", "the first argument")
        listed = _streams("Output", streams)
        write = _of_storage(listed[0], "sink")
        found = write(self._sc, column, list(listed))
        # A Sink of scannerpy holds the node.
        found = getattr(found, "node", found)
        if isinstance(found, OutputNode):
            return found
        node = OutputNode(column, listed)
        check_output(node)
        check_node(node, self._sc)
        return node


def _of_storage(stream: StoredStream, method: str) -> Any:
    """A method of a stream's backend, which may be of any class that has it."""
    storage: Any = stream.storage()
    found = getattr(storage, method, None)
    if not callable(found):
        raise ElementTypeError(
            f"storage() of a {type(stream).__name__} must return a StorageBackend, such "
            f"as scannerpy.storage.StorageBackend(); got {storage!r}, which has no "
            f"{method}(...)"
        )
    return found


def _streams(method: str, streams: Any) -> tuple[StoredStream, ...]:
    takes = f"io.{method} must take a list of streams as input"
    if not isinstance(streams, (list, tuple)):
        raise ArgumentError(f"{takes}, got {type(streams).__name__}")
    if not streams:
        raise ArgumentError(f"{takes}, got an empty one")
    for index, stream in enumerate(streams):
        if not isinstance(stream, StoredStream):
            raise ArgumentError(f"{takes}: element {index} is {type(stream).__name__}")
    return tuple(streams)


def input_type(stream: StoredStream) -> ScannerTypeInfo | None:
    """The type of a stream's elements; None for frames, bytes if it does not say.

    Raises:
        ElementTypeError: It says a type that is not registered.
    """
    if stream.column_type() == ColumnType.Video:
        return None
    return element_type(stream) or get_type_info(bytes)
