"""Registers kernels as ops, the names that ``sc.ops`` has.

A registration is checked here: its attributes, and what the kernel takes and returns.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, TypeVar

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError
from beam_scanner.kernels.op_registry import Registry
from beam_scanner.kernels.op_spec import OpSpec, Port
from beam_scanner.kernels.signature import (
    SignatureReader,
    callers_names,
    check_names,
    column_port,
    init_params,
    method_parameters,
    reads_config,
    stream_params,
)
from beam_scanner.rows.whole_numbers import as_whole_number
from beam_scanner.types.element_types import DeviceType

_T = TypeVar("_T")

_registry = Registry()


def registry() -> Registry:
    """The ops that ``sc.ops`` has.

    Examples:
        >>> isinstance(registry(), Registry)
        True
    """
    return _registry


def op_spec(name: str) -> OpSpec:
    """The registered op of that name.

    Raises:
        OpNotFoundError: There is none.

    Examples:
        >>> op_spec('Nope')
        Traceback (most recent call last):
        beam_scanner.errors.OpNotFoundError: Op Nope does not exist
    """
    return _registry.get(name)


def registered_ops() -> list[str]:
    """The names of all registered ops, sorted."""
    return _registry.names()


def register_python_op(
    name: str | None = None,
    stencil: Sequence[int] | None = None,
    unbounded_state: bool = False,
    bounded_state: int | None = None,
    device_type: DeviceType | None = None,
    device_sets: Sequence[Sequence[Any]] | None = None,
    batch: int = 1,
    proto_path: str | None = None,
    whole_stream: bool = False,
    version: str | None = None,
    takes_nulls: bool = False,
    stencil_edge: str = "repeat",
) -> Callable[[_T], _T]:
    """Decorator that registers a class or a function as an op.

    Args:
        name: Of the op; the name of the class or function if None.
        stencil: Offsets of the rows that each row sees, in the order in which they
            are given; ``[0]`` for a kernel that can stencil and does not by default.
        unbounded_state: Each row depends on all rows before it: every stream (or
            slice group) is run once, in order.
        bounded_state: Each row depends on that many rows before it: the kernel is
            warmed on them wherever rows are not consecutive.
        device_type: Where it runs; CPU if None.
        device_sets: Pairs of a device type and a count, instead of ``device_type``,
            for a kernel that can run on several; counts are not used.
        batch: Most rows a call; above 1 the kernel takes and returns sequences. A
            million or more rows mean ``whole_stream``, with a warning.
        proto_path: A ``*_pb2.py`` file whose messages are added to ``protobufs``.
        whole_stream: The kernel takes all rows of a stream (or slice group) at once.
        version: Enters the fingerprint of results, beside the kernel's code and all
            values that it uses. Change it when something has changed that is not seen:
            an installed package, a model behind a URL or in a folder, an object without
            content (a session, a socket), of which a run warns where none is given.
        takes_nulls: The kernel is called on rows with null elements, too.
        stencil_edge: What stands for rows beyond the ends: 'repeat' the first or
            last row, 'null', or 'error'.

    Returns:
        A decorator that returns what it was given.

    Raises:
        ScannerException: The attributes contradict each other, an annotation is
            missing or names no registered type, or the name is taken.

    Examples:
        >>> @register_python_op(name='DocSum', stencil=[-1, 0])
        ... def add(config, x: Sequence[bytes]) -> bytes:
        ...     return b''.join(x)
        >>> op_spec('DocSum').stencil
        (-1, 0)
        >>> registry().remove('DocSum')
    """
    if callable(name):
        raise ArgumentError("write @register_python_op(), with parentheses")

    def decorate(kernel: _T) -> _T:
        spec = read_spec(
            kernel,
            name,
            stencil=stencil,
            unbounded_state=unbounded_state,
            bounded_state=bounded_state,
            whole_stream=whole_stream,
            devices=check_devices(name or name_of(kernel), device_type, device_sets),
            batch=batch,
            version=version,
            takes_nulls=takes_nulls,
            stencil_edge=stencil_edge,
            frame=sys._getframe(1),
        )
        if proto_path is not None:
            protobufs.add_module(proto_path)
        _registry.add(spec)
        return kernel

    return decorate


def register_op(
    name: str,
    input_columns: Sequence[Any],
    output_columns: Sequence[Any],
    variadic_inputs: bool = False,
    stencil: Sequence[int] | None = None,
    unbounded_state: bool = False,
    bounded_state: int | None = None,
    proto_path: str | None = None,
) -> None:
    """Declares an op whose kernel follows with ``register_python_kernel``.

    Args:
        name: Of the op.
        input_columns: Each a name, for bytes, or ``(name, ColumnType)``, or
            ``(name, ColumnType, type)``.
        output_columns: As ``input_columns``.
        variadic_inputs: The op takes any number of inputs; ``input_columns`` may
            have one, with their type, else they are bytes.
        stencil: See ``register_python_op``.
        unbounded_state: See there.
        bounded_state: See there.
        proto_path: See there.

    Raises:
        ScannerException: A column is not as above, there are none, or the name is
            taken.
    """
    for columns in (input_columns, output_columns):
        if not isinstance(columns, (list, tuple)):
            raise ArgumentError(f"columns of op {name} must be a list, got {columns!r}")
    if not input_columns and not variadic_inputs:
        raise ArgumentError(f"Attempted to register op {name} with empty input columns")
    if not output_columns:
        raise ArgumentError(
            f"Attempted to register op {name} with empty output columns"
        )
    offsets = check_stencil(name, stencil)
    check_attributes(name, unbounded_state, bounded_state, False, 1)
    inputs = [column_port(name, column) for column in input_columns]
    if variadic_inputs:
        inputs = [*inputs, column_port(name, "inputs")][:1]
    outputs = tuple(column_port(name, column) for column in output_columns)
    check_names(name, inputs, ())

    def make(kernel: Any, device: DeviceType, batch: int) -> OpSpec:
        check_attributes(name, unbounded_state, bounded_state, False, batch)
        execute = execute_of(name, kernel)
        is_class = isinstance(kernel, type)
        spec = OpSpec(
            name=name,
            kernel=kernel,
            inputs=tuple(inputs),
            outputs=outputs,
            variadic=variadic_inputs,
            stencil=offsets,
            batch=batch,
            bounded_state=bounded_state,
            unbounded_state=unbounded_state,
            devices=(device,),
            init_params=init_params(name, kernel)[0] if is_class else (),
            stream_params=stream_params(name, kernel) if is_class else (),
            open_args=True,
            returns_tuple=True,
            raw=takes_columns(execute, inputs),
        )
        whole = means_whole_stream(name, batch)
        return spec.over_whole_streams() if whole else spec

    if proto_path is not None:
        protobufs.add_module(proto_path)
    _registry.declare(name, make)


def register_python_kernel(
    op_name: str, device_type: DeviceType, kernel: Any, batch: int = 1
) -> None:
    """Gives an op that ``register_op`` declared its kernel.

    Args:
        op_name: Name of the op.
        device_type: Where this kernel runs; an op may have one for each.
        kernel: A class with ``execute(self, columns)``, or a function
            ``(config, columns)``, that takes the list of its input columns and
            returns a tuple of output columns; or one with a parameter for each
            input.
        batch: Most rows a call.

    Raises:
        ScannerException: No such op was declared, or it has a kernel.
    """
    check_devices(op_name, device_type, None)
    _registry.add_kernel(op_name, device_type, kernel, batch)


STENCIL_EDGES = ("repeat", "null", "error")
"""What may stand for rows of a stencil beyond the stream's ends."""


