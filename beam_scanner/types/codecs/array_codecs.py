"""Codecs of arrays, which differ in what they keep of dtype and shape."""

from __future__ import annotations

import ast
import functools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_scanner.types.type_info import Codec, damaged_value, wrong_value

_LONGEST_DTYPE = 1 << 16


@functools.lru_cache(maxsize=256)
def _dtype_text(dtype: np.dtype[Any]) -> str:
    descr = np.lib.format.dtype_to_descr(dtype)
    return descr if isinstance(descr, str) else repr(descr)


@functools.lru_cache(maxsize=256)
def _text_dtype(text: str) -> np.dtype[Any]:
    if len(text) > _LONGEST_DTYPE:
        raise ValueError(f"a dtype of {len(text)} characters")
    descr: Any = ast.literal_eval(text) if text.startswith(("[", "(")) else text
    dtype = np.lib.format.descr_to_dtype(descr)
    # NumPy would take the stored bytes for addresses of objects, and crash.
    if dtype.hasobject:
        raise ValueError(f"dtype {text} holds Python objects")
    return dtype


def _array_of(
    name: str, text: Any, shape: Sequence[Any], data: Any
) -> npt.NDArray[Any]:
    """The array that was stored as these parts, as a copy.

    Raises:
        ElementTypeError: They are not the parts of an array.
    """
    try:
        dtype = _text_dtype(text)
        if any(type(side) is not int or side < 0 for side in shape):
            raise ValueError(f"shape {tuple(shape)}")
        size = memoryview(data).nbytes
        if math.prod(shape) * dtype.itemsize != size:
            raise ValueError(f"{size} bytes for {dtype} of shape {tuple(shape)}")
        return np.ndarray(tuple(shape), dtype, data).copy()
    # It is not documented what NumPy and ast raise for a malformed dtype.
    except Exception as error:
        raise damaged_value(name, error) from error


@dataclass(frozen=True)
class ArrayCodec(Codec):
    """Arrays of any dtype and shape; both are kept, byte order too."""

    name: str

    @property
    def arrow_type(self) -> Any:
        """A struct of dtype, shape and data."""
        shape = pa.list_(pa.int64())
        parts = {"dtype": pa.string(), "shape": shape, "data": pa.binary()}
        return pa.struct(parts.items())

    def _check(self, value: Any) -> npt.NDArray[Any]:
        plain = isinstance(value, np.ndarray | np.generic)
        if not plain or isinstance(value, np.ma.MaskedArray):
            expected = "a NumPy array (numpy.asarray makes one)"
            raise wrong_value(self.name, value, expected)
        array = np.asarray(value)
        if array.dtype.hasobject:
            expected = "a dtype without Python objects (typing.Any holds those)"
            raise wrong_value(self.name, value, expected)
        return array

    def serialize(self, value: Any) -> bytes:
        """Header (dtype, shape), then the elements in C order."""
        array = self._check(value)
        text = _dtype_text(array.dtype).encode()
        head = struct.pack(
            f"<HB{array.ndim}q", len(text), array.ndim, *array.shape
        )  # the dtype's string comes last, so that the integers are aligned
        return b"".join((head, text, array.tobytes()))

    def deserialize(self, data: bytes) -> npt.NDArray[Any]:
        """A writable array of the dtype and shape that went in."""
        try:
            length, ndim = struct.unpack_from("<HB", data)
            shape = struct.unpack_from(f"<{ndim}q", data, 3)
            start = 3 + 8 * ndim
            text = bytes(data[start : start + length]).decode()
        except (struct.error, UnicodeDecodeError) as error:
            raise damaged_value(self.name, error) from error
        return _array_of(self.name, text, shape, memoryview(data)[start + length :])

    def to_arrow(self, value: Any) -> dict[str, Any]:
        """Struct of dtype (NumPy's string), shape and the bytes of the elements."""
        array = self._check(value)
        return {
            "dtype": _dtype_text(array.dtype),
            "shape": list(array.shape),
            "data": array.tobytes(),
        }

    def from_arrow(self, stored: Any) -> npt.NDArray[Any]:
        """The array of such a struct."""
        parts = [stored[part] for part in ("dtype", "shape", "data")]
        if any(part is None for part in parts):
            raise damaged_value(self.name, "a part of the array is null")
        return _array_of(self.name, *parts)


