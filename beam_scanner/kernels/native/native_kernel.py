"""Kernels whose work is done by a native library."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from beam_scanner.errors import KernelError
from beam_scanner.kernels.kernel import Kernel, KernelConfig
from beam_scanner.kernels.native import interface
from beam_scanner.kernels.native.arguments import Encoder
from beam_scanner.kernels.native.call_memory import CallMemory
from beam_scanner.kernels.native.description import NativeOp
from beam_scanner.kernels.native.library import NativeLibrary, NativeOps
from beam_scanner.types.element_types import DeviceHandle, DeviceType

_DEVICES = {DeviceType.CPU: 1, DeviceType.GPU: 2}


class OpenKernel:
    """A kernel that a library has made.

    Args:
        ops: The library.
        op: Which of its ops.
        arguments: Of the call, encoded.
        device: Where it is to compute; None for the CPU.

    Raises:
        KernelError: The library refuses.
    """

    def __init__(
        self,
        ops: NativeOps,
        op: NativeOp,
        arguments: bytes,
        device: DeviceHandle | None = None,
    ) -> None:
        self._ops = ops
        self._op = op
        self._address = ctypes.c_void_p()
        self._error = ctypes.create_string_buffer(interface.ERROR_BYTES)
        # Of the latest call, by its size.
        self._memory: dict[tuple[int, int, int], CallMemory] = {}
        config = interface.Config(
            op.name.encode(), arguments, len(arguments), _device(device)
        )
        made = ctypes.byref(self._address)
        self._check("create", ops.create(ctypes.byref(config), made, self._error))
        if not self._address:
            raise KernelError("create of the native library returned no kernel")

    def _check(self, function: str, code: int) -> None:
        if code == 0:
            return
        # The final NUL may be missing.
        raw = self._error.raw.partition(b"\0")[0]
        self._error.raw = b"\0" * interface.ERROR_BYTES
        text = raw.decode(errors="replace").strip()
        raise KernelError(
            text
            or f"{function} of the native library returned {code} without saying why"
        )

    def new_stream(self, arguments: bytes) -> None:
        """Gives it the arguments of a stream."""
        code = self._ops.new_stream(
            self._address, arguments, len(arguments), self._error
        )
        self._check("new_stream", code)

    def reset(self) -> None:
        """Makes it forget all state."""
        self._check("reset", self._ops.reset(self._address, self._error))

    def close(self) -> None:
        """Frees it; again is harmless."""
        address, self._address = self._address, ctypes.c_void_p()
        if address:
            self._ops.destroy(address)

    def __del__(self) -> None:
        self.close()

    def execute(self, rows: Sequence[Sequence[Sequence[Any]]]) -> list[list[Any]]:
        """Computes rows.

        Args:
            rows: For each row, for each input, the elements of the window.

        Returns:
            For each output its elements: arrays, bytes or NULL.

        Raises:
            KernelError: The library has said so, or has not made the outputs that it
                should.
        """
        if not self._address:
            raise KernelError("this kernel was closed")
        if not rows:
            return [[] for _ in self._op.outputs]
        size = len(rows), len(rows[0]), len(rows[0][0])
        try:
            # Taken away, so that calls in several threads do not share it.
            memory = self._memory.pop(size)
        except KeyError:
            memory = CallMemory(self._op, *size)
        memory.fill(rows)
        code = memory.call(self._ops.execute, self._address, self._error)
        self._check("execute", code)
        found = memory.take()
        if memory.is_small:
            self._memory = {size: memory}
        return found


def _device(handle: DeviceHandle | None) -> interface.Device:
    if handle is None:
        return interface.Device(_DEVICES[DeviceType.CPU], 0)
    return interface.Device(_DEVICES[handle.device], handle.device_id)


class NativeKernel(Kernel):
    """Base of the kernels of one op of a library; see :func:`native_class`."""

    library: ClassVar[NativeLibrary]
    op: ClassVar[NativeOp]
    encode: ClassVar[Encoder]
    encode_stream: ClassVar[Encoder]

    def __init__(self, config: KernelConfig, **arguments: Any) -> None:
        super().__init__(config)
        device = config.devices[0] if config.devices else None
        self._open = OpenKernel(
            self.library.ops(), self.op, self.encode.encode(arguments), device
        )

    def new_stream(self, **arguments: Any) -> None:
        """Gives the library the arguments of a stream."""
        self._open.new_stream(self.encode_stream.encode(arguments))

    def reset(self) -> None:
        """Makes the library forget all state."""
        self._open.reset()

    def close(self) -> None:
        """Frees what the library has made."""
        self._open.close()

    def execute(self, *values: Any, **named: Any) -> Any:
        """Elements of any type but frames are bytes, in inputs and outputs."""
        columns = values or [named[column.name] for column in self.op.inputs]
        batched, stencil = self.op.batched, self.op.stencil is not None
        rows: list[Any] = list(zip(*columns, strict=True)) if batched else [columns]
        if not stencil:
            rows = [[[value] for value in row] for row in rows]
        made = self._open.execute(rows)
        found = tuple(made) if batched else tuple(column[0] for column in made)
        return found if len(found) > 1 else found[0]


def native_class(
    library: NativeLibrary,
    op: NativeOp,
    encoders: tuple[Encoder, Encoder],
    place: str,
) -> type[NativeKernel]:
    """The kernel class of one op of a library.

    Args:
        library: Travels with the class.
        op: Which of its ops.
        encoders: Of the arguments of the constructor, and of a stream.
        place: What stands for the module of the class, in errors; no name of a module, so
            that the class is pickled by value.
    """
    docs = {**encoders[0].docs(), **encoders[1].docs()}
    members: dict[str, Any] = {
        "library": library,
        "op": op,
        "encode": encoders[0],
        "encode_stream": encoders[1],
        "__doc__": _doc(op.doc, docs),
        "__module__": place,
        "__qualname__": op.name,
    }
    made: Callable[..., Any] = type
    found: type[NativeKernel] = made(op.name, (NativeKernel,), members)
    return found


def _doc(text: str, arguments: dict[str, str]) -> str:
    listed = [f"    {name}: {doc}" for name, doc in arguments.items() if doc]
    if not listed:
        return text
    return "\n".join([text, "", "Args:", *listed])
