"""Ops that are registered by a Python file."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from types import ModuleType

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError


def register_module(
    so_path: str | os.PathLike[str], proto_path: str | os.PathLike[str] | None = None
) -> ModuleType:
    """Runs a Python file that registers ops.

    Workers need not have the file: its kernels travel with the graph.

    Args:
        so_path: The file. Scanner's compiled modules (``.so``) cannot be loaded: call
            their kernels from a Python kernel.
        proto_path: A ``*_pb2.py`` file whose messages are added to ``protobufs``.

    Returns:
        The module; the same one if the file was registered before.

    Raises:
        ArgumentError: There is no such file, or it is not Python.

    Examples:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile('w', suffix='.py') as file:
        ...     _ = file.write('answer = 42')
        ...     file.flush()
        ...     register_module(file.name).answer
        42
    """
    file = Path(so_path).resolve()
    if file.suffix != ".py":
        raise ArgumentError(
            f"module {str(so_path)!r} is not a .py file; compiled Scanner modules cannot "
            "be loaded: call their code from a Python kernel (ctypes, pybind11)"
        )
    if not file.is_file():
        raise ArgumentError(f"module {str(so_path)!r} does not exist")
    if proto_path is not None:
        protobufs.add_module(str(proto_path))
    digest = hashlib.sha256(os.fsencode(file)).hexdigest()[:8]
    # A dot would make it a part of some package.
    name = f"{re.sub(r'[^a-zA-Z0-9_]', '_', file.stem)}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    return protobufs.load_file(name, file)
