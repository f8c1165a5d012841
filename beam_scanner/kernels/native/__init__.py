"""Ops of native libraries: C, C++, Rust and whatever else exports a C function."""

from __future__ import annotations

from pathlib import Path

from beam_scanner.kernels.native.load import load_library as load_library


def include_folder() -> str:
    """The folder with ``beam_scanner_op.h`` and ``beam_scanner_op.hpp``, for compilers.

    Examples:
        >>> import os
        >>> 'beam_scanner_op.h' in os.listdir(include_folder())
        True
    """
    return str(Path(__file__).parent)