def read_spec(
    kernel: Any,
    name: str | None = None,
    *,
    stencil: Sequence[int] | None = None,
    unbounded_state: bool = False,
    bounded_state: int | None = None,
    whole_stream: bool = False,
    devices: tuple[DeviceType, ...] = (DeviceType.CPU,),
    batch: int = 1,
    version: str | None = None,
    takes_nulls: bool = False,
    stencil_edge: str = "repeat",
    frame: Any = None,
) -> OpSpec:
    """The spec of a kernel, without registering it.

    Args:
        kernel: A class or a function.
        name: See ``register_python_op``, as all others.
        stencil: See there.
        unbounded_state: See there.
        bounded_state: See there.
        whole_stream: See there.
        devices: Kinds of device that it can run on.
        batch: See there.
        version: See there.
        takes_nulls: See there.
        stencil_edge: See there.
        frame: Python frame whose local names annotations may use; the caller's if
            None.

    Raises:
        ScannerException: As ``register_python_op``.

    Examples:
        >>> def first(config, x: Sequence[bytes]) -> Sequence[bytes]: return x
        >>> read_spec(first, batch=4).batch
        4
    """
    op = name or name_of(kernel)
    if not isinstance(op, str):
        raise ArgumentError(f"the name of an op must be a string, got {op!r}")
    checked_stencil = check_stencil(op, stencil)
    check_attributes(op, unbounded_state, bounded_state, whole_stream, batch)
    whole = whole_stream or means_whole_stream(op, batch)
    if whole and checked_stencil is not None:
        raise ArgumentError(f"op {op} cannot have whole_stream and a stencil")
    check_edge(op, stencil_edge)
    execute = execute_of(op, kernel)
    function = inspect.unwrap(execute)
    reader = SignatureReader(
        op,
        function,
        callers_names(frame or sys._getframe(1), function),
        batched=batch > 1 or whole,
        stencil=checked_stencil is not None,
        whole=whole,
    )
    inputs, variadic = reader.inputs(method_parameters(execute))
    outputs, is_tuple = reader.outputs(inspect.signature(execute).return_annotation)
    is_class = isinstance(kernel, type)
    init, any_init = init_params(op, kernel) if is_class else ((), False)
    stream = stream_params(op, kernel) if is_class else ()
    check_names(op, () if variadic else inputs, (*init, *stream))
    spec = OpSpec(
        name=op,
        kernel=kernel,
        inputs=inputs,
        outputs=outputs,
        variadic=variadic,
        stencil=checked_stencil,
        stencil_edge=stencil_edge,
        batch=batch,
        bounded_state=bounded_state,
        unbounded_state=unbounded_state,
        devices=devices,
        version="" if version is None else str(version),
        takes_nulls=takes_nulls,
        init_params=init,
        stream_params=stream,
        open_args=any_init if is_class else reads_config(function),
        returns_tuple=is_tuple,
    )
    return spec.over_whole_streams() if whole else spec


