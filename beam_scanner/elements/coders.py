"""Values of rows that leave a graph: their type hints, coders and schemas.

| element type | what leaves | type hint |
|---|---|---|
| ``FrameType`` | H x W x C array, any dtype | :class:`Frame` |
| ``NumpyArray``, ``NumpyArrayFloat32``, ``NumpyArrayInt32``, ``Image`` | array | :class:`Array` |
| ``Histogram`` | list of three int32 arrays | ``List[Array]`` |
| ``Bytes``, or none | bytes | ``bytes`` |
| ``Any`` | the value | ``Any`` |
| ``int``, ``float``, ``bool``, ``str`` | the value | the same |
| with a schema: ``Bbox``, ``BboxList``, other messages, a struct of your own | named tuple, or a list of them | row with the fields' types |
| any other that was registered | the value | the class that was registered |
| a dataclass, NamedTuple or Enum | the value | the class |
| ``list``, ``dict``, Optional and so on | the value | the same of Beam |

A null row is None. Rows of the first and last kind are encoded as they are stored,
never pickled.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam import typehints
from apache_beam.typehints.typehints import get_concrete_type_from_nullable, is_nullable

from beam_scanner import types
from beam_scanner.beam_internals.row_types import row_class, row_type, schema_id_of
from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels.pickling import dumps_graph, loads_graph
from beam_scanner.types.codecs.array_codecs import ArrayCodec, FlatArrayCodec
from beam_scanner.types.codecs.class_codecs import (
    EnumCodec,
    RecordCodec,
    TypedDictCodec,
    known_class,
)
from beam_scanner.types.codecs.element_codecs import (
    ImageCodec,
    ProtobufCodec,
    VariableListCodec,
)
from beam_scanner.types.codecs.number_codecs import ShapedArrayCodec
from beam_scanner.types.codecs.structured import (
    DictCodec,
    LeafCodec,
    ListCodec,
    LiteralCodec,
    OptionalCodec,
    StructuredCodec,
    TupleCodec,
)
from beam_scanner.types.element_types import NULL, FrameType, NullElement
from beam_scanner.types.type_info import (
    ScannerTypeInfo,
    get_type_info,
    get_type_info_cpp,
    wrong_value,
)

if TYPE_CHECKING:
    Array = npt.NDArray[Any]
    Frame = npt.NDArray[Any]
else:

    class _AnyArray(type):
        """Every array is an instance: the classes are only ever type hints."""

        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, np.ndarray)

    class Array(np.ndarray, metaclass=_AnyArray):
        """Type hint of arrays of any dtype and shape.

        Elements are plain NumPy arrays; the hint gives them a coder of their own.

        Examples:
            >>> isinstance(np.zeros(3), Array), issubclass(Array, np.ndarray)
            (True, True)
        """

    class Frame(FrameType, Array):
        """Type hint of frames: H x W x C arrays, uint8 RGB from a video.

        Examples:
            >>> isinstance(np.zeros((4, 6, 3), np.uint8), Frame)
            True
        """


_ARRAYS = get_type_info(FrameType)
_PLAIN = (bytes, Any, int, float, bool, str)
"""Types that are their own hint; Beam has coders for them."""

_HEAD_BYTES = 64


class ElementCoder(beam.coders.Coder):  # type: ignore[misc]
    """Values of a registered element type, encoded as the type says.

    Args:
        info: The type.
    """

    def __init__(self, info: ScannerTypeInfo) -> None:
        self._info = info

    def encode(self, value: Any) -> bytes:
        """Value to bytes; an ElementTypeError where it is not of the type."""
        return self._info.serialize(value)

    def decode(self, encoded: bytes) -> Any:
        """Bytes to value."""
        return self._info.deserialize(encoded)

    def to_type_hint(self) -> Any:
        """The class that was registered."""
        return self._info.type

    @classmethod
    def from_type_hint(cls, hint: Any, registry: Any) -> ElementCoder:
        """For a registered class; Beam gives only the name of one in ``__main__``."""
        found = known_class(f"__main__:{hint}") if isinstance(hint, str) else hint
        return cls(get_type_info_cpp(hint) if found is None else get_type_info(found))

    def __reduce__(self) -> Any:
        # The class may be one that workers cannot import.
        return _element_coder, (dumps_graph(self._info),)


def _element_coder(data: bytes) -> ElementCoder:
    return ElementCoder(loads_graph(data))


class FrameCoder(ElementCoder):
    """Arrays: dtype, shape and bytes come back exactly.

    Its size estimate costs nothing: Beam counts the bytes of a share of all elements,
    and would pickle frames for that.

    Args:
        hint: The type hint of the elements.

    Examples:
        >>> coder = FrameCoder()
        >>> frame = np.arange(24, dtype=np.uint16).reshape(2, 4, 3)
        >>> bool((coder.decode(coder.encode(frame)) == frame).all())
        True
    """

    def __init__(self, hint: Any = Frame) -> None:
        super().__init__(_ARRAYS)
        self._hint = hint

    def estimate_size(self, value: Any) -> int:
        """The array's size in bytes."""
        return _HEAD_BYTES + int(getattr(value, "nbytes", 0))

    def is_deterministic(self) -> bool:
        """Arrays of equal dtype, shape and bytes are equal bytes."""
        return True

    def to_type_hint(self) -> Any:
        """The type of the elements."""
        return self._hint

    @classmethod
    def from_type_hint(cls, hint: Any, registry: Any) -> FrameCoder:
        """For :class:`Frame` and :class:`Array`."""
        return cls(hint)

    def __reduce__(self) -> Any:
        return FrameCoder, (self._hint,)


