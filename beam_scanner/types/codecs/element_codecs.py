"""How each element type becomes bytes, and a value in a Parquet column.

A codec holds plain data only, so that type infos built from its bound methods
pickle, with ``pickle`` as with cloudpickle, into worker processes.
"""

from __future__ import annotations

import functools
import pickle
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError, Message

from beam_scanner import protobufs
from beam_scanner.errors import ElementTypeError

# Wide enough for a whole frame in a message, short enough for one line.
_SHOWN = 60


def describe_value(value: Any) -> str:
    """Names the class of ``value`` and a little of it, for error messages."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with shape {value.shape}"
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
    return f"{type(value).__name__} {shown}"


def wrong_value(name: str, value: Any, expected: str) -> ElementTypeError:
    """The error for a value that type ``name`` cannot hold."""
    return ElementTypeError(
        f"type {name} expected {expected}, got {describe_value(value)}"
    )


@dataclass(frozen=True, eq=False)
class ScannerTypeInfo:
    """What the engine and the storage must know of one element type.

    Attributes:
        type: The annotation that stands for the type in kernels.
        cpp_name: Name under which stored streams remember the type.
        serialize: Value to bytes; raises :class:`ElementTypeError` where the value
            is not of this type.
        deserialize: Bytes to a value that shares no memory with other values.
        arrow_type: ``pyarrow.DataType`` of the Parquet column of such elements.
        to_arrow: Value to what pyarrow accepts for ``arrow_type``. None: the
            column holds the serialized bytes.
        from_arrow: The way back; None where ``to_arrow`` is None.

    Example:
        >>> from beam_scanner import types
        >>> info = types.get_type_info(types.Histogram)
        >>> info.name, str(info.arrow_type)
        ('Histogram', 'list<item: list<item: int32>>')
    """

    type: Any
    cpp_name: str
    serialize: Callable[[Any], bytes]
    deserialize: Callable[[bytes], Any]
    arrow_type: Any = field(default_factory=pa.binary)
    to_arrow: Callable[[Any], Any] | None = None
    from_arrow: Callable[[Any], Any] | None = None

    @property
    def name(self) -> str:
        """The same as ``cpp_name``."""
        return self.cpp_name

    @property
    def unpickles(self) -> bool:
        """Whether reading a value unpickles it, which runs what code it names."""
        codec = getattr(self.deserialize, "__self__", None)
        return isinstance(codec, Codec) and codec.unpickles

    @property
    def plain(self) -> bool:
        """Whether reading a value is known to run no code that it could choose."""
        codec = getattr(self.deserialize, "__self__", None)
        return isinstance(codec, Codec) and codec.plain

    def __reduce__(self) -> Any:
        # A worker, whom no module of the user's has told of the type, knows it by its
        # name from now on: so streams say what they hold.
        from beam_scanner.types.element_types import _arrived

        return _arrived, tuple(getattr(self, each.name) for each in fields(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScannerTypeInfo):
            return NotImplemented
        return self.cpp_name == other.cpp_name

    def __hash__(self) -> int:
        return hash(self.cpp_name)

    def __repr__(self) -> str:
        return f"ScannerTypeInfo({self.cpp_name})"


def damaged_value(name: str, why: object) -> ElementTypeError:
    """The error for stored bytes that are no value of type ``name``."""
    return ElementTypeError(f"type {name} cannot read a stored value: {why}")


def _element_to_arrow(info: ScannerTypeInfo, value: Any) -> Any:
    if info.to_arrow is None:
        return info.serialize(value)
    return info.to_arrow(value)


def _element_from_arrow(info: ScannerTypeInfo, stored: Any) -> Any:
    if info.from_arrow is None:
        return info.deserialize(stored)
    return info.from_arrow(stored)


class Codec:
    """Base of all codecs; by itself it keeps ``bytes`` as they are."""

    @property
    def unpickles(self) -> bool:
        """See :attr:`ScannerTypeInfo.unpickles`."""
        return False

    @property
    def plain(self) -> bool:
        """See :attr:`ScannerTypeInfo.plain`."""
        return not self.unpickles

    @property
    def arrow_type(self) -> Any:
        """Type of a column that others can read; None: a column of the bytes."""
        return None

    def serialize(self, value: Any) -> bytes:
        """Value to bytes."""
        if not isinstance(value, bytes | bytearray | memoryview):
            raise wrong_value("Bytes", value, "bytes")
        return bytes(value)

    def deserialize(self, data: bytes) -> Any:
        """Bytes to value."""
        return bytes(data)

    def to_arrow(self, value: Any) -> Any:
        """Value to what ``arrow_type`` holds."""
        return self.serialize(value)

    def from_arrow(self, stored: Any) -> Any:
        """What ``arrow_type`` holds to value."""
        return self.deserialize(stored)

    def info(self, annotation: Any, name: str) -> ScannerTypeInfo:
        """The type info of ``annotation`` under this codec."""
        if self.arrow_type is None:
            return ScannerTypeInfo(annotation, name, self.serialize, self.deserialize)
        return ScannerTypeInfo(
            annotation,
            name,
            self.serialize,
            self.deserialize,
            self.arrow_type,
            self.to_arrow,
            self.from_arrow,
        )


class PickleCodec(Codec):
    """Any Python object; ``None`` is a value like any other."""

    @property
    def unpickles(self) -> bool:
        """Always."""
        return True

    def serialize(self, value: Any) -> bytes:
        """Pickles ``value``, by value where its class cannot be imported."""
        try:
            return pickle.dumps(value, protocol=5)
        except Exception as error:
            return self._by_value(value, error)

    def _by_value(self, value: Any, error: Exception) -> bytes:
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
    """Pictures as the bytes of a PNG or JPEG file; see :mod:`beam_scanner.types.images`."""

    def serialize(self, value: Any) -> bytes:
        """An array becomes a PNG; bytes of a PNG or JPEG file are kept."""
        from beam_scanner.types import images

        if isinstance(value, bytes) and images.image_format(value) is not None:
            return value
        if isinstance(value, np.ndarray):
            return images.encode_image(value, "png")
        raise wrong_value(
            "Image", value, "an H x W x C array or the bytes of a PNG or JPEG file"
        )

    def deserialize(self, data: bytes) -> npt.NDArray[Any]:
        """H x W x C, RGB(A) or gray, uint8 or uint16.

        Raises:
            ElementTypeError: It is damaged, or too large.
        """
        from beam_scanner.types import images

        return images.decode_image(data)


@dataclass(frozen=True)
class VariableListCodec(Codec):
    """Lists of any length: a count, then size and bytes of each element."""

    name: str
    element: ScannerTypeInfo

    @property
    def unpickles(self) -> bool:
        """Whether its elements are pickles."""
        return self.element.unpickles

    @property
    def plain(self) -> bool:
        """Whether its elements are."""
        return self.element.plain

    @property
    def arrow_type(self) -> Any:
        """A list of the element's column type."""
        return pa.list_(self.element.arrow_type)

    def _check(self, value: Any) -> Any:
        if isinstance(value, str | bytes) or not isinstance(
            value, Sequence | np.ndarray
        ):
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
        return [_element_to_arrow(self.element, item) for item in self._check(value)]

    def from_arrow(self, stored: Any) -> list[Any]:
        """A list of elements."""
        return [_element_from_arrow(self.element, item) for item in stored]


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
