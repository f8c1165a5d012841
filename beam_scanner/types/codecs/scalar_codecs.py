"""Codecs of scalars: integers, floats, booleans, strings."""

from __future__ import annotations

import math
import operator
import struct
from typing import Any

import numpy as np
import pyarrow as pa

from beam_scanner.types.type_info import Codec, damaged_value, wrong_value


def _unpacked(name: str, form: str, data: bytes) -> Any:
    try:
        (number,) = struct.unpack(form, data)
    except struct.error as error:
        raise damaged_value(name, error) from error
    return number


class IntCodec(Codec):
    """64-bit integers, Python's and NumPy's; not booleans."""

    arrow_type = pa.int64()

    def to_arrow(self, value: Any) -> int:
        """An int."""
        plain = isinstance(value, int | np.integer) and not isinstance(value, bool)
        number = operator.index(value) if plain else 1 << 63
        if not -(1 << 63) <= number < 1 << 63:
            raise wrong_value("int", value, "an integer that fits 64 bits")
        return number

    def from_arrow(self, stored: Any) -> int:
        """An int."""
        return int(stored)

    def serialize(self, value: Any) -> bytes:
        """Eight bytes, little-endian."""
        return struct.pack("<q", self.to_arrow(value))

    def deserialize(self, data: bytes) -> int:
        """An int."""
        return int(_unpacked("int", "<q", data))


class FloatCodec(Codec):
    """Numbers, Python's and NumPy's, that a double holds exactly."""

    arrow_type = pa.float64()

    def to_arrow(self, value: Any) -> float:
        """A float."""
        number = isinstance(value, int | float | np.integer | np.floating)
        if not number or isinstance(value, bool):
            raise wrong_value("float", value, "a number")
        try:
            found = float(value)
        except OverflowError:
            found = math.nan
        if isinstance(value, float) or found == value or value != value:
            return found
        raise wrong_value("float", value, "a number that 64 bits hold exactly")

    def from_arrow(self, stored: Any) -> float:
        """A float."""
        return float(stored)

    def serialize(self, value: Any) -> bytes:
        """Eight bytes."""
        return struct.pack("<d", self.to_arrow(value))

    def deserialize(self, data: bytes) -> float:
        """A float."""
        return float(_unpacked("float", "<d", data))


class BoolCodec(Codec):
    """Booleans, Python's and NumPy's; not 0 and 1."""

    arrow_type = pa.bool_()

    def to_arrow(self, value: Any) -> bool:
        """A bool."""
        if not isinstance(value, bool | np.bool_):
            raise wrong_value("bool", value, "True or False")
        return bool(value)

    def from_arrow(self, stored: Any) -> bool:
        """A bool."""
        return bool(stored)

    def serialize(self, value: Any) -> bytes:
        """One byte."""
        return b"\1" if self.to_arrow(value) else b"\0"

    def deserialize(self, data: bytes) -> bool:
        """A bool."""
        if data not in (b"\0", b"\1"):
            raise damaged_value("bool", f"{len(data)} bytes, not one of 0 or 1")
        return bytes(data) == b"\1"


class StrCodec(Codec):
    """Strings."""

    arrow_type = pa.string()

    def to_arrow(self, value: Any) -> str:
        """A str."""
        # str() of a NumPy string would drop trailing NUL characters.
        return self.serialize(value).decode()

    def from_arrow(self, stored: Any) -> str:
        """A str."""
        return str(stored)

    def serialize(self, value: Any) -> bytes:
        """UTF-8."""
        if not isinstance(value, str):
            raise wrong_value("str", value, "a string")
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise wrong_value("str", value, "a string that UTF-8 can encode") from None

    def deserialize(self, data: bytes) -> str:
        """A str."""
        try:
            return bytes(data).decode()
        except UnicodeDecodeError as error:
            raise damaged_value("str", error) from error
