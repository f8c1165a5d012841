"""How each element type becomes bytes, and a value in a Parquet column.

A codec holds plain data only, so that type infos built from its bound methods
pickle, with ``pickle`` as with cloudpickle, into worker processes.
"""

from __future__ import annotations

import functools
import pickle
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError, Message

from beam_scanner import protobufs
from beam_scanner.errors import ElementTypeError
from beam_scanner.types.type_info import (
    Codec,
    ScannerTypeInfo,
    damaged_value,
    describe_value,
    wrong_value,
)


class PickleCodec(Codec):
    """Any Python object; ``None`` is a value like any other."""

    unpickles = True

    def serialize(self, value: Any) -> bytes:
        """Pickles ``value``, by value where its class cannot be imported."""
        try:
            return pickle.dumps(value, protocol=5)
        except Exception as error:
            # A class of the user's __main__ has no importable name in a worker process.
            from beam_scanner.beam_internals.pickler import dumps_by_value

            try:
                return dumps_by_value(value)
            except Exception:
                raise ElementTypeError(
                    f"type Any cannot pickle {describe_value(value)}: {error}"
                ) from error

    def deserialize(self, data: bytes) -> Any:
        """Unpickles."""
        return pickle.loads(data)


class ImageCodec(Codec):
    """Pictures as the bytes of a PNG or JPEG file; see :mod:`beam_scanner.types.image_files`."""

    def serialize(self, value: Any) -> bytes:
        """An array becomes a PNG; bytes of a PNG or JPEG file are kept."""
        from beam_scanner.types import image_files

        if isinstance(value, bytes) and image_files.image_format(value) is not None:
            return value
        if isinstance(value, np.ndarray):
            return image_files.encode_image(value, "png")
        raise wrong_value(
            "Image", value, "an H x W x C array or the bytes of a PNG or JPEG file"
        )

    def deserialize(self, data: bytes) -> npt.NDArray[Any]:
        """H x W x C, RGB(A) or gray, uint8 or uint16.

        Raises:
            ElementTypeError: It is damaged, or too large.
        """
        from beam_scanner.types import image_files

        return image_files.decode_image(data)


@dataclass(frozen=True)
class VariableListCodec(Codec):
    """Lists of any length: a count, then size and bytes of each element."""

    name: str
    element: ScannerTypeInfo

    @property
    def inner(self) -> Sequence[Codec | ScannerTypeInfo]:
        """See :attr:`Codec.inner`."""
        return (self.element,)

    @property
    def arrow_type(self) -> Any:
        """A list of the element's column type."""
        return pa.list_(self.element.arrow_type)

    def _check(self, value: Any) -> Any:
        listed = isinstance(value, Sequence | np.ndarray)
        if not listed or isinstance(value, str | bytes):
            raise wrong_value(self.name, value, f"a list of {self.element.name}")
        return value

    def serialize(self, value: Any) -> bytes:
        """``=Q`` count, then for each element ``=Q`` size and its bytes."""
        elements = self._check(value)
        parts = [struct.pack("=Q", len(elements))]
        for element in elements:
            data = self.element.serialize(element)
            parts += (struct.pack("=Q", len(data)), data)
        return b"".join(parts)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        position, end = 8, len(data)
        count = int.from_bytes(data[:8], sys.byteorder)
        if end < 8 or count > end // 8:
            raise damaged_value(self.name, f"{count} elements in {end} bytes")
        for _ in range(count):
            start = position + 8
            size = int.from_bytes(data[position:start], sys.byteorder)
            position = start + size
            if position > end:
                raise damaged_value(self.name, f"an element of {size} bytes")
            yield data[start:position]
        if position != end:
            raise damaged_value(self.name, f"{end - position} bytes too many")

    def deserialize(self, data: bytes) -> list[Any]:
        """A list of elements."""
        return [self.element.deserialize(piece) for piece in self._pieces(data)]

    def to_arrow(self, value: Any) -> list[Any]:
        """A list of the elements' column values."""
        to_arrow = self.element.to_arrow or self.element.serialize
        return [to_arrow(item) for item in self._check(value)]

    def from_arrow(self, stored: Any) -> list[Any]:
        """A list of elements."""
        from_arrow = self.element.from_arrow or self.element.deserialize
        return [from_arrow(item) for item in stored]


@dataclass(frozen=True)
class UniformListCodec(VariableListCodec):
    """Lists of elements of equal size, with nothing between them.

    Attributes:
        size: Bytes of an element; the length of the list is free.
        parts: Length of the list; the bytes of an element are free. One of both.
    """

    size: int | None = None
    parts: int | None = None

    def serialize(self, value: Any) -> bytes:
        """The elements' bytes one behind the other."""
        elements = self._check(value)
        if self.parts is not None and len(elements) != self.parts:
            raise wrong_value(self.name, value, f"a list of {self.parts} elements")
        pieces = [self.element.serialize(element) for element in elements]
        sizes = {len(piece) for piece in pieces}
        if self.size is not None and sizes - {self.size}:
            raise wrong_value(self.name, value, f"elements of {self.size} bytes")
        if len(sizes) > 1 or sizes == {0}:
            raise wrong_value(self.name, value, "elements of one size above 0")
        return b"".join(pieces)

    def to_arrow(self, value: Any) -> list[Any]:
        """A list of the elements' column values."""
        self.serialize(value)  # raises where the elements' sizes are wrong
        return super().to_arrow(value)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self.size if self.size is not None else len(data) // (self.parts or 1)
        pieces = len(data) // size if size else 0
        uneven = self.parts is not None and pieces != self.parts
        if data and (size == 0 or len(data) % size or uneven):
            raise ElementTypeError(
                f"type {self.name} cannot cut {len(data)} bytes into equal elements"
            )
        return (data[i : i + size] for i in range(0, len(data), size or 1))


