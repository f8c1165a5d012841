"""The elements of one call of a native kernel: inputs as it sees them, outputs it makes."""

from __future__ import annotations

import ctypes
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from beam_scanner.errors import ElementTypeError, KernelError
from beam_scanner.kernels.native import interface
from beam_scanner.kernels.native.description import DTYPES, Column
from beam_scanner.types.element_types import NULL, NullElement

_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}
# What DLPack calls each dtype: its code and its bits.
_NAMES = {
    np.dtype(name): (_CODES[np.dtype(name).kind], np.dtype(name).itemsize * 8)
    for name in DTYPES
}
_TYPES = {name: dtype for dtype, name in _NAMES.items()}
_MOST_DIMENSIONS = 32
_MOST_FORMS = 64
_CPU = 1


_LENGTHS = [ctypes.c_int64 * count for count in range(2 * 64 + 1)]


def address_of(array: np.ndarray[Any, Any]) -> int:
    """Where an array begins."""
    # The other ways to ask describe the whole array first, which takes longer.
    if array.flags.writeable and array.size:
        memory: Any = array
        return ctypes.addressof(ctypes.c_char.from_buffer(memory))
    address: int = array.__array_interface__["data"][0]
    return address


class Inputs:
    """Elements of inputs in the memory that a kernel reads.

    It can be used for one call after the other: of a frame like that of the last call
    only the address is written.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self.elements = (interface.Element * max(count, 1))()
        # What each tensor says, and the lengths to which it points.
        self._forms: list[Any] = [None] * count
        self._lengths: list[Any] = [None] * count
        self._kept: list[Any] = []

    def release(self) -> None:
        """Lets go of the values, when the call is over."""
        self._kept.clear()

    def set(self, index: int, column: Column, value: Any) -> None:
        """Sets one of them.

        Raises:
            ElementTypeError: It is a frame that the column does not take.
        """
        element = self.elements[index]
        form = None
        if type(value) is np.ndarray:
            form = column, value.dtype, value.shape, value.strides
            if form == self._forms[index]:
                element.tensor.data = address_of(value)
                self._kept.append(value)
                return
        self._forms[index] = None
        if isinstance(value, NullElement):
            self._begin(index, interface.NULL)
        elif column.is_frames:
            packed = _packed(column, value)
            self._begin(index, interface.TENSOR)
            self._lengths[index] = self._set_tensor(element.tensor, packed)
            if packed is value:
                self._forms[index] = form
        else:
            self._begin(index, interface.BYTES)
            # An empty object has an address, too.
            held = bytes(value)
            element.bytes = ctypes.cast(ctypes.c_char_p(held), ctypes.c_void_p)
            element.size = len(held)
            self._kept.append(held)

    def _begin(self, index: int, kind: int) -> None:
        """Makes an element one of a kind, without what one of another kind has left."""
        if self.elements[index].kind != kind:
            self.elements[index] = interface.Element(kind)

    def _set_tensor(self, tensor: Any, array: np.ndarray[Any, Any]) -> Any:
        count, size = array.ndim, array.itemsize
        lengths = _LENGTHS[2 * count]
        sizes = lengths(*array.shape, *(step // size for step in array.strides))
        start = ctypes.addressof(sizes)
        code, bits = _NAMES[array.dtype]
        tensor.data = address_of(array)
        tensor.device.device_type = _CPU
        tensor.ndim = count
        tensor.dtype = interface.DataType(code, bits, 1)
        tensor.shape, tensor.strides = start, start + 8 * count
        self._kept.append(array)
        return sizes


def _packed(column: Column, value: Any) -> np.ndarray[Any, Any]:
    """A frame in C order and the machine's byte order."""
    if not isinstance(value, np.ndarray):
        raise ElementTypeError(
            f"input {column.name!r} expected a frame, got {type(value).__name__}"
        )
    array = np.ascontiguousarray(value)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype not in _NAMES:
        raise ElementTypeError(
            f"input {column.name!r}: native ops take no frames of {array.dtype}"
        )
    if not column.fits(array.dtype, array.shape):
        raise ElementTypeError(
            f"input {column.name!r} expected {column.wanted}, got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array


class Outputs:
    """The outputs of one call, which the library asks for one by one.

    Args:
        columns: The outputs of the op.
        rows: Rows of the call.
    """

    def __init__(self, columns: Sequence[Column], rows: int) -> None:
        self._columns = columns
        self._rows = rows
        # The tensors that were found to be right, for calls that follow.
        self._right: dict[Any, np.dtype[Any]] = {}
        self.release()

    def release(self) -> None:
        """Forgets what was made, when the call is over."""
        self._made: list[Any] = [None] * (self._rows * len(self._columns))
        self.problem: BaseException | None = None

    def tensor(self, row: int, output: int, dtype: Any, ndim: int, shape: Any) -> int:
        """Makes a frame; gives its address."""
        column = self._column(row, output)
        if not column.is_frames:
            raise self._wrong(
                column, row, f"holds {column.type}: make bytes, no tensor"
            )
        if not 1 <= ndim <= _MOST_DIMENSIONS:
            raise self._wrong(column, row, f"cannot have {ndim} dimensions")
        if not dtype or not shape:
            raise self._wrong(column, row, "was asked for with a NULL dtype or shape")
        kind, lengths = dtype.contents, tuple(shape[:ndim])
        form = output, kind.code, kind.bits, kind.lanes, lengths
        found = self._right.get(form)
        if found is None:
            found = self._checked(column, row, kind, lengths)
            if len(self._right) < _MOST_FORMS:
                self._right[form] = found
        array = np.empty(lengths, found)
        self._keep(row, output, array)
        return address_of(array)

    def _checked(
        self, column: Column, row: int, kind: Any, lengths: tuple[int, ...]
    ) -> np.dtype[Any]:
        """The dtype of a tensor that the column may have."""
        found = _TYPES.get((kind.code, kind.bits)) if kind.lanes == 1 else None
        if found is None:
            raise self._wrong(
                column,
                row,
                f"cannot have DLDataType code {kind.code}, {kind.bits} bits, "
                f"{kind.lanes} lanes",
            )
        if min(lengths) < 0 or math.prod(lengths) * found.itemsize > sys.maxsize:
            raise self._wrong(column, row, f"cannot have shape {lengths}")
        if not column.fits(found, lengths):
            raise self._wrong(
                column,
                row,
                f"is {found} of shape {lengths}; the description says {column.wanted}",
            )
        return found

    def bytes(self, row: int, output: int, size: int) -> int:
        """Makes an element of another type; gives its address."""
        column = self._column(row, output)
        if column.is_frames:
            raise self._wrong(column, row, "holds frames: make a tensor, no bytes")
        if size < 0:
            raise self._wrong(column, row, f"cannot have {size} bytes")
        array = np.empty(size, np.uint8)
        self._keep(row, output, array)
        return address_of(array)

    def null(self, row: int, output: int) -> bool:
        """Makes a null element; gives True."""
        self._column(row, output)
        self._keep(row, output, NULL)
        return True

    def _column(self, row: int, output: int) -> Column:
        if not 0 <= row < self._rows:
            raise KernelError(
                f"the library made an output of row {row} in a call of {self._rows} rows"
            )
        if not 0 <= output < len(self._columns):
            raise KernelError(
                f"the library made output {output} of an op with {len(self._columns)}"
            )
        return self._columns[output]

    def _keep(self, row: int, output: int, value: Any) -> None:
        place = row * len(self._columns) + output
        if self._made[place] is not None:
            raise self._wrong(self._columns[output], row, "was made twice")
        self._made[place] = value

    def _wrong(self, column: Column, row: int, why: str) -> KernelError:
        return KernelError(f"output {column.name!r}{self._of_row(row)} {why}")

    def _of_row(self, row: int) -> str:
        return f" of row {row} of the call" if self._rows > 1 else ""

    def columns(self) -> list[list[Any]]:
        """For each output its elements.

        Raises:
            KernelError: The library has made too few.
        """
        count = len(self._columns)
        for place, value in enumerate(self._made):
            if value is None:
                row, output = divmod(place, count)
                raise self._wrong(self._columns[output], row, "was not made")
        return [
            self._plain(column, self._made[output::count])
            for output, column in enumerate(self._columns)
        ]

    def _plain(self, column: Column, elements: list[Any]) -> list[Any]:
        if column.is_frames:
            return elements
        return [v if isinstance(v, NullElement) else v.tobytes() for v in elements]


# A library may call back when the call is over, by mistake: it gets NULL then, so the
# functions are there for ever and find outputs by a number.
_calls: dict[int, Outputs] = {}
_numbers = itertools.count(1)


def open_call(outputs: Outputs) -> int:
    """A number by which a library asks for outputs, until :func:`close_call`."""
    number = next(_numbers)
    _calls[number] = outputs
    return number


def close_call(number: int) -> None:
    """Ends what :func:`open_call` began."""
    del _calls[number]


def _asked(host: int | None, method: Callable[..., Any], *arguments: Any) -> Any:
    """What a method of the outputs returns; None if it cannot."""
    outputs = _calls.get(host or 0)
    if outputs is None:
        return None
    try:
        return method(outputs, *arguments)
    # Nothing may be raised through the library.
    except BaseException as error:
        outputs.problem = outputs.problem or error
        return None


def _make_tensor(
    host: Any, row: int, output: int, dtype: Any, ndim: int, shape: Any
) -> Any:
    return _asked(host, Outputs.tensor, row, output, dtype, ndim, shape)


def _make_bytes(host: Any, row: int, output: int, size: int) -> Any:
    return _asked(host, Outputs.bytes, row, output, size)


def _make_null(host: Any, row: int, output: int) -> int:
    return 0 if _asked(host, Outputs.null, row, output) else 1


make_tensor = interface.MAKE_TENSOR(_make_tensor)
make_bytes = interface.MAKE_BYTES(_make_bytes)
make_null = interface.MAKE_NULL(_make_null)
