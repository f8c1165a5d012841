"""What a library says of its ops, checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    did_you_mean,
)
from beam_scanner.types.element_types import DeviceType
from beam_scanner.types.type_info import get_type_info_cpp

FRAMES = "FrameType"
KINDS = ("int", "float", "bool", "str", "json")
"""Types of JSON arguments."""


@dataclass(frozen=True)
class Column:
    """An input or output of a native op.

    Attributes:
        name: Of the column.
        type: Name of its element type; 'FrameType' for frames.
        dtype: Of frames; None for any.
        shape: Of frames, with None for a length that may be any; None for any shape.
    """

    name: str
    type: str
    dtype: str | None = None
    shape: tuple[int | None, ...] | None = None

    @property
    def is_frames(self) -> bool:
        """Whether its elements are tensors."""
        return self.type == FRAMES

    def fits(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        """Whether a frame is one of this column."""
        if self.dtype is not None and dtype != _DTYPES[self.dtype]:
            return False
        if self.shape is None:
            return True
        return len(self.shape) == len(shape) and all(
            want is None or want == have
            for want, have in zip(self.shape, shape, strict=True)
        )

    @property
    def wanted(self) -> str:
        """What fits, in words."""
        shape = "of any shape"
        if self.shape is not None:
            lengths = ["?" if n is None else str(n) for n in self.shape]
            shape = f"of shape ({', '.join(lengths)})"
        return f"{self.dtype or 'an array'} {shape}"


@dataclass(frozen=True)
class Field:
    """One JSON argument of a native op."""

    name: str
    type: str
    required: bool
    default: Any
    doc: str


@dataclass(frozen=True)
class Arguments:
    """How a native op takes the arguments of its constructor, or of a stream.

    Attributes:
        protobuf: Name of a message whose fields they are; '' for JSON.
        fields: The arguments, as JSON.
    """

    protobuf: str = ""
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class NativeOp:
    """One op of a library; attributes are as in ``OpSpec``."""

    name: str
    doc: str
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    arguments: Arguments
    stream_arguments: Arguments
    variadic: bool
    stencil: tuple[int, ...] | None
    stencil_edge: str
    batch: int
    bounded_state: int | None
    unbounded_state: bool
    whole_stream: bool
    takes_nulls: bool
    devices: tuple[DeviceType, ...]

    @property
    def batched(self) -> bool:
        """Whether a call has several rows."""
        return self.batch > 1 or self.whole_stream


def read_description(text: str) -> list[NativeOp]:
    """The ops that a library describes.

    Args:
        text: JSON: ``{"ops": [{"name": ..., "inputs": [...], ...}]}``; see
            docs/native.md.

    Raises:
        ArgumentError: It is something else, says something twice, or contradicts
            itself.
        ElementTypeError: It names a type of elements that is not registered.

    Examples:
        >>> [op] = read_description('''{"ops": [{
        ...     "name": "Invert",
        ...     "inputs": [{"name": "frame", "type": "FrameType", "dtype": "uint8"}],
        ...     "outputs": [{"name": "inverted", "type": "FrameType"}]}]}''')
        >>> op.name, op.inputs[0].wanted
        ('Invert', 'uint8 of any shape')
    """
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except ValueError as error:
        raise ArgumentError(f"its description is not JSON: {error}") from None
    top = _Reader(found, "its description")
    ops = [_read_op(each) for each in top.listed("ops", required=True)]
    top.done()
    names = [op.name for op in ops]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(f"its description has two ops named {name}")
    if not ops:
        raise ArgumentError("its description has no ops")
    return ops


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


class _Reader:
    """Takes the values of a JSON object, and finds what nobody has asked for."""

    def __init__(self, value: Any, what: str) -> None:
        if not isinstance(value, Mapping):
            raise ArgumentError(f"{what} must be a JSON object, got {value!r}")
        self.what = what
        self._left = dict(value)
        self._known: list[str] = []

    def take(
        self, key: str, kind: Any, default: Any = None, required: bool = False
    ) -> Any:
        """A value of one of these types; null counts as absent."""
        self._known.append(key)
        value = self._left.pop(key, None)
        if value is None:
            if required:
                raise ArgumentError(f"{self.what} has no {key!r}")
            return default
        # True is an int.
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (
            isinstance(value, bool) and bool not in kinds
        ):
            names = " or ".join(each.__name__ for each in kinds)
            raise ArgumentError(
                f"{key!r} of {self.what} must be {names}, got {value!r}"
            )
        return value

    def name(self, key: str = "name") -> str:
        """A value that is a name in Python."""
        value: str = self.take(key, str, required=True)
        if not re.fullmatch(r"[^\W\d]\w*", value):
            raise ArgumentError(f"{key!r} of {self.what} is no name: {value!r}")
        return value

    def listed(self, key: str, required: bool = False) -> list[Any]:
        """A list; empty if there is none."""
        return list(self.take(key, list, [], required))

    def done(self) -> None:
        """Raises ArgumentError where there is something else."""
        if self._left:
            name = next(iter(self._left))
            hint = did_you_mean(name, self._known)
            raise ArgumentError(f"{self.what} has {name!r}, which means nothing{hint}")


def _read_op(value: Any) -> NativeOp:
    reader = _Reader(value, "an op of its description")
    name = reader.name()
    reader.what = f"op {name} of its description"
    stencil = reader.take("stencil", list)
    op = NativeOp(
        name=name,
        doc=reader.take("doc", str, ""),
        inputs=_columns(reader, "inputs"),
        outputs=_columns(reader, "outputs"),
        arguments=_arguments(reader, "arguments"),
        stream_arguments=_arguments(reader, "stream_arguments"),
        variadic=reader.take("variadic", bool, False),
        stencil=None if stencil is None else tuple(stencil),
        stencil_edge=reader.take("stencil_edge", str, "repeat"),
        batch=reader.take("batch", int, 1),
        bounded_state=reader.take("bounded_state", int),
        unbounded_state=reader.take("unbounded_state", bool, False),
        whole_stream=reader.take("whole_stream", bool, False),
        takes_nulls=reader.take("takes_nulls", bool, False),
        devices=_devices(reader),
    )
    reader.done()
    if op.variadic and len(op.inputs) != 1:
        raise ArgumentError(
            f"{reader.what} is variadic, so it has one input, which stands for all; got "
            f"{len(op.inputs)}"
        )
    return op


def _columns(reader: _Reader, key: str) -> tuple[Column, ...]:
    found = []
    for value in reader.listed(key, required=True):
        each = _Reader(value, f"one of the {key} of {reader.what}")
        name = each.name()
        each.what = f"{name!r} in the {key} of {reader.what}"
        kind = each.take("type", str, required=True)
        dtype, shape = each.take("dtype", str), each.take("shape", list)
        each.done()
        if kind == FRAMES:
            _check_frames(each.what, dtype, shape)
        else:
            _check_blob(each.what, kind, dtype, shape)
        found.append(Column(name, kind, dtype, None if shape is None else tuple(shape)))
    names = [column.name for column in found]
    if not names:
        raise ArgumentError(f"{reader.what} has no {key}")
    if len(set(names)) < len(names):
        raise ArgumentError(f"{reader.what} has two {key} of one name: {names}")
    return tuple(found)


def _check_frames(what: str, dtype: str | None, shape: list[Any] | None) -> None:
    if dtype is not None and dtype not in DTYPES:
        raise ArgumentError(
            f"'dtype' of {what} must be one of {', '.join(DTYPES)}; got {dtype!r}"
        )
    for length in shape or ():
        if length is not None and (type(length) is not int or length < 0):
            raise ArgumentError(
                f"'shape' of {what} must have lengths, and null for any, got {shape}"
            )
    if shape == []:
        raise ArgumentError(f"'shape' of {what} is empty: frames have dimensions")


def _check_blob(what: str, kind: str, dtype: Any, shape: Any) -> None:
    if dtype is not None or shape is not None:
        raise ArgumentError(f"{what} is no frame: only frames have a dtype and a shape")
    try:
        info = get_type_info_cpp(kind)
    except ElementTypeError as error:
        raise ElementTypeError(f"{what}: {error}") from None
    if info.unpickles:
        raise ElementTypeError(
            f"{what} has type {kind}, whose elements are pickled Python objects, which "
            "native code cannot read or write"
        )


def _arguments(reader: _Reader, key: str) -> Arguments:
    value = reader.take(key, dict)
    if value is None:
        return Arguments()
    own = _Reader(value, f"{key!r} of {reader.what}")
    protobuf = own.take("protobuf", str, "")
    fields = [_field(each, own.what) for each in own.listed("json")]
    own.done()
    if protobuf and fields:
        raise ArgumentError(f"{own.what} must have a protobuf or json, not both")
    names = [field.name for field in fields]
    if len(set(names)) < len(names):
        raise ArgumentError(f"{own.what} has two of one name: {names}")
    return Arguments(protobuf, tuple(fields))


def _field(value: Any, what: str) -> Field:
    reader = _Reader(value, f"one of {what}")
    name = reader.name()
    reader.what = f"{name!r} in {what}"
    kind = reader.take("type", str, required=True)
    if kind not in KINDS:
        raise ArgumentError(
            f"'type' of {reader.what} must be one of {', '.join(KINDS)}; got {kind!r}"
        )
    # null is a default, too, of 'json'.
    required = "default" not in value
    default = reader.take("default", (bool, int, float, str, list, dict))
    doc = reader.take("doc", str, "")
    reader.done()
    if not required and not fits(kind, default):
        raise ArgumentError(f"'default' of {reader.what} is no {kind}: {default!r}")
    return Field(name, kind, required, default, doc)


def fits(kind: str, value: Any) -> bool:
    """Whether a value is of a type of JSON arguments.

    Examples:
        >>> fits('float', 2), fits('int', True), fits('json', [None, {'a': 1.5}])
        (True, False, True)
        >>> fits('float', float('nan')), fits('json', {1: 'a'})
        (False, False)
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if kind == "int":
        return is_number and isinstance(value, int)
    if kind == "float":
        return is_number and math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(fits("json", each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and fits("json", v) for k, v in value.items())
    if is_number:
        return math.isfinite(value)
    return value is None or isinstance(value, bool | str)


def _devices(reader: _Reader) -> tuple[DeviceType, ...]:
    found = []
    for name in reader.listed("devices") or ["cpu"]:
        if not isinstance(name, str) or name not in _DEVICES:
            raise ArgumentError(
                f"'devices' of {reader.what} must be of {', '.join(_DEVICES)}; got "
                f"{name!r}"
            )
        found.append(_DEVICES[name])
    return tuple(dict.fromkeys(found))


_DEVICES = {"cpu": DeviceType.CPU, "gpu": DeviceType.GPU}

DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
"""Of frames that native ops take and make."""

_DTYPES = {name: np.dtype(name) for name in DTYPES}
