"""The memory of a call of a native kernel, which the next call of its size uses again."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from beam_scanner.kernels.native import interface
from beam_scanner.kernels.native.call_elements import (
    Inputs,
    Outputs,
    close_call,
    make_bytes,
    make_null,
    make_tensor,
    open_call,
)
from beam_scanner.kernels.native.description import NativeOp

MOST_ELEMENTS = 1024
"""Elements of the inputs of a call whose memory is worth keeping."""


class CallMemory:
    """What a kernel reads and makes in a call.

    To build it takes longer than many a kernel takes to compute a row. It is for one
    thread at a time, and after an error it is not to be used again.

    Args:
        op: The op.
        rows: Of the call.
        width: Inputs of a row.
        window: Elements of an input.
    """

    def __init__(self, op: NativeOp, rows: int, width: int, window: int) -> None:
        count = rows * width * window
        self.is_small = count <= MOST_ELEMENTS
        self._columns = op.inputs * (width if op.variadic else 1)
        self._inputs = Inputs(count)
        self._outputs = Outputs(op.outputs, rows)
        self._call = interface.Call(
            rows,
            width,
            window,
            len(op.outputs),
            0,
            self._inputs.elements,
            None,
            make_tensor,
            make_bytes,
            make_null,
        )
        self._pointer = ctypes.byref(self._call)

    def fill(self, rows: Sequence[Sequence[Sequence[Any]]]) -> None:
        """Sets the inputs.

        Args:
            rows: For each row, for each input, the elements of the window.

        Raises:
            ElementTypeError: An element is none of its column.
        """
        inputs, place = self._inputs, 0
        for row in rows:
            for column, elements in zip(self._columns, row, strict=True):
                for value in elements:
                    inputs.set(place, column, value)
                    place += 1

    def call(self, execute: Any, kernel: Any, error: Any) -> int:
        """Calls a kernel; returns its code.

        Args:
            execute: The function of the library.
            kernel: Its address.
            error: Where the library writes why it has failed.

        Raises:
            KernelError: The library has asked for what cannot be.
        """
        number = open_call(self._outputs)
        self._call.host = number
        try:
            code: int = execute(kernel, self._pointer, error)
        finally:
            close_call(number)
        if self._outputs.problem is not None:
            raise self._outputs.problem
        return code

    def take(self) -> list[list[Any]]:
        """For each output its elements; lets go of them and of the inputs.

        Raises:
            KernelError: The library has made too few.
        """
        found = self._outputs.columns()
        self._outputs.release()
        self._inputs.release()
        return found