for _hint in (Array, Frame):
    beam.coders.registry.register_coder(_hint, FrameCoder)


def _is_array(info: ScannerTypeInfo) -> bool:
    arrays = ArrayCodec | FlatArrayCodec | ImageCodec | ShapedArrayCodec
    return isinstance(info.codec, arrays)


_FIELDS = {
    pa.bool_(): bool,
    pa.int8(): np.int8,
    pa.int16(): np.int16,
    pa.int32(): np.int32,
    pa.int64(): int,
    # Beam's schemas have no unsigned numbers. Those of 64 bits may be too large.
    pa.uint8(): np.int16,
    pa.uint16(): np.int32,
    pa.uint32(): int,
    pa.float32(): np.float32,
    pa.float64(): float,
    pa.string(): str,
    pa.binary(): bytes,
}

_row_types: dict[str, ScannerTypeInfo] = {}
"""Types whose values leave as rows, by the id of the rows' schema."""


def _rows(name: str, arrow: Any, descriptor: Any) -> tuple[Any, Any] | None:
    """Type hint and conversion of what Arrow holds as structs; None for all else."""
    if pa.types.is_list(arrow):
        inner = _rows(name, arrow.value_type, descriptor)
        if inner is None:
            return None
        hint, convert = inner
        return typehints.List[hint], lambda stored: [convert(each) for each in stored]
    if not pa.types.is_struct(arrow):
        return None
    fields, converts = [], {}
    for field in arrow:
        about = descriptor.fields_by_name[field.name] if descriptor else None
        inner = _rows(f"{name}.{field.name}", field.type, about and about.message_type)
        hint = _field_hint(field.type) if inner is None else inner[0]
        nullable = field.nullable and (about is None or about.has_presence)
        fields.append((field.name, typehints.Optional[hint] if nullable else hint))
        converts[field.name] = inner and inner[1]
    shown = [(field, str(hint)) for field, hint in fields]
    schema_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"beam_scanner:{name}:{shown}"))
    row = row_type(fields, schema_id)
    return row, _RowMaker(row, converts)


def _field_hint(arrow: Any) -> Any:
    if pa.types.is_list(arrow):
        return typehints.Sequence[_field_hint(arrow.value_type)]
    return _FIELDS.get(arrow, Any)


class _RowMaker:
    """Makes named tuples of dicts."""

    def __init__(self, row: Any, converts: Mapping[str, Any]) -> None:
        self._row = row
        self._converts = converts

    def __call__(self, stored: Mapping[str, Any]) -> Any:
        values = []
        for name, convert in self._converts.items():
            value = stored[name]
            nested = convert is not None and value is not None
            values.append(convert(value) if nested else value)
        return row_class(self._row)(*values)


def _row_form(info: ScannerTypeInfo) -> tuple[Any, Any] | None:
    """See :func:`_rows`; for the values of a type."""
    codec = info.codec
    if info.to_arrow is None or _is_array(info) or isinstance(codec, StructuredCodec):
        return None
    while isinstance(codec, VariableListCodec):
        codec = codec.element.codec
    proto = codec.proto.DESCRIPTOR if isinstance(codec, ProtobufCodec) else None
    return _rows(info.name, info.arrow_type, proto)


def value_hint(type_info: ScannerTypeInfo | None, nullable: bool = False) -> Any:
    """The type hint of the values of a stream that leave a graph.

    Args:
        type_info: The stream's element type; None for unknown ones, which are bytes.
        nullable: Whether some rows may be null.

    Returns:
        A hint that has a coder.

    Examples:
        >>> value_hint(get_type_info(FrameType)).__name__
        'Frame'
        >>> value_hint(None, nullable=True)
        Union[<class 'NoneType'>, <class 'bytes'>]
        >>> value_hint(get_type_info(types.Bbox)).get_type_for('label').__name__
        'int32'
    """
    hint = bytes if type_info is None else _hint_of(type_info)
    return typehints.Optional[hint] if nullable else hint


def _hint_of(info: ScannerTypeInfo) -> Any:
    if info.type is FrameType:
        return Frame
    if info.type in _PLAIN:
        return info.type
    if _is_array(info):
        return Array
    if info.type is types.Histogram:
        return typehints.List[Array]
    if isinstance(info.codec, StructuredCodec):
        return _structured_hint(info.codec)
    form = _row_form(info)
    if form is not None:
        _row_types[schema_id_of(form[0])] = info
        return form[0]
    beam.coders.registry.register_coder(info.type, ElementCoder)
    return info.type


