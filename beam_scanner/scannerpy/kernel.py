"""``scannerpy.kernel``: what users' ops are written with."""

from __future__ import annotations

from typing import Any, NoReturn

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels.kernel import Kernel as Kernel
from beam_scanner.kernels.kernel import KernelConfig as KernelConfig


def python_kernel_fn(
    n: Any, recv_conn: Any, send_conn: Any, p_conn1: Any, p_conn2: Any
) -> NoReturn:
    """The main function of Scanner's kernel processes.

    Raises:
        ArgumentError: Always; says what to use.
    """
    raise ArgumentError(
        "python_kernel_fn served the processes of Scanner's engine: workers of Beam "
        "call kernels themselves; register_python_op is all that a kernel needs"
    )