def execute_of(op: str, kernel: Any) -> Any:
    """The method or function that a kernel is called by.

    Raises:
        ArgumentError: It has none, or a function takes no ``config``.
    """
    if isinstance(kernel, type):
        execute = getattr(kernel, "execute", None)
        if not callable(execute):
            raise ArgumentError(
                f"Attempted to register Python Op with name {op}, but that provided "
                'class has no "execute" method.'
            )
        return execute
    if not isinstance(inspect.unwrap(kernel), FunctionType):
        raise ArgumentError(
            f"op {op} must be a class or a function, got {type(kernel).__name__}"
        )
    if not inspect.signature(kernel).parameters:
        raise ArgumentError(f"function kernel {op} must take `config` first")
    return kernel


def check_stencil(op: str, stencil: Any) -> tuple[int, ...] | None:
    """The offsets of a stencil as a tuple.

    Raises:
        ArgumentError: It is not a sequence of one or more whole numbers.
    """
    if stencil is None:
        return None
    if isinstance(stencil, (list, tuple, range)) and len(stencil) > 0:
        offsets = [as_whole_number(offset) for offset in stencil]
        if None not in offsets:
            return tuple(offset for offset in offsets if offset is not None)
    raise ArgumentError(
        f"stencil of op {op} must be a list of one or more row offsets, such as "
        f"[-1, 0, 1]; got {stencil!r}"
    )


