"""Registers the ops of a native library."""

from __future__ import annotations

import os
from pathlib import Path

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError, ScannerException
from beam_scanner.kernels.native.arguments import encoder
from beam_scanner.kernels.native.description import NativeOp, read_description
from beam_scanner.kernels.native.library import NativeLibrary
from beam_scanner.kernels.native.native_kernel import NativeKernel, native_class
from beam_scanner.kernels.op_spec import OpSpec, Port
from beam_scanner.kernels.register import (
    check_attributes,
    check_edge,
    check_stencil,
    registry,
)
from beam_scanner.kernels.signature import check_names
from beam_scanner.types.type_info import get_type_info_cpp


def load_library(
    path: str | os.PathLike[str], proto_path: str | os.PathLike[str] | None = None
) -> list[str]:
    """Registers the ops of a shared library that exports ``beam_scanner_op.h``.

    Workers need not have the file: its content travels with graphs. A library that was
    built again replaces itself; one that is loaded again is left as it is.

    Args:
        path: The library, for the workers' machine and this one's.
        proto_path: A ``*_pb2.py`` file with the messages of its arguments.

    Returns:
        The names of its ops.

    Raises:
        ScannerException: The file does not exist or does not export this package's
            interface, or the name of an op is taken.
    """
    file = Path(path).resolve()
    if proto_path is not None:
        protobufs.add_module(str(proto_path))
    try:
        try:
            library = NativeLibrary(file.read_bytes())
        except OSError as error:
            raise ArgumentError(error.strerror or str(error)) from None
        ops = read_description(library.describe())
        specs = [native_spec(library, op, f"native library {file}") for op in ops]
        new = [spec for spec in specs if not _is_registered(spec)]
        for spec in new:
            registry().check(spec)
    except ScannerException as error:
        message = f"Failed to load op library: {path}: {error}"
        raise type(error)(message) from error
    for spec in new:
        registry().add(spec)
    return [op.name for op in ops]


def native_spec(library: NativeLibrary, op: NativeOp, place: str) -> OpSpec:
    """The spec of one op of a library.

    Args:
        library: Travels in it.
        op: Which op.
        place: Of the library, for errors.

    Raises:
        ScannerException: The op is described as something that it cannot be.
    """
    encoders = encoder(op.name, op.arguments), encoder(op.name, op.stream_arguments)
    stencil = check_stencil(op.name, op.stencil)
    check_edge(op.name, op.stencil_edge)
    check_attributes(
        op.name, op.unbounded_state, op.bounded_state, op.whole_stream, op.batch
    )
    if op.whole_stream and stencil is not None:
        raise ArgumentError(f"op {op.name} cannot have whole_stream and a stencil")
    inputs, outputs = (
        tuple(
            Port(c.name, None if c.is_frames else get_type_info_cpp(c.type))
            for c in side
        )
        for side in (op.inputs, op.outputs)
    )
    init, stream = (each.params() for each in encoders)
    check_names(op.name, () if op.variadic else inputs, (*init, *stream))
    return OpSpec(
        name=op.name,
        kernel=native_class(library, op, encoders, place),
        inputs=inputs,
        outputs=outputs,
        variadic=op.variadic,
        stencil=stencil,
        stencil_edge=op.stencil_edge,
        batch=op.batch,
        bounded_state=op.bounded_state,
        unbounded_state=op.unbounded_state,
        whole_stream=op.whole_stream,
        devices=op.devices,
        takes_nulls=op.takes_nulls,
        init_params=init,
        stream_params=stream,
        returns_tuple=len(outputs) > 1,
        native=True,
    )


def _is_registered(spec: OpSpec) -> bool:
    """Whether the same op of an equal library is there already."""
    if spec.name not in registry():
        return False
    known = registry().get(spec.name).kernel
    return (
        isinstance(known, type)
        and issubclass(known, NativeKernel)
        and known.library is spec.kernel.library
    )