def _structured_hint(codec: StructuredCodec) -> Any:
    match codec:
        case LeafCodec():
            return _hint_of(codec.base)
        case OptionalCodec():
            return typehints.Optional[_structured_hint(codec.item)]
        case ListCodec():
            item = _structured_hint(codec.item)
            several = typehints.Tuple[item, ...]
            return typehints.List[item] if codec.kind is list else several
        case TupleCodec():
            return typehints.Tuple[tuple(map(_structured_hint, codec.items))]
        case DictCodec():
            key, item = map(_structured_hint, (codec.key, codec.item))
            return typehints.Dict[key, item]
        case LiteralCodec():
            return _structured_hint(codec.item)
        case TypedDictCodec():
            return typehints.Dict[str, Any]
        case RecordCodec() | EnumCodec():
            cls = codec.found()
            # Rows of a schema are for users to register, as Beam documents it.
            if not isinstance(
                beam.coders.registry.get_coder(cls), beam.coders.RowCoder
            ):
                beam.coders.registry.register_coder(cls, ElementCoder)
            return cls
        case ShapedArrayCodec():
            return Array
    return Any


def type_of_hint(hint: Any) -> ScannerTypeInfo:
    """The element type for values of a type hint: :func:`value_hint`'s way back.

    Args:
        hint: Of Beam, or a class.

    Returns:
        The type; ``Any`` for hints that say nothing of an element type.

    Examples:
        >>> type_of_hint(value_hint(get_type_info(types.BboxList)))
        ScannerTypeInfo(BboxList)
        >>> type_of_hint(np.ndarray), type_of_hint(dict)
        (ScannerTypeInfo(NumpyArray), ScannerTypeInfo(Any))
    """
    if is_nullable(hint):
        hint = get_concrete_type_from_nullable(hint)
    if hint == typehints.List[Array]:
        return get_type_info(types.Histogram)
    info = _row_types.get(schema_id_of(hint))
    if info is not None and _hint_of(info) == hint:
        return info
    if hint is Frame:
        return get_type_info(FrameType)
    if isinstance(hint, type) and issubclass(hint, np.ndarray):
        return get_type_info(np.ndarray)
    try:
        return get_type_info(hint)
    except ElementTypeError:
        return get_type_info(Any)


def leaving(type_info: ScannerTypeInfo | None) -> Callable[[Any], Any]:
    """How an element becomes the value that leaves.

    Args:
        type_info: See :func:`value_hint`.

    Returns:
        A function of serialized bytes, a frame or ``NullElement``.

    Examples:
        >>> from beam_scanner import protobufs
        >>> box = protobufs.BoundingBox(x1=0.5, label=7)
        >>> value = leaving(get_type_info(types.Bbox))(box.SerializeToString())
        >>> value.x1, value.label
        (0.5, 7)
    """
    open_element = _opener(type_info)
    return lambda element: (
        None if isinstance(element, NullElement) else open_element(element)
    )


def _opener(info: ScannerTypeInfo | None) -> Callable[[Any], Any]:
    if info is None or info.type is FrameType:
        return lambda element: element
    form = _row_form(info)
    if form is None:
        return info.deserialize
    to_arrow: Any = info.to_arrow
    deserialize, convert = info.deserialize, form[1]
    return lambda element: convert(to_arrow(deserialize(element)))


def entering(type_info: ScannerTypeInfo) -> Callable[[Any], Any]:
    r"""How a value becomes an element again; takes what :func:`leaving` gave.

    Args:
        type_info: The element type.

    Returns:
        A function to bytes, a frame or (of None) ``NullElement``; it raises
        ElementTypeError where a value is not of the type.

    Examples:
        >>> entering(get_type_info(types.Bbox))(beam.Row(x1=0.5, label=7))
        b'\r\x00\x00\x00?@\x07'
        >>> entering(get_type_info(bytes))(None)
        NullElement()
    """
    close = _closer(type_info)
    return lambda value: (
        NULL if value is None or isinstance(value, NullElement) else close(value)
    )


def _closer(info: ScannerTypeInfo) -> Callable[[Any], Any]:
    if info.type is FrameType:
        return _checked_frame
    from_arrow, serialize = info.from_arrow, info.serialize
    if from_arrow is None or _row_form(info) is None:
        return serialize

    def close(value: Any) -> bytes:
        plain, has_rows = _plain(value)
        if not has_rows:
            return serialize(value)
        try:
            made = from_arrow(plain)
        except (TypeError, ValueError, KeyError) as error:
            fields = f"rows with its fields ({error})"
            raise wrong_value(info.name, value, fields) from error
        return serialize(made)

    return close


def _checked_frame(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise wrong_value("FrameType", value, "an H x W x C array")
    return value


def _plain(value: Any) -> tuple[Any, bool]:
    """Rows as dicts, at any depth, and whether there was one (or nothing at all)."""
    if isinstance(value, beam.Row):
        value = value.as_dict()
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, list | tuple):
        items = [_plain(each) for each in value]
        return [item for item, _ in items], all(has for _, has in items)
    if isinstance(value, Mapping):
        return {name: _plain(each)[0] for name, each in value.items()}, True
    return value, False
