"""Kernels of a native library, without a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from beam_scanner.kernels import KernelConfig
from beam_scanner.kernels.native.description import read_description
from beam_scanner.kernels.native.library import NativeLibrary
from beam_scanner.kernels.native.load import native_spec
from beam_scanner.kernels.op_spec import OpSpec


def spec_of(path: Path, name: str) -> OpSpec:
    """The spec of an op, which is not registered."""
    library = NativeLibrary(path.read_bytes())
    ops = {op.name: op for op in read_description(library.describe())}
    return native_spec(library, ops[name], "tests")


def kernel_of(path: Path, name: str, **arguments: Any) -> Any:
    """A kernel of an op."""
    return spec_of(path, name).instantiate(KernelConfig(), arguments)
