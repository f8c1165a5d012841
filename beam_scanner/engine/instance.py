"""One kernel and its life: set-up, stream arguments, resets, calls and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from beam_scanner.engine.containment import is_interrupt, raising_as
from beam_scanner.errors import ElementTypeError, KernelError
from beam_scanner.graph.nodes import OpNode
from beam_scanner.kernels.at_element import element_of
from beam_scanner.kernels.device_frames import ON_DEVICES, DeviceFrame, library_of
from beam_scanner.kernels.gpus import has_gpu
from beam_scanner.kernels.inference.predictions import plain_tensor
from beam_scanner.kernels.kernel import Kernel, KernelConfig
from beam_scanner.planner.bound import BoundOp, stream_args
from beam_scanner.text.error_text import class_name, message_of, traceback_of
from beam_scanner.text.exception_parts import is_a
from beam_scanner.types.element_types import (
    NULL,
    DeviceHandle,
    DeviceType,
    NullElement,
)


class OpError(KernelError):
    """A kernel failed.

    Attributes:
        op: Name of the op.
        row: Row of the op's own stream; None while it was set up.
        reason: The error that was raised, or what is wrong with the returned value.
        details: Traceback of the kernel as a string.
        exception: Name of the class of the error that was raised.
    """

    def __init__(
        self,
        op: str,
        row: int | None,
        reason: str,
        details: str = "",
        exception: str = "KernelError",
    ) -> None:
        where = f"op {op}" if row is None else f"op {op}, row {row}"
        super().__init__(f"{where}: {reason}")
        self.op = op
        self.row = row
        self.reason = reason
        self.details = details
        self.exception = exception

    def __reduce__(self) -> tuple[type[OpError], tuple[str, int | None, str, str, str]]:
        parts = self.op, self.row, self.reason, self.details, self.exception
        return OpError, parts


class KernelInstance:
    """A kernel of one op node; used by one task at a time.

    Args:
        node: The op node that it serves.
        number: The node's number in its graph.
    """

    def __init__(self, node: OpNode, number: int) -> None:
        self.node = node
        self.spec = node.spec
        self.config = _config(node, number)
        self.kernel: Any = None
        self._group: int | None = None
        self._last_row = -1

    def create(self) -> None:
        """Builds the kernel object; a function stands for itself."""
        if self.node.device == DeviceType.GPU and not has_gpu():
            reason = "it is to run on a GPU, but this worker's machine has none"
            raise OpError(self.spec.name, None, reason)
        with self.guard(None):
            self.kernel = self.spec.instantiate(self.config, self.node.init_args)

    def setup(self) -> None:
        """Runs ``setup_with_resources``."""
        self._optional("setup_with_resources")

    def fetch(self) -> None:
        """Runs ``fetch_resources``."""
        self._optional("fetch_resources")

    @property
    def fetches(self) -> bool:
        """Whether the kernel has resources of its own to fetch."""
        return self._overrides("fetch_resources")

    def close(self) -> None:
        """Runs ``close``."""
        self._optional("close")

    def begin_task(self) -> None:
        """Forgets what the last task left."""
        self._group = None

    def place(self, op: BoundOp, job: int, row: int, group: int) -> None:
        """Gets ready for the next call, which begins with ``row`` of ``group``."""
        if not self.spec.is_class:
            return
        if group == self._group and row == self._last_row + 1:
            return
        # A kernel that takes the whole stream in one call has nothing to keep.
        keeps_state = op.stateful and not self.spec.whole_stream
        if group != self._group:
            self._reset(row, keeps_state)
            self._optional("new_stream", row, **stream_args(op.node, job, group))
            self._group = group
        elif keeps_state:
            self.start_again(op, job, row, group)

    def start_again(self, op: BoundOp, job: int, row: int, group: int) -> None:
        """Forgets the rows before ``row``, of an op with state."""
        if not self.spec.is_class:
            return
        self._reset(row, True)
        if not self._overrides("reset"):
            self._optional("new_stream", row, **stream_args(op.node, job, group))

    def called(self, last_row: int) -> None:
        """Remembers where the last call ended."""
        self._last_row = last_row

    def _reset(self, row: int, keeps_state: bool) -> None:
        if not keeps_state or self._overrides("reset"):
            self._optional("reset", row)
        elif self._last_row >= 0:
            # A new object: nothing else makes it forget the last stream or run.
            self.close()
            self.create()
            self.setup()
            self._last_row = -1

    def _optional(self, method: str, row: int | None = None, **arguments: Any) -> None:
        found = getattr(self.kernel, method, None) if self.spec.is_class else None
        if found is not None:
            with self.guard(row):
                found(**arguments)

    def guard(self, row: int | None) -> raising_as:
        """Turns whatever the user's code raises into an error that names the op."""
        # sys.exit(), a cancelled coroutine and a panic of Rust are not Exceptions.
        return raising_as(lambda error: self.failed(row, error))

    def _overrides(self, method: str) -> bool:
        found = getattr(self.spec.kernel, method, None)
        return found is not None and found is not getattr(Kernel, method)

    def call_row(self, row: int, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Calls the kernel for one row.

        Args:
            row: The op's own row, for errors.
            inputs: One value for each input column, a list with a stencil.

        Returns:
            One element for each output column: serialized bytes, a frame or NULL.

        Raises:
            OpError: The kernel raised, or returned something else than declared.
        """
        made = enumerate(self._call([row], inputs))
        return tuple([self._element(row, index, value) for index, value in made])

    def call_batch(
        self, rows: Sequence[int], inputs: Sequence[list[Any]]
    ) -> list[tuple[Any, ...]]:
        """Calls the kernel once for several rows; see :meth:`call_row`."""
        listed = []
        for index, column in enumerate(self._call(rows, inputs)):
            wrong = ""
            if isinstance(column, (str, bytes)) or not hasattr(column, "__len__"):
                shown = type(column).__name__
                wrong = f"must be a sequence with one element a row, got {shown}"
            elif len(column) != len(rows):
                wrong = f"has {len(column)} elements for a call with {len(rows)} rows"
            if wrong:
                raise self._error(rows[0], index, f" {wrong}")
            elements = zip(rows, column, strict=True)
            listed.append([self._element(row, index, value) for row, value in elements])
        return list(zip(*listed, strict=True))

    def _call(self, rows: Sequence[int], inputs: Sequence[Any]) -> tuple[Any, ...]:
        # No context manager, as where calls are rare: this is done for every row.
        try:
            return self.spec.call(self.kernel, self.config, inputs)
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise self.failed(rows[element_of(error)], error) from error

    def failed(self, row: int | None, error: BaseException) -> OpError:
        """The error to raise for one that users' code has raised."""
        if is_a(error, OpError):
            return error
        name, text = class_name(error), message_of(error)
        reason = f"{name}: {text}" if text else name
        # As numpy says it; OpenCV has an error of its own.
        numpys = is_a(error, ValueError) and "read-only" in text
        if numpys or "array marked as readonly" in text:
            reason += (
                "; this input is used elsewhere too: copy it before writing into it"
            )
        return OpError(self.spec.name, row, reason, traceback_of(error), name)

    def _error(self, row: int, index: int, reason: str, *more: str) -> OpError:
        outputs = self.spec.outputs
        # The only one was named by nobody, unless it is of a native library.
        plain = len(outputs) == 1 and not self.spec.native
        output = "its output" if plain else f"output {outputs[index].name!r}"
        return OpError(self.spec.name, row, f"{output}{reason}", *more)

    def _element(self, row: int, index: int, value: Any) -> Any:
        if isinstance(value, NullElement):
            return NULL
        kind = self.spec.outputs[index].type
        if kind is None:
            return self._frame(row, index, value)
        try:
            if self.spec.native:
                # Reading it shows whether it is of that type.
                kind.deserialize(value)
                return value
            return kind.serialize(value)
        except ElementTypeError as error:
            raise self._error(row, index, f": {message_of(error)}") from error
        except BaseException as error:
            if is_interrupt(error):
                raise
            what = f"a {type(value).__name__} cannot be serialized as {kind.name}"
            if self.spec.native:
                what = f"{len(value)} bytes are no {kind.name}"
            reason = f": {what}: {message_of(error)}"
            details = traceback_of(error), class_name(error)
            raise self._error(row, index, reason, *details) from error

    def _frame(self, row: int, index: int, value: Any) -> Any:
        library = library_of(type(value))
        if library in ON_DEVICES and self.node.device != DeviceType.CPU and value.ndim:
            return DeviceFrame(value[:, :, None] if value.ndim == 2 else value).copy()
        value = plain_tensor(value) if library else value
        if not isinstance(value, np.ndarray) or value.ndim == 0:
            expected = "a frame (a numpy array of H x W x C)"
            shown = type(value).__name__
            raise self._error(row, index, f" must be {expected}, got {shown}")
        if value.dtype.hasobject:
            raise self._error(row, index, ": a frame cannot have dtype object")
        if value.ndim == 2:
            value = value[:, :, None]
        # A kernel may keep and change what it returned; a frame must not change
        # behind the reader's back.
        return value if self.spec.native else np.array(value, order="C", copy=True)


def _config(node: OpNode, number: int) -> KernelConfig:
    columns = [port.name for port in node.spec.inputs]
    return KernelConfig(
        devices=[DeviceHandle(node.device, 0)],
        input_columns=columns,
        input_column_types=[column.column_type for column in node.columns],
        output_columns=[port.name for port in node.spec.outputs],
        output_column_types=[column.column_type for column in node.outputs()],
        args=dict(node.init_args),
        node_id=number,
        batch=node.batch,
        stencil=None if node.stencil is None else list(node.stencil),
    )