def _numbers(name: str, data: bytes, dtype: str) -> npt.NDArray[Any]:
    if len(data) % np.dtype(dtype).itemsize:
        raise damaged_value(
            name, f"{len(data)} bytes are not a whole number of {dtype}"
        )
    return np.frombuffer(data, dtype).copy()


def _listed(name: str, stored: Any, dtype: str) -> npt.NDArray[Any]:
    try:
        array = np.array(stored, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise damaged_value(name, error) from error
    if array.ndim != 1:
        raise damaged_value(name, "it is not a list of numbers")
    return array


def _int32(name: str, value: Any, array: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    if array.dtype == np.int32:
        return array
    limits = np.iinfo(np.int32)
    if array.dtype.kind not in "iub":
        raise wrong_value(name, value, "integers")
    if array.size and not limits.min <= int(array.min()) <= int(array.max()) <= (
        limits.max
    ):
        raise wrong_value(name, value, "integers that fit int32")
    return array.astype(np.int32)


@dataclass(frozen=True)
class FlatArrayCodec(Codec):
    """Arrays of one dtype as bare numbers; the shape is not kept."""

    name: str
    dtype: str

    @property
    def arrow_type(self) -> Any:
        """A list of the dtype."""
        return pa.list_(pa.from_numpy_dtype(np.dtype(self.dtype)))

    def _check(self, value: Any) -> npt.NDArray[Any]:
        if not isinstance(value, np.ndarray | np.generic | list | tuple):
            raise wrong_value(self.name, value, "a NumPy array")
        array = np.asarray(value)
        if self.dtype == "int32":
            return _int32(self.name, value, array)
        if array.dtype.kind != "f" and array.size:
            raise wrong_value(self.name, value, "floating-point numbers")
        return array.astype(self.dtype, copy=False)

    def serialize(self, value: Any) -> bytes:
        """The numbers in C order."""
        return self._check(value).tobytes()

    def deserialize(self, data: bytes) -> npt.NDArray[Any]:
        """A writable array with one dimension."""
        return _numbers(self.name, data, self.dtype)

    def to_arrow(self, value: Any) -> npt.NDArray[Any]:
        """A 1-D array."""
        return self._check(value).ravel()

    def from_arrow(self, stored: Any) -> npt.NDArray[Any]:
        """A 1-D array."""
        return _listed(self.name, stored, self.dtype)


class HistogramCodec(Codec):
    """Three channels of equally many int32 bins: 192 bytes for 16 bins."""

    arrow_type = pa.list_(pa.list_(pa.int32()))

    def _check(self, value: Any) -> npt.NDArray[np.int32]:
        try:
            array = np.asarray(value)
        except ValueError:
            array = np.empty(0)
        if array.ndim != 2 or len(array) != 3:
            expected = "three arrays of equally many integers"
            raise wrong_value("Histogram", value, expected)
        return _int32("Histogram", value, array)

    def serialize(self, value: Any) -> bytes:
        """The bins of all channels in order."""
        return self._check(value).tobytes()

    def deserialize(self, data: bytes) -> list[npt.NDArray[np.int32]]:
        """A list of three int32 arrays."""
        return list(self._bins(data))

    def _bins(self, data: bytes) -> npt.NDArray[np.int32]:
        """int32[3, n]."""
        bins = _numbers("Histogram", data, "int32")
        if len(bins) % 3:
            raise damaged_value("Histogram", f"{len(bins)} bins in 3 channels")
        return bins.reshape(3, -1)

    def bytes_to_arrow(self, data: bytes) -> list[list[int]]:
        """A list of three lists, without the arrays between."""
        rows: list[list[int]] = self._bins(data).tolist()
        return rows

    def to_arrow(self, value: Any) -> list[list[int]]:
        """A list of three lists."""
        rows: list[list[int]] = self._check(value).tolist()
        return rows

    def from_arrow(self, stored: Any) -> list[npt.NDArray[np.int32]]:
        """A list of three int32 arrays."""
        channels = [_listed("Histogram", bins, "int32") for bins in stored]
        if len(channels) != 3 or len({len(bins) for bins in channels}) != 1:
            sizes = [len(bins) for bins in channels]
            raise damaged_value("Histogram", f"channels of {sizes} bins")
        return channels
