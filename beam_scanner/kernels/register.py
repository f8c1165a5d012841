"""Registers kernels as ops: the names that ``sc.ops`` has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError
from beam_scanner.kernels.op_registry import Registry
from beam_scanner.kernels.op_spec import OpSpec
from beam_scanner.kernels.read_spec import (
    check_attributes,
    check_devices,
    check_stencil,
    execute_of,
    name_of,
    own_init_params,
    own_stream_params,
    read_spec,
    takes_columns,
)
from beam_scanner.kernels.signature import check_names, column_port
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
    whole_stream: bool = False,
    device_type: DeviceType | None = None,
    device_sets: Sequence[Sequence[Any]] | None = None,
    batch: int = 1,
    proto_path: str | None = None,
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
        whole_stream: The kernel takes all rows of a stream (or slice group) at once.
        device_type: Where it runs; CPU if None.
        device_sets: Pairs of a device type and a count, instead of ``device_type``,
            for a kernel that can run on several; counts are not used.
        batch: Most rows a call; above 1 the kernel takes and returns sequences.
        proto_path: A ``*_pb2.py`` file whose messages are added to ``protobufs``.
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
        names = sys._getframe(1)
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
            frame=names,
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
    """Declares an op whose kernel follows with :func:`register_python_kernel`.

    Args:
        name: Of the op.
        input_columns: Each a name, for bytes, or ``(name, ColumnType)``, or
            ``(name, ColumnType, type)``.
        output_columns: As ``input_columns``.
        variadic_inputs: The op takes any number of inputs; ``input_columns`` may
            have one, with their type, else they are bytes.
        stencil: See :func:`register_python_op`.
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
        return OpSpec(
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
            init_params=own_init_params(name, kernel)[0] if is_class else (),
            stream_params=own_stream_params(name, kernel) if is_class else (),
            open_args=True,
            returns_tuple=True,
            raw=takes_columns(execute, inputs),
        )

    if proto_path is not None:
        protobufs.add_module(proto_path)
    _registry.declare(name, make)


def register_python_kernel(
    op_name: str, device_type: DeviceType, kernel: Any, batch: int = 1
) -> None:
    """Gives an op that :func:`register_op` declared its kernel.

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
