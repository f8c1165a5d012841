"""The ops of this package that are also there in C, where the library was built.

Each has a twin in Python that gives the same bytes: whether there is a library changes
how long a run takes, and nothing else. So neither it nor its absence is in fingerprints.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from beam_scanner.kernels.native import interface
from beam_scanner.kernels.native.arguments import encoder
from beam_scanner.kernels.native.description import NativeOp, read_description
from beam_scanner.kernels.native.library import NativeOps
from beam_scanner.kernels.native.native_kernel import OpenKernel

Array = np.ndarray[Any, Any]
Compute = Callable[..., Array]
"""From arrays, one for each input, to an array."""

LIBRARY = Path(__file__).parent / "native" / "libbeam_scanner_ops.so"


class NativeCompute:
    """An op of the library, as a function of arrays.

    Args:
        name: Of the op.
        instructions: 'avx512', 'avx2', 'ssse3' or 'plain', for tests; the best that
            there are if empty.
        library: Where it is, if it is another one.

    Raises:
        Exception: There is no such library, or this machine has no such instructions.
    """

    def __init__(
        self, name: str, instructions: str = "", library: Path | None = None
    ) -> None:
        functions, ops = _open(str(library or LIBRARY))
        given = encoder(name, ops[name].arguments).encode(
            {"instructions": instructions}
        )
        self._kernel = OpenKernel(functions, ops[name], given)

    def __call__(self, *arrays: Array) -> Array:
        """Computes one array."""
        ((made,),) = self._kernel.execute([[[array] for array in arrays]])
        found: Array = made
        return found


@functools.cache
def _open(path: str) -> tuple[NativeOps, dict[str, NativeOp]]:
    table = interface.open_ops(path)
    ops = read_description(interface.description_text(table).decode())
    return NativeOps(table), {op.name: op for op in ops}


def native_op(name: str, twin: Compute, *sample: Array) -> NativeCompute | None:
    """An op of the library; None where there is none that can be used.

    Args:
        name: Of the op.
        twin: Computes the same in Python.
        *sample: Arrays on which both must agree: a library that was built wrongly, or
            is left from another version, must change no result.

    Examples:
        >>> native_op('NoSuchOp', lambda a: 2 * a, np.uint8([[1, 2]])) is None
        True
    """
    return NativeCompute(name) if _is_good(name, twin, sample) else None


_checked: dict[str, bool] = {}


def _is_good(name: str, twin: Compute, sample: tuple[Array, ...]) -> bool:
    """Whether the library has an op and agrees with its twin; found out once."""
    if not LIBRARY.exists():
        return False
    if name not in _checked:
        try:
            made, expected = NativeCompute(name)(*sample), twin(*sample)
            equal = made.dtype == expected.dtype and np.array_equal(made, expected)
            problem = "" if equal else "gives another result than Python"
        except Exception as error:
            problem = f"cannot be used: {error}"
        if problem:
            logging.getLogger(__name__).warning(
                "%s of %s %s; Python does its work. Install the package again",
                name,
                LIBRARY,
                problem,
            )
        _checked[name] = not problem
    return _checked[name]
