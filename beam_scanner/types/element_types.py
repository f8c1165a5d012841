"""Element types: what the rows of a stream hold, and how they are kept.

A kernel says in annotations what it takes and gives:

    def execute(self, frame: FrameType) -> types.Histogram: ...

| annotation | value in Python | column of the Parquet file |
|---|---|---|
| ``FrameType`` | H x W x C array, uint8 RGB from a video | (video) or as NumpyArray |
| ``bytes`` (``Bytes``) | bytes | binary |
| ``typing.Any`` (``Any``) | anything that pickles; None is a value | binary (pickle) |
| ``int``, ``float``, ``bool``, ``str`` | the same | int64, double, bool, string |
| ``Image`` | H x W x C array, uint8 or uint16 | binary (a PNG or JPEG file) |
| ``Histogram`` | list of three int32 arrays | ``list<list<int32>>`` |
| ``numpy.ndarray`` (``NumpyArray``) | array of any dtype and shape | ``struct<dtype, shape, data>`` |
| ``NumpyArrayFloat32``, ``NumpyArrayInt32`` | flat array | ``list<float>``, ``list<int32>`` |
| ``Bbox``, ``BboxList`` | ``protobufs.BoundingBox``, a list of them | ``struct``, ``list<struct>`` |
| ``Label``, ``Text``, ``Keypoints``, ``Mask`` | an instance | ``struct`` |
| ``Embedding[512]`` | float32 array | ``fixed_size_list<float>[512]`` |
| ``list[T]``, ``dict[str, T]``, ``Optional[T]`` | the same | list, map, nullable |
| a dataclass, NamedTuple or TypedDict | an instance | ``struct`` |

The page on types has all of them. ``ProtobufType``, ``VariableList`` and ``UniformList`` make further types from these,
and ``register_type`` takes a class with a ``serialize`` and a ``deserialize``. A
row without a value is ``NULL``, of every type.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from typing import Any as Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.message import Message

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.types.annotations import info_of_annotation
from beam_scanner.types.codecs import (
    array_codecs,
    element_codecs,
    number_codecs,
    scalar_codecs,
)
from beam_scanner.types.model_types import Embedding
from beam_scanner.types.type_info import (
    Codec,
    ScannerTypeInfo,
    describe_value,
    get_type_info,
    register_structures,
    register_type_info,
)
from beam_scanner.types.type_text import info_of_text

_Class = TypeVar("_Class", bound=type)


class NullElement:
    """A row that has no value; differs from ``b''`` and from ``None``.

    Examples:
        >>> NullElement() == NULL, NULL == None, NULL == b''
        (True, False, False)
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NullElement)

    def __hash__(self) -> int:
        return hash(NullElement)

    def __repr__(self) -> str:
        return "NullElement()"


NULL = NullElement()


class _NamedInt(enum.IntEnum):
    """A whole number whose text is its name, as that of Scanner's enumerations."""

    __str__ = enum.Enum.__str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class ColumnType(_NamedInt):
    """Whether a stream holds serialized values or frames.

    Examples:
        >>> ColumnType(1).name, str(ColumnType.Blob)
        ('Video', 'ColumnType.Blob')
    """

    Blob = 0
    Video = 1

    @staticmethod
    def to_proto(protobufs: Any, ty: Any) -> int:
        """Its number in Scanner's messages: of ``protobufs.Bytes`` or ``.Video``.

        Raises:
            ArgumentError: It is no column type.
        """
        if not isinstance(ty, ColumnType):
            raise ArgumentError(f"Invalid column type {ty!r}")
        return int(ty)


class DeviceType(_NamedInt):
    """Where a kernel runs.

    Examples:
        >>> DeviceType['CPU'].value, f'on {DeviceType.GPU}'
        (0, 'on DeviceType.GPU')
    """

    CPU = 0
    GPU = 1

    @staticmethod
    def to_proto(protobufs: Any, device: Any) -> int:
        """Its number in Scanner's messages: of ``protobufs.CPU`` or ``.GPU``.

        Raises:
            ArgumentError: It is no device type.
        """
        if not isinstance(device, DeviceType):
            raise ArgumentError(f"Invalid device type {device!r}")
        return int(device)


@dataclass(frozen=True)
class DeviceHandle:
    """One device of the machine that a kernel runs on.

    Attributes:
        device: Its kind.
        device_id: Its number among those of its kind.

    Examples:
        >>> handle = DeviceHandle(DeviceType.GPU, 1)
        >>> handle.device_id == handle.id, handle.type
        (True, <DeviceType.GPU: 1>)
    """

    device: DeviceType
    device_id: int = 0

    @property
    def type(self) -> DeviceType:
        """The same as ``device``, as kernels of Scanner find it."""
        return self.device

    @property
    def id(self) -> int:
        """The same as ``device_id``, as kernels of Scanner find it."""
        return self.device_id


