"""Ops that are registered by a Python file or a native library."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from types import ModuleType

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError
from beam_scanner.kernels.native.load import load_library


def register_module(
    so_path: str | os.PathLike[str], proto_path: str | os.PathLike[str] | None = None
) -> ModuleType | None:
    """Registers the ops of a file: of Python, or a native library.

    Workers need not have the file: its ops travel with the graph.

    Args:
        so_path: A ``.py`` file that registers ops, which is run; or a shared library
            that was written for ``beam_scanner_op.h``.
        proto_path: A ``*_pb2.py`` file whose messages are added to ``protobufs``.

    Returns:
        The module, the same one if the file was registered before; None for a
        library.

    Raises:
        ScannerException: There is no such file, or it is neither.

    Examples:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile('w', suffix='.py') as file:
        ...     _ = file.write('answer = 42')
        ...     file.flush()
        ...     register_module(file.name).answer
        42
    """
    if Path(so_path).suffix == ".py":
        return run_module(so_path, proto_path)
    load_library(so_path, proto_path)
    return None


def run_module(
    path: str | os.PathLike[str], proto_path: str | os.PathLike[str] | None = None
) -> ModuleType:
    """Runs a Python file that registers ops; see :func:`register_module`."""
    file = Path(path).resolve()
    if not file.is_file():
        raise ArgumentError(f"module {str(path)!r} does not exist")
    if proto_path is not None:
        protobufs.add_module(str(proto_path))
    digest = hashlib.sha256(os.fsencode(file)).hexdigest()[:8]
    # A dot would make it a part of some package.
    name = f"{re.sub(r'[^a-zA-Z0-9_]', '_', file.stem)}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    return protobufs.load_file(name, file)
