"""Reads what a kernel says of itself into an ``OpSpec``, and checks it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from types import FunctionType
from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels.kernel import Kernel
from beam_scanner.kernels.op_spec import OpSpec, Param, Port
from beam_scanner.kernels.signature import (
    SignatureReader,
    callers_names,
    check_names,
    init_params,
    method_parameters,
    reads_config,
    stream_params,
)
from beam_scanner.rows.whole_numbers import as_whole_number
from beam_scanner.types.element_types import DeviceType

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
        name: See :func:`register_python_op`, as all others.
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
        ScannerException: As :func:`register_python_op`.

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
    if whole_stream and checked_stencil is not None:
        raise ArgumentError(f"op {op} cannot have whole_stream and a stencil")
    check_edge(op, stencil_edge)
    execute = execute_of(op, kernel)
    function = inspect.unwrap(execute)
    reader = SignatureReader(
        op,
        function,
        callers_names(frame or sys._getframe(1), function),
        batched=batch > 1 or whole_stream,
        stencil=checked_stencil is not None,
        whole=whole_stream,
    )
    inputs, variadic = reader.inputs(method_parameters(execute))
    outputs, is_tuple = reader.outputs(inspect.signature(execute).return_annotation)
    is_class = isinstance(kernel, type)
    init, any_init = own_init_params(op, kernel) if is_class else ((), False)
    stream = own_stream_params(op, kernel) if is_class else ()
    check_names(op, () if variadic else inputs, (*init, *stream))
    return OpSpec(
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
        whole_stream=whole_stream,
        devices=devices,
        version="" if version is None else str(version),
        takes_nulls=takes_nulls,
        init_params=init,
        stream_params=stream,
        open_args=any_init if is_class else reads_config(function),
        returns_tuple=is_tuple,
    )


def own_init_params(op: str, kernel: Any) -> tuple[tuple[Param, ...], bool]:
    """Parameters of a constructor, and whether it takes any others."""
    # What the base class takes is for constructors that call it.
    if kernel.__init__ is Kernel.__init__:
        return (), False
    return init_params(op, kernel)


def own_stream_params(op: str, kernel: Any) -> tuple[Param, ...]:
    """Parameters of ``new_stream``, unless it is that of the base class."""
    if getattr(kernel, "new_stream", None) is Kernel.new_stream:
        return ()
    return stream_params(op, kernel)


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
            f"op {op} takes the whole stream: it cannot have a batch or state beside"
        )


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