@dataclass(frozen=True)
class _UserSerializer:
    """Makes what a user's ``serialize`` does wrong an ElementTypeError."""

    name: str
    function: Callable[[Any], Any]

    def __call__(self, value: Any) -> bytes:
        try:
            data = self.function(value)
        except ElementTypeError:
            raise
        except Exception as error:
            raise ElementTypeError(
                f"type {self.name} cannot serialize {describe_value(value)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(data, bytes | bytearray | memoryview):
            raise ElementTypeError(
                f"serialize of type {self.name} must return bytes, got "
                f"{describe_value(data)}"
            )
        return bytes(data)


def register_type(cls: _Class) -> _Class:
    """Class decorator: makes ``cls`` an annotation for elements.

    Args:
        cls: Has ``serialize(value) -> bytes`` and ``deserialize(bytes) -> value``,
            both without ``self``. It may have ``arrow_type``, ``to_arrow(value)`` and
            ``from_arrow(stored)``, for a Parquet column that others can read.

    Returns:
        ``cls``; its ``__name__`` is the name of the type.

    Raises:
        ArgumentError: A method is missing, or another class has the name.

    Examples:
        >>> @register_type
        ... class Celsius:
        ...     def serialize(value):
        ...         return str(value).encode()
        ...     def deserialize(data):
        ...         return float(data)
        >>> get_type_info(Celsius).deserialize(get_type_info(Celsius).serialize(21.5))
        21.5
    """
    members: dict[str, Any] = {}
    for name, alias in (("serialize", "serializer"), ("deserialize", "deserializer")):
        members[name] = getattr(cls, name, None) or getattr(cls, alias, None)
        if not callable(members[name]):
            raise ArgumentError(f"type {cls.__name__} has no {name} function")
    arrow = [getattr(cls, n, None) for n in ("arrow_type", "to_arrow", "from_arrow")]
    if any(arrow) and not all(arrow):
        raise ArgumentError(
            f"type {cls.__name__} needs arrow_type, to_arrow and from_arrow, or none"
        )
    register_type_info(
        ScannerTypeInfo(
            cls,
            cls.__name__,
            _UserSerializer(cls.__name__, members["serialize"]),
            members["deserialize"],
            arrow[0] or pa.binary(),
            arrow[1],
            arrow[2],
        )
    )
    return cls


def _new_type(name: str, codec: Codec, doc: str) -> Any:
    # As collections.namedtuple does: the class belongs to whoever named it.
    module = sys._getframe(2).f_globals.get("__name__", "__main__")
    cls = type(name, (), {"__module__": module, "__doc__": doc})
    _register(cls, name, codec)
    return cls


def _register(cls: Any, name: str, codec: Codec) -> None:
    """Registers a class, which serializes and deserializes values of its type."""
    cls.serialize = staticmethod(codec.serialize)
    cls.deserialize = staticmethod(codec.deserialize)
    register_type_info(codec.info(cls, name))


def ProtobufType(name: str, proto: type[Message]) -> Any:
    """Makes and registers a type whose values are messages of class ``proto``.

    Its column is a struct of the message's fields (with map fields, or for messages
    that contain themselves: the serialized message).

    Examples:
        >>> Landmark = ProtobufType('Landmark', protobufs.Point)
        >>> str(get_type_info(Landmark).arrow_type)
        'struct<x: float, y: float, score: float>'
    """
    if not (isinstance(proto, type) and issubclass(proto, Message)):
        raise ArgumentError(f"type {name} expected a protobuf class, got {proto!r}")
    codec = element_codecs.ProtobufCodec(name, proto)
    return _new_type(name, codec, f"Values are {proto.DESCRIPTOR.full_name} messages.")


def VariableList(name: str, typ: Any) -> Any:
    """Makes and registers a type whose values are lists of ``typ``, of any length.

    Examples:
        >>> Words = VariableList('Words', bytes)
        >>> info = get_type_info(Words)
        >>> info.deserialize(info.serialize([b'to', b'', b'be']))
        [b'to', b'', b'be']
    """
    element = get_type_info(typ)
    codec = element_codecs.VariableListCodec(name, element)
    return _new_type(name, codec, f"Values are lists of {element.name}.")


def UniformList(
    name: str, typ: Any, size: int | None = None, parts: int | None = None
) -> Any:
    """Makes and registers a type whose values are lists of equally large elements.

    Args:
        name: Name of the type.
        typ: Annotation of the elements.
        size: Bytes of each serialized element; lists may have any length.
        parts: Length of every list. Give this or ``size``.

    Raises:
        ArgumentError: Both or neither of ``size`` and ``parts`` are given.

    Examples:
        >>> Corners = UniformList('Corners', NumpyArrayFloat32, parts=4)
        >>> info = get_type_info(Corners)
        >>> len(info.serialize([np.zeros(2, np.float32)] * 4))
        32
    """
    given = size if parts is None else parts
    if (size is None) == (parts is None) or given is None or given <= 0:
        raise ArgumentError(
            f"type {name} expected one of size and parts, above 0, got size={size!r} "
            f"and parts={parts!r}"
        )
    element = get_type_info(typ)
    codec = element_codecs.UniformListCodec(name, element, size, parts)
    return _new_type(name, codec, f"Values are lists of {element.name}.")


Bytes = bytes

if TYPE_CHECKING:
    # What a kernel's author holds in hand, so that type checkers see its methods.
    FrameType = npt.NDArray[Any]
    NumpyArray = npt.NDArray[Any]
    NumpyArrayFloat32 = npt.NDArray[np.float32]
    NumpyArrayInt32 = npt.NDArray[np.int32]
    Image = npt.NDArray[Any] | bytes
    Histogram = list[npt.NDArray[np.int32]]
    Bbox = protobufs.BoundingBox
    BboxList = list[protobufs.BoundingBox]
else:
    NumpyArray = np.ndarray

    class FrameType:
        """Annotation of frames: H x W x C arrays, uint8 RGB where they come from a video.

        Other dtypes and channel counts may be made and stored. Frames that a kernel is
        given may be read-only.
        """

    class Image:
        """Annotation of pictures that are kept as a PNG or JPEG file.

        A kernel may return an array (kept as PNG, exactly) or the bytes of a file;
        it is given the H x W x C array.
        """

    class Histogram:
        """Annotation of color histograms: a list of three int32 arrays."""

    class NumpyArrayFloat32:
        """Annotation of float32 arrays that come back flat; NumpyArray keeps shapes."""

    class NumpyArrayInt32:
        """Annotation of int32 arrays that come back flat; NumpyArray keeps shapes."""

    class Bbox:
        """Annotation of a ``protobufs.BoundingBox``; a call makes one.

        Corners are fractions of the frame's width and height.

        Examples:
            >>> Bbox(x1=0.25, y1=0.25, x2=0.5, y2=0.5, score=0.5).x2
            0.5
        """

        def __new__(cls, **fields: Any) -> Any:  # noqa: D102 - the class says it
            return protobufs.BoundingBox(**fields)

    class BboxList:
        """Annotation of a list of ``protobufs.BoundingBox``."""


def _register_own() -> None:
    bbox = element_codecs.ProtobufCodec("Bbox", protobufs.BoundingBox)
    boxes = element_codecs.VariableListCodec("BboxList", bbox.info(Bbox, "Bbox"))
    floats = array_codecs.FlatArrayCodec("NumpyArrayFloat32", "float32")
    integers = array_codecs.FlatArrayCodec("NumpyArrayInt32", "int32")
    of_others: dict[str, tuple[Any, Codec]] = {
        "Bytes": (bytes, Codec()),
        "Any": (Any, element_codecs.PickleCodec()),
        "int": (int, scalar_codecs.IntCodec()),
        "float": (float, scalar_codecs.FloatCodec()),
        "bool": (bool, scalar_codecs.BoolCodec()),
        "str": (str, scalar_codecs.StrCodec()),
        "NumpyArray": (NumpyArray, array_codecs.ArrayCodec("NumpyArray")),
    }
    for name, (annotation, codec) in of_others.items():
        register_type_info(codec.info(annotation, name))
    own: dict[str, tuple[Any, Codec]] = {
        "FrameType": (FrameType, array_codecs.ArrayCodec("FrameType")),
        "Image": (Image, element_codecs.ImageCodec()),
        "Histogram": (Histogram, array_codecs.HistogramCodec()),
        "NumpyArrayFloat32": (NumpyArrayFloat32, floats),
        "NumpyArrayInt32": (NumpyArrayInt32, integers),
        "Bbox": (Bbox, bbox),
        "BboxList": (BboxList, boxes),
        "Embedding": (Embedding, number_codecs.ShapedArrayCodec("float32", (None,))),
    }
    for name, (cls, codec) in own.items():
        _register(cls, name, codec)


_register_own()
register_structures(info_of_annotation, info_of_text)
