"""Ops as transforms."""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from apache_beam import typehints
from apache_beam.pvalue import AsSideInput, PValue

from beam_scanner.elements.coders import value_hint
from beam_scanner.elements.hints import unread
from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ArgumentError, OpNotFoundError, did_you_mean
from beam_scanner.graph.builder import OpBuilder
from beam_scanner.graph.nodes import or_slice_list
from beam_scanner.kernels.op_help import op_doc, op_options, op_parameters
from beam_scanner.kernels.op_registry import Registry
from beam_scanner.kernels.op_spec import OpSpec, Port
from beam_scanner.kernels.register import read_spec, registry
from beam_scanner.ops import register_ops
from beam_scanner.run.picklable import check_picklable
from beam_scanner.text.quantities import counted
from beam_scanner.transforms.group import Branch, Streams
from beam_scanner.transforms.stream_transform import GraphTransform, group_of
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import get_type_info


class Op(GraphTransform):
    """An op on whole streams; see ``op``, which makes a class of it.

    An op of several inputs is applied to a dict of branches, by the names of its
    inputs, or to a tuple or list of them, in its order.

    Args:
        kernel: Name of a registered op, or a kernel: a class or a function.
        **arguments: Of the op: init arguments, per-stream arguments (one value for
            all streams; inside slices also a ``SliceList``), and ``stencil``,
            ``batch``, ``bounded_state``, ``device``, ``stencil_edge`` and
            ``on_error``.

    Raises:
        OpNotFoundError: No such op.
        ArgumentError: An argument has no name. When it is applied: an argument is
            missing or unknown, or cannot be pickled.

    Examples:
        >>> Op('Resize', width=320, height=180).label
        'Resize'
    """

    _shown = ("name", "arguments")

    def __init__(self, kernel: Any, *unnamed: Any, **arguments: Any) -> None:
        self._ops, self._name = _find(kernel)
        if unnamed:
            spec = self._ops.get(self._name)
            if len(unnamed) > 1 or not spec.first_argument:
                raise ArgumentError(_by_name(spec, unnamed))
            if spec.first_argument in arguments:
                raise ArgumentError(
                    f"op {spec.name} got {spec.first_argument} twice, by position and by "
                    "name"
                )
            arguments = {spec.first_argument: unnamed[0], **arguments}
        super().__init__(self._name)
        for name, value in arguments.items():
            if isinstance(value, (PValue, AsSideInput)):
                raise ArgumentError(
                    f"argument {name!r} of op {self._name} is {value!r:.80}: arguments of "
                    "ops are known before the pipeline runs, and no side inputs. Use an "
                    "ordinary transform with the side input after the op"
                )
        self._arguments = arguments

    @property
    def called(self) -> str:
        """See the base class."""
        return self._name

    def __ror__(self, left: Any, label: str | None = None) -> Any:
        # Beam takes a list for elements.
        branches = tuple(left) if isinstance(left, list) else left
        return super().__ror__(branches, label)

    @unread
    def expand(self, pvalueish: Any) -> Any:
        """Adds the op to the graph; several outputs are a named tuple."""
        inputs = self._inputs(pvalueish)
        group = group_of(list(inputs.values()))
        params = self._spec().stream_params
        arguments = dict(self._arguments)
        for param in params:
            if param.name in arguments:
                arguments[param.name] = [arguments[param.name]]
        call = OpBuilder(None, self._ops, self._name)
        columns = {name: each.column for name, each in inputs.items()}
        if isinstance(pvalueish, Mapping):
            made = call(**columns, **arguments)
        else:
            made = call(*columns.values(), **arguments)
        node = (made[0] if isinstance(made, tuple) else made).node
        # Beam's own error, when it pickles the pipeline, would name none of this.
        check_picklable((node.spec, node.init_args, node.stream_args), [node])
        hints = self.run_hints
        if not isinstance(made, tuple):
            return group.extend(made, hints, self.declared())
        ports = node.spec.outputs
        kind = namedtuple(self._name, [port.name for port in ports])  # type: ignore[misc]
        outputs = []
        for port, column in zip(ports, made, strict=True):
            declared = self.declared(port.name)
            outputs.append(_Output(port.name, group, column, hints, declared))
        first = next(iter(inputs.values()))
        return kind(*(first | output for output in outputs))

    @property
    def takes(self) -> str:  # type: ignore[override]
        """See the base class."""
        ports = self._spec().inputs
        if len(ports) == 1 and not self._spec().variadic:
            return GraphTransform.takes
        names = ", ".join(port.name for port in ports)
        return f"streams, as ReadFromVideo gives them, for its inputs {names}"

    def row_types(self) -> tuple[Sequence[Any] | None, Any]:
        """See the base class; several outputs are a tuple."""
        spec = self._spec()
        taken = [_row_type(port) for port in spec.inputs]
        given = [self.declared(p.name) or _row_type(p) for p in spec.outputs]
        return taken, typehints.Tuple[tuple(given)] if len(given) > 1 else given[0]

    def _spec(self) -> OpSpec:
        return self._ops.get(self._name, self._arguments.get("device"))

    def _inputs(self, given: Any) -> Mapping[Any, Streams | Branch]:
        if isinstance(given, Mapping):
            self._check_names(given)
        else:
            several = isinstance(given, (tuple, list))
            given = dict(enumerate(given if several else [given]))
            self._check_number(len(given))
            if not several:
                return {"": self.streams(given[0])}
        return {
            name: self.streams(value, f"input {name!r}")
            for name, value in given.items()
        }

    def _check_names(self, given: Mapping[Any, Any]) -> None:
        spec = self._spec()
        names = [port.name for port in spec.inputs]
        if spec.variadic:
            raise ArgumentError(
                f"op {self._name} takes any number of inputs in order: a tuple of "
                f"streams, not a dict with {', '.join(map(repr, given))}"
            )
        if set(given) != set(names):
            raise ArgumentError(
                f"op {self._name} takes the inputs {', '.join(names)}; the dict that it "
                f"is applied to has {', '.join(map(repr, given)) or 'none'}"
            )

    def _check_number(self, given: int) -> None:
        ports = self._spec().inputs
        if given != len(ports) and not self._spec().variadic:
            names = ", ".join(port.name for port in ports)
            raise ArgumentError(
                f"op {self._name} has {counted(len(ports), 'input')} "
                f"({names}), and is applied to {given}"
                + (": give it a dict or a tuple of streams" if len(ports) > 1 else "")
            )