def check_edge(op: str, edge: Any) -> None:
    """Raises ArgumentError unless ``edge`` is one of ``STENCIL_EDGES``."""
    if not isinstance(edge, str) or edge not in STENCIL_EDGES:
        raise ArgumentError(
            f"stencil_edge of op {op} must be one of {', '.join(STENCIL_EDGES)}; got "
            f"{edge!r}"
        )


def check_attributes(
    op: str, unbounded: bool, bounded: Any, whole: bool, batch: Any
) -> None:
    """Raises ArgumentError where attributes are impossible or contradict each other."""
    if as_whole_number(batch) is None or batch < 1:
        raise ArgumentError(f"batch of op {op} must be 1 or more, got {batch!r}")
    if bounded is not None and (as_whole_number(bounded) is None or bounded < 0):
        raise ArgumentError(
            f"bounded_state of op {op} must be a number of rows, 0 or more; got "
            f"{bounded!r}"
        )
    if unbounded and bounded is not None:
        raise ArgumentError(
            f"op {op} cannot have both unbounded_state and bounded_state"
        )
    if whole and (batch > 1 or unbounded or bounded is not None):
        raise ArgumentError(
            f"op {op} takes the whole stream: it cannot also have a batch or state"
        )


# Programs of Scanner write 10,000,000 for all rows; no frames of so many rows fit.
_WHOLE_STREAM_BATCH = 1_000_000


def means_whole_stream(op: str, batch: int) -> bool:
    """Whether a batch is so large that it is meant to hold every stream.

    Warns:
        UserWarning: It is; ``whole_stream=True`` says so.
    """
    if batch < _WHOLE_STREAM_BATCH:
        return False
    warnings.warn(
        f"op {op}: batch={batch} is taken for whole_stream=True, since no batch is "
        "that large: write whole_stream=True in its registration",
        stacklevel=4,
    )
    return True


def name_of(kernel: Any) -> str:
    """The name of an op that was given none."""
    return str(getattr(kernel, "__name__", kernel))


def check_devices(
    op: str, device_type: Any, device_sets: Sequence[Sequence[Any]] | None
) -> tuple[DeviceType, ...]:
    """The kinds of device that a registration names, each once; CPU if it names none.

    Raises:
        ArgumentError: It names something else, none at all, or both ways.
    """
    if device_type is not None and device_sets is not None:
        raise ArgumentError(
            'Must only specify one of "device_type" or "device_sets" for python Op '
            f"{op}."
        )
    if device_sets is None:
        listed = [DeviceType.CPU if device_type is None else device_type]
    elif not isinstance(device_sets, (list, tuple)):
        raise ArgumentError(
            f"device_sets of op {op} must be a list of (DeviceType, count) pairs, got "
            f"{device_sets!r}"
        )
    else:
        listed = [
            item[0] if isinstance(item, (tuple, list)) and len(item) == 2 else item
            for item in device_sets
        ]
    for device in listed:
        if not isinstance(device, DeviceType):
            raise ArgumentError(
                f"Invalid device type {device!r} of op {op}; use DeviceType.CPU or "
                "DeviceType.GPU"
            )
    if not listed:
        raise ArgumentError(f"device_sets of op {op} is empty")
    return tuple(dict.fromkeys(listed))


def takes_columns(execute: Any, inputs: Sequence[Port]) -> bool:
    """Whether a kernel takes one list of columns instead of named inputs."""
    parameters = method_parameters(execute)
    named = [p for p in parameters.values() if p.kind != p.VAR_POSITIONAL]
    return len(named) == 1 and named[0].name not in {port.name for port in inputs}
