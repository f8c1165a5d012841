"""Arguments of native ops as the bytes that their kernels are given."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import EncodeError, Message

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError, ElementTypeError, did_you_mean
from beam_scanner.kernels.native.description import Arguments, Field, fits
from beam_scanner.kernels.op_spec import Param

_PYTHON = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True)
class JsonEncoder:
    """Arguments as one JSON object with all fields, sorted by name.

    Attributes:
        op: For errors.
        fields: As described.
    """

    op: str
    fields: tuple[Field, ...]

    def params(self) -> tuple[Param, ...]:
        """The parameters of the op."""
        return tuple(
            Param(f.name, f.required, f.default, f.type if f.type in _PYTHON else "")
            for f in self.fields
        )

    def docs(self) -> dict[str, str]:
        """What the library says of each."""
        return {field.name: field.doc for field in self.fields}

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """The bytes for a kernel.

        Raises:
            ElementTypeError: A value is of another type.
        """
        found = {field.name: field.default for field in self.fields}
        for field in self.fields:
            if field.name in values:
                value = _plain(values[field.name])
                if not fits(field.type, value):
                    raise ElementTypeError(
                        f"argument {field.name!r} of op {self.op} must be "
                        f"{_WORDS[field.type]}, got {value!r}"
                    )
                found[field.name] = float(value) if field.type == "float" else value
        return json.dumps(found, sort_keys=True, allow_nan=False).encode()


_WORDS = {
    "int": "a whole number",
    "float": "a finite number",
    "bool": "True or False",
    "str": "a string",
    "json": "what JSON can hold",
}


def _plain(value: Any) -> Any:
    """A scalar of NumPy as Python's, a path as a string."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class ProtobufEncoder:
    """Arguments as one protobuf message.

    Attributes:
        op: For errors.
        message: Its full name.
        files: What defines it: it may not be compiled into the worker.
    """

    op: str
    message: str
    files: tuple[bytes, ...]

    @property
    def _class(self) -> type[Message]:
        return protobufs.message_class(self.message, self.files)

    def params(self) -> tuple[Param, ...]:
        """The parameters of the op: all may be left out, as in the message."""
        fields = self._class.DESCRIPTOR.fields
        return tuple(Param(field.name, required=False) for field in fields)

    def docs(self) -> dict[str, str]:
        """Nothing: compiled messages have no comments."""
        return {}

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """The bytes for a kernel.

        Raises:
            ArgumentError: The message has no such field, or it has another type.
        """
        message = self._class()
        for name, value in values.items():
            try:
                _set(message, name, _plain(value))
            except (TypeError, ValueError) as error:
                raise ArgumentError(
                    f"argument {name!r} of op {self.op}, field {name!r} of protobuf "
                    f"{self.message}: {error}"
                ) from None
        try:
            return message.SerializeToString(deterministic=True)
        except EncodeError as error:
            raise ArgumentError(f"arguments of op {self.op}: {error}") from None


def _set(message: Message, name: str, value: Any) -> None:
    """Sets a field, which may be a message, given as one or as a dict, or repeated."""
    if name not in message.DESCRIPTOR.fields_by_name:
        known = list(message.DESCRIPTOR.fields_by_name)
        raise ValueError(
            f"Protobuf {message.DESCRIPTOR.name} does not have field {name}"
            f"{did_you_mean(name, known)}"
        )
    if value is not None:
        # Its constructor takes all that fields may hold.
        message.MergeFrom(type(message)(**{name: value}))


Encoder = JsonEncoder | ProtobufEncoder


def encoder(op: str, arguments: Arguments) -> Encoder:
    r"""How arguments of an op are encoded.

    Raises:
        ArgumentError: No protobuf message of the described name is known.

    Examples:
        >>> scale = Field('scale', 'float', False, 1.0, '')
        >>> encoder('Grow', Arguments('', (scale,))).encode({'scale': 2})
        b'{"scale": 2.0}'
        >>> encoder('Box', Arguments('BoundingBox')).encode({'label': 3})
        b'@\x03'
    """
    if not arguments.protobuf:
        return JsonEncoder(op, arguments.fields)
    try:
        found = getattr(protobufs, arguments.protobuf)
    except AttributeError as error:
        raise ArgumentError(
            f"op {op} takes its arguments as protobuf {arguments.protobuf}: give "
            f"load_op the *_pb2.py file that defines it ({error})"
        ) from None
    if not (inspect.isclass(found) and issubclass(found, Message)):
        raise ArgumentError(f"protobuf {arguments.protobuf} of op {op} is no message")
    return ProtobufEncoder(op, *protobufs.describe(found))
