"""Codecs of NumPy's numbers, and of arrays whose dtype and shape are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_scanner.errors import ElementTypeError
from beam_scanner.types.codecs.structured import StructuredCodec, misfit

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"),
)
"""What Arrow has numbers for."""


@dataclass(frozen=True)
class NumberCodec(StructuredCodec):
    """NumPy's scalars of one dtype.

    Attributes:
        dtype: One of ``DTYPES``.
    """

    dtype: str

    @property
    def text(self) -> str:
        """As in ``numpy.float32``."""
        return f"numpy.{self.dtype}"

    @property
    def arrow_type(self) -> Any:
        """A number of the same width."""
        return pa.from_numpy_dtype(np.dtype(self.dtype))

    def to_plain(self, value: Any) -> Any:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not np.dtype(self.dtype).type:
            raise misfit(value, f"a {self.text}")
        return value.item()

    def of_plain(self, plain: Any) -> Any:
        """See :meth:`StructuredCodec.of_plain`."""
        if type(plain) not in (bool, int, float, np.float16):
            raise ValueError(f"{plain!r} in place of a number")
        return np.dtype(self.dtype).type(plain)


class Shape:
    """The shape of an array, in the annotation of its type.

    Args:
        *sides: Lengths of the dimensions, above 0. The first may be None: any length.

    Raises:
        ElementTypeError: A length is impossible.

    Examples:
        >>> from typing import Annotated
        >>> from beam_scanner.types import get_type_info
        >>> Homography = Annotated[npt.NDArray[np.float64], Shape(3, 3)]
        >>> get_type_info(Homography).name
        'array[float64, 3, 3]'
    """

    def __init__(self, *sides: int | None) -> None:
        ok = all(isinstance(s, int | np.integer) and s > 0 for s in sides[1:])
        first = sides[0] if sides else 0
        if not ok or not (
            first is None or (isinstance(first, int | np.integer) and first > 0)
        ):
            raise ElementTypeError(
                "Shape takes the lengths of an array's dimensions, above 0, of which "
                f"the first may be None for any length; got {sides}"
            )
        self.sides = tuple(None if side is None else int(side) for side in sides)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and other.sides == self.sides

    def __hash__(self) -> int:
        return hash(self.sides)

    def __repr__(self) -> str:
        return (
            f"Shape{self.sides}" if len(self.sides) > 1 else f"Shape({self.sides[0]})"
        )


@dataclass(frozen=True)
class ShapedArrayCodec(StructuredCodec):
    """Arrays of one dtype and shape, in which only the first side may vary.

    Attributes:
        dtype: One of ``DTYPES``.
        shape: The sides; the first is None if it may be any.
    """

    dtype: str
    shape: tuple[int | None, ...]

    @property
    def text(self) -> str:
        """As in ``array[float32, None, 4]``."""
        return f"array[{', '.join(map(str, (self.dtype, *self.shape)))}]"

    @property
    def arrow_type(self) -> Any:
        """A fixed-size list, for several dimensions a tensor, or a list of these."""
        kind = pa.from_numpy_dtype(np.dtype(self.dtype))
        fixed = self._fixed
        if len(fixed) == 1:
            kind = pa.list_(kind, fixed[0])
        elif fixed:
            kind = pa.fixed_shape_tensor(kind, fixed)
        return pa.list_(kind) if self.shape[0] is None else kind

    @property
    def _fixed(self) -> tuple[int, ...]:
        return tuple(side for side in self.shape if side is not None)

    def to_plain(self, value: Any) -> Any:
        """See :meth:`StructuredCodec.to_plain`."""
        fits = type(value) is np.ndarray and value.dtype == np.dtype(self.dtype)
        if not fits or not _has_shape(value.shape, self.shape):
            sides = tuple("any" if side is None else side for side in self.shape)
            shown = f"({', '.join(map(str, sides))}{',' * (len(sides) == 1)})"
            raise misfit(value, f"an array of {self.dtype} with shape {shown}")
        if self.shape[0] is None and self._fixed:
            return [row.ravel() for row in value]
        return value.ravel()

    def of_plain(self, plain: Any) -> npt.NDArray[Any]:
        """See :meth:`StructuredCodec.of_plain`."""
        count = math.prod(self._fixed)
        if self.shape[0] is not None:
            return self._numbers(plain, count).reshape(self._fixed)
        if not self._fixed:
            return self._numbers(plain, len(plain))
        made = np.empty((len(plain), count), self.dtype)
        for row, numbers in zip(made, plain, strict=True):
            row[:] = self._numbers(numbers, count)
        return made.reshape(len(plain), *self._fixed)

    def _numbers(self, plain: Any, count: int) -> npt.NDArray[Any]:
        # NumPy would make NaN of None, and repeat a single number.
        if isinstance(plain, list) and None in plain:
            raise ValueError("null in place of a number")
        array = np.array(plain, self.dtype)
        if array.shape != (count,):
            raise ValueError(f"{array.size} numbers in place of {count}")
        return array


def _has_shape(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(
        side is None or side == have for have, side in zip(shape, wanted, strict=True)
    )