def _row_type(port: Port) -> Any:
    return typehints.Tuple[FrameKey, value_hint(port.type or get_type_info(FrameType))]


class _Output(GraphTransform):
    """One of several outputs of an op, under its name."""

    def __init__(
        self, name: str, group: Any, column: Any, hints: Any, declared: Any
    ) -> None:
        super().__init__(name)
        self._made = (group, column, hints, declared)

    @unread
    def expand(self, pcoll: Any) -> Streams | Branch:
        group, *made = self._made
        streams: Streams | Branch = group.extend(*made)
        return streams


def op(kernel: Any) -> type[Any]:
    """A transform class for an op.

    Args:
        kernel: Name of a registered op, or a kernel: a class or a function, with
            ``register_python_op`` or without.

    Returns:
        A class whose arguments are those of the op.

    Raises:
        ScannerException: No such op, or the kernel cannot be one.

    Examples:
        >>> from typing import Any
        >>> from beam_scanner import FrameType
        >>> def Brightness(config, frame: FrameType) -> Any:
        ...     return float(frame.mean())
        >>> Brightness = op(Brightness)
        >>> Brightness().label
        'Brightness'
    """
    ops, name = _find(kernel)
    spec = ops.get(name)
    if spec not in _classes:
        _classes[spec] = _op_class(kernel, spec)
    return _classes[spec]


# So that a name of beam_scanner.transforms stands for one class.
_classes: WeakKeyDictionary[OpSpec, type[Op]] = WeakKeyDictionary()


def _op_class(kernel: Any, spec: OpSpec) -> type[Op]:
    def __init__(self: Op, *unnamed: Any, **arguments: Any) -> None:
        Op.__init__(self, kernel, *unnamed, **arguments)

    __init__.__signature__ = op_signature(spec)  # type: ignore[attr-defined]
    by_name = isinstance(kernel, str)
    members = {
        "__init__": __init__,
        "__doc__": str(op_doc(spec)),
        "__module__": "beam_scanner.transforms" if by_name else kernel.__module__,
    }
    return type(spec.name, (Op,), members)


def op_signature(spec: OpSpec) -> inspect.Signature:
    """The signature of an op's transform, with ``self``."""
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    given = [
        parameter.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if parameter.name == spec.first_argument
        else parameter
        for parameter in op_parameters(spec, or_slice_list)
    ]
    return inspect.Signature([own, *given, *op_options(spec)])


def _by_name(spec: OpSpec, given: Sequence[Any]) -> str:
    params = (*spec.init_params, *spec.stream_params)
    shown = ", ".join(f"{param.name}=..." for param in params)
    return (
        f"op {spec.name} takes its arguments by name, {spec.name}({shown}); got "
        f"{', '.join(map(repr, given))} without"
    )


def _find(kernel: Any) -> tuple[Registry, str]:
    """The registry that holds an op, and its name there."""
    if isinstance(kernel, str):
        register_ops()
        try:
            registry().get(kernel)
        except OpNotFoundError as error:
            hint = did_you_mean(kernel, registry().names())
            raise OpNotFoundError(f"{error}{hint}") from None
        return registry(), kernel
    if not callable(kernel):
        raise ArgumentError(
            "an op is the name of a registered one or a kernel (a class or a "
            f"function), got {kernel!r}"
        )
    for name in registry().names():
        if registry().get(name).kernel is kernel:
            return registry(), name
    own = Registry()
    spec: OpSpec = read_spec(kernel)
    own.add(spec)
    return own, spec.name