_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    _FIELD.TYPE_DOUBLE: pa.float64(),
    _FIELD.TYPE_FLOAT: pa.float32(),
    _FIELD.TYPE_INT64: pa.int64(),
    _FIELD.TYPE_SINT64: pa.int64(),
    _FIELD.TYPE_SFIXED64: pa.int64(),
    _FIELD.TYPE_UINT64: pa.uint64(),
    _FIELD.TYPE_FIXED64: pa.uint64(),
    _FIELD.TYPE_INT32: pa.int32(),
    _FIELD.TYPE_SINT32: pa.int32(),
    _FIELD.TYPE_SFIXED32: pa.int32(),
    _FIELD.TYPE_UINT32: pa.uint32(),
    _FIELD.TYPE_FIXED32: pa.uint32(),
    _FIELD.TYPE_BOOL: pa.bool_(),
    _FIELD.TYPE_STRING: pa.string(),
    _FIELD.TYPE_BYTES: pa.binary(),
    _FIELD.TYPE_ENUM: pa.int32(),
}


@functools.lru_cache(maxsize=256)
def _repeated_fields(descriptor: Any) -> frozenset[str]:
    # Through the proto, since the descriptor's own attribute for this depends on the
    # release of protobuf.
    proto = descriptor_pb2.DescriptorProto()
    descriptor.CopyToProto(proto)
    repeated = _FIELD.LABEL_REPEATED
    return frozenset(f.name for f in proto.field if f.label == repeated)


def message_arrow_type(descriptor: Any, above: tuple[str, ...] = ()) -> Any:
    """The Arrow struct of a message; None where a struct cannot hold all of it.

    Those are messages without fields, with map fields, groups or extensions, and
    ones that contain themselves; they are stored serialized.
    """
    if descriptor.full_name in above or descriptor.is_extendable:
        return None
    repeated = _repeated_fields(descriptor)
    fields = []
    for each in descriptor.fields:
        kind = _SCALARS.get(each.type)
        if each.type == _FIELD.TYPE_MESSAGE:
            inner = each.message_type
            if not inner.GetOptions().map_entry:
                kind = message_arrow_type(inner, (*above, descriptor.full_name))
        if kind is None:
            return None
        fields.append(
            pa.field(each.name, pa.list_(kind) if each.name in repeated else kind)
        )
    return pa.struct(fields) if fields else None


def _to_dict(message: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    repeated = _repeated_fields(message.DESCRIPTOR)
    for each in message.DESCRIPTOR.fields:
        value = getattr(message, each.name)
        nested = each.message_type is not None
        if each.name in repeated:
            result[each.name] = [_to_dict(v) for v in value] if nested else list(value)
        elif each.has_presence and not message.HasField(each.name):
            result[each.name] = None
        else:
            result[each.name] = _to_dict(value) if nested else value
    return result


@dataclass(frozen=True)
class ProtobufCodec(Codec):
    """Messages of one protobuf type, serialized deterministically."""

    name: str
    proto: type[Message]

    def __reduce__(self) -> Any:
        # The class by its descriptor: its module may not exist on a worker.
        return _protobuf_codec, (self.name, *protobufs.describe(self.proto))

    @property
    def arrow_type(self) -> Any:
        """A struct with the message's fields, where one can hold it."""
        return message_arrow_type(self.proto.DESCRIPTOR)

    def _check(self, value: Any) -> Message:
        # By name, since another process may have built a class of its own.
        descriptor = getattr(type(value), "DESCRIPTOR", None)
        if getattr(descriptor, "full_name", "") != self.proto.DESCRIPTOR.full_name:
            expected = f"a protobuf {self.proto.DESCRIPTOR.full_name}"
            raise wrong_value(self.name, value, expected)
        message: Message = value
        return message

    def serialize(self, value: Any) -> bytes:
        """The message's wire format."""
        return self._check(value).SerializeToString(deterministic=True)

    def deserialize(self, data: bytes) -> Message:
        """A new message."""
        try:
            return self.proto.FromString(bytes(data))
        except DecodeError as error:
            raise damaged_value(self.name, error) from error

    def to_arrow(self, value: Any) -> dict[str, Any]:
        """A dict of the fields; None for a field that is not set."""
        return _to_dict(self._check(value))

    def from_arrow(self, stored: Any) -> Message:
        """A new message."""
        try:
            return self.proto(**stored)
        except (TypeError, ValueError, OverflowError) as error:
            raise damaged_value(self.name, error) from error


def _protobuf_codec(name: str, full_name: str, files: Any) -> ProtobufCodec:
    return ProtobufCodec(name, protobufs.message_class(full_name, files))
