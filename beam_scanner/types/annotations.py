"""Element types from annotations: ``list[float]``, dataclasses, ``Literal`` and so on."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import Message

from beam_scanner.errors import ElementTypeError
from beam_scanner.types.codecs import class_codecs
from beam_scanner.types.codecs.class_codecs import (
    EnumCodec,
    RecordCodec,
    TypedDictCodec,
    names_of,
    optional,
    path_of,
)
from beam_scanner.types.codecs.element_codecs import ProtobufCodec
from beam_scanner.types.codecs.number_codecs import (
    DTYPES,
    NumberCodec,
    Shape,
    ShapedArrayCodec,
)
from beam_scanner.types.codecs.structured import (
    DictCodec,
    LeafCodec,
    ListCodec,
    LiteralCodec,
    StructuredCodec,
    TupleCodec,
)
from beam_scanner.types.codecs.time_codecs import (
    DateCodec,
    DatetimeCodec,
    TimeCodec,
    TimedeltaCodec,
    zone_name,
)
from beam_scanner.types.type_info import ScannerTypeInfo, registered, registered_types

TIMES: dict[Any, StructuredCodec] = {
    datetime.datetime: DatetimeCodec(),
    datetime.date: DateCodec(),
    datetime.time: TimeCodec(),
    datetime.timedelta: TimedeltaCodec(),
}
_WRAPPERS = tuple(
    getattr(typing, name)
    for name in ("Required", "NotRequired", "ReadOnly", "Final")
    if hasattr(typing, name)
)
_KEYS = (str, int, bool, bytes)


class _AnythingError(Exception):
    """The annotation says ``Any`` somewhere, or a list without what is in it."""


def info_of_annotation(
    annotation: Any, names: Mapping[str, Any] | None = None
) -> ScannerTypeInfo:
    """The element type of an annotation that is not registered.

    Args:
        annotation: What a kernel declares. With ``Any`` in any place of it, as in
            ``dict[str, Any]``, it is ``Any``.
        names: Local names that annotations of fields may use.

    Raises:
        ElementTypeError: No column can hold such values; says which part, and why.

    Examples:
        >>> info_of_annotation(dict[str, float | None]).name
        'dict[str, float | None]'
    """
    try:
        codec = _Reader(names or {}).codec(annotation)
    except _AnythingError:
        found = registered(Any)
        assert found is not None
        return found
    if isinstance(codec, LeafCodec):
        return codec.base
    return codec.info(annotation, codec.text)


def leaf(kind: Any) -> StructuredCodec:
    """The codec of a registered type, as a part of another one."""
    found = registered(kind)
    if found is None:
        raise _unknown(kind)
    codec = found.codec
    is_whole = isinstance(codec, StructuredCodec) and codec.text == found.name
    return codec if is_whole else LeafCodec(found)


def literal(values: tuple[Any, ...]) -> StructuredCodec:
    """The codec of some values of one class.

    Raises:
        ElementTypeError: They are of several, or of one that Literal does not take.
    """
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not kinds <= set(_KEYS):
        shown = ", ".join(map(repr, values))
        raise ElementTypeError(
            f"values of type Literal[{shown}] cannot be stored: they must all be of one "
            "class"
        )
    codec = LiteralCodec(values, leaf(kinds.pop()))
    for value in values:
        codec.to_arrow(value)
    return codec


def _unknown(annotation: Any, why: str = "") -> ElementTypeError:
    shown = inspect.formatannotation(annotation)
    known = ", ".join(sorted(info.name for info in registered_types()))
    return ElementTypeError(
        f"Type `{shown}` has not been registered with Scanner{why}; use one of {known}; "
        "list, dict, tuple, Optional or Literal of these; a dataclass, NamedTuple, "
        "TypedDict or Enum; typing.Any for whatever pickles; or decorate a "
        "class that has serialize(value) -> bytes and deserialize(data) with "
        "@beam_scanner.types.element_types.register_type"
    )


def _refused(annotation: Any, why: str) -> ElementTypeError:
    shown = inspect.formatannotation(annotation)
    return ElementTypeError(f"values of type `{shown}` cannot be stored: {why}")


@dataclass
class _Reader:
    """Reads one annotation.

    Attributes:
        names: Local names that annotations of fields may use.
        above: The classes whose fields are just being read.
    """

    names: Mapping[str, Any]
    above: list[type] = field(default_factory=list)

    def codec(self, annotation: Any) -> StructuredCodec:
        annotation = _plain(annotation)
        if any(annotation is each for each in (Any, list, dict, tuple)):
            raise _AnythingError
        found = registered(annotation)
        if found is not None and typing.get_origin(annotation) is not typing.Annotated:
            return leaf(annotation)
        if isinstance(annotation, type) and annotation in TIMES:
            return TIMES[annotation]
        origin = typing.get_origin(annotation)
        if origin is not None:
            return self._generic(annotation, origin, typing.get_args(annotation))
        if typing.is_typeddict(annotation):
            return self._typed_dict(annotation)
        if isinstance(annotation, type):
            return self._class(annotation)
        raise _unknown(annotation)

    def _generic(
        self, annotation: Any, origin: Any, args: tuple[Any, ...]
    ) -> StructuredCodec:
        if origin is typing.Annotated:
            return self._annotated(annotation, *args)
        if origin in (typing.Union, types.UnionType):
            return self._union(annotation, args)
        if origin is typing.Literal:
            return self._literal(args)
        if origin in (list, dict, tuple) and not args and annotation != tuple[()]:
            raise _AnythingError
        if origin is list:
            return ListCodec(self.codec(args[0]))
        if origin is tuple:
            if len(args) == 2 and args[1] is Ellipsis:
                return ListCodec(self.codec(args[0]), tuple)
            if not args:
                raise _refused(annotation, "it has nothing in it")
            return TupleCodec(tuple(map(self.codec, args)))
        if origin is dict:
            return DictCodec(self._key(annotation, args[0]), self.codec(args[1]))
        raise _unknown(annotation)

    def _annotated(self, annotation: Any, base: Any, *metadata: Any) -> StructuredCodec:
        shapes = [each for each in metadata if isinstance(each, Shape)]
        zones = [each for each in metadata if isinstance(each, datetime.tzinfo)]
        if shapes and typing.get_origin(base) is np.ndarray:
            dtype = _dtype_of(typing.get_args(base))
            if dtype is None:
                known = ", ".join(DTYPES)
                raise _refused(annotation, f"say its dtype: NDArray of {known}")
            return ShapedArrayCodec(dtype, shapes[0].sides)
        if shapes:
            raise _refused(annotation, "a Shape is that of numpy.typing.NDArray[dtype]")
        if zones and base is datetime.datetime:
            return DatetimeCodec(zone_name(zones[0]))
        return self.codec(base)

    def _union(self, annotation: Any, args: tuple[Any, ...]) -> StructuredCodec:
        others = [each for each in args if each is not type(None)]
        if len(others) != 1:
            why = "a column has one type, and None; typing.Any takes any"
            if typing.Any in others:
                raise _AnythingError
            raise _refused(annotation, why)
        return optional(self.codec(others[0]))

    def _literal(self, args: tuple[Any, ...]) -> StructuredCodec:
        codec = literal(tuple(value for value in args if value is not None))
        return optional(codec) if None in args else codec

    def _key(self, annotation: Any, key: Any) -> StructuredCodec:
        codec = self.codec(key)
        is_leaf = isinstance(codec, LeafCodec) and codec.base.type in _KEYS
        if is_leaf or isinstance(codec, LiteralCodec | EnumCodec | DateCodec):
            return codec
        raise _refused(annotation, "keys of a dict may be str, int, bool, bytes, date, "
                       "Literal or an Enum")  # fmt: skip

    def _class(self, cls: type) -> StructuredCodec:
        if issubclass(cls, np.generic):
            if np.dtype(cls).name in DTYPES and np.dtype(cls).type is cls:
                return NumberCodec(np.dtype(cls).name)
            raise _refused(cls, f"numbers of NumPy may be {', '.join(DTYPES)}")
        if issubclass(cls, enum.Enum):
            kind = (
                class_codecs.FLAG if issubclass(cls, enum.Flag) else class_codecs.ENUM
            )
            members = names_of(cls, kind)
            if not members:
                raise _refused(cls, "it has no members")
            return EnumCodec(path_of(cls), kind, cls, members)
        if issubclass(cls, Message):
            return _message(cls)
        if dataclasses.is_dataclass(cls):
            return self._record(cls, class_codecs.DATACLASS)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return self._record(cls, class_codecs.NAMED_TUPLE)
        raise _unknown(cls)

    def _record(self, cls: type, kind: str) -> StructuredCodec:
        names = names_of(cls, kind)
        if not names:
            raise _refused(cls, "it has no fields")
        if kind == class_codecs.DATACLASS:
            try:
                object.__new__(cls)
            except TypeError as error:
                raise _refused(
                    cls, f"it cannot be made from its fields: {error}"
                ) from None
        hints = self._hints(cls, names)
        fields = tuple((name, self._field(cls, name, hints[name])) for name in names)
        return RecordCodec(path_of(cls), kind, cls, fields)

    def _typed_dict(self, cls: Any) -> StructuredCodec:
        names = tuple(cls.__annotations__)
        if not names:
            raise _refused(cls, "it has no keys")
        hints, fields = self._hints(cls, names), []
        for name in names:
            try:
                name.encode()
            except UnicodeEncodeError:
                raise _refused(cls, f"key {name!r} cannot be encoded") from None
            hint = hints[name]
            required = name in cls.__required_keys__
            while typing.get_origin(hint) in _WRAPPERS:
                origin = typing.get_origin(hint)
                if origin in (typing.Required, typing.NotRequired):
                    required = origin is typing.Required
                hint = typing.get_args(hint)[0]
            codec = self._field(cls, name, hint)
            if codec.optional and not required:
                why = (
                    f"a missing {name!r} could not be told from None: drop one of both"
                )
                raise _refused(cls, why)
            fields.append((name, codec, required))
        return TypedDictCodec(path_of(cls), tuple(fields))

    def _field(self, cls: Any, name: str, hint: Any) -> StructuredCodec:
        if cls in self.above:
            raise _refused(cls, "it contains itself")
        self.above.append(cls)
        try:
            return self.codec(hint)
        except ElementTypeError as error:
            raise ElementTypeError(f"{cls.__name__}.{name}: {error}") from None
        finally:
            self.above.pop()

    def _hints(self, cls: Any, names: tuple[str, ...]) -> dict[str, Any]:
        local = {**self.names, cls.__name__: cls}
        try:
            hints = typing.get_type_hints(cls, localns=local, include_extras=True)
        # An annotation may be any expression.
        except Exception as error:
            raise ElementTypeError(
                f"annotations of {cls.__name__} cannot be resolved: "
                f"{type(error).__name__}: {error}; import what they name where the "
                "class is defined, not only under TYPE_CHECKING"
            ) from error
        for name in names:
            if name not in hints:
                why = f"field {name!r} has no annotation; use a typing.NamedTuple"
                raise _refused(cls, why)
        return hints


def _plain(annotation: Any) -> Any:
    """An annotation without what says nothing about values."""
    while True:
        if isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif typing.get_origin(annotation) in _WRAPPERS:
            annotation = typing.get_args(annotation)[0]
        else:
            return annotation


def _dtype_of(args: tuple[Any, ...]) -> str | None:
    scalar = next(iter(typing.get_args(args[-1])), None) if args else None
    if isinstance(scalar, type) and issubclass(scalar, np.generic):
        with_name = np.dtype(scalar)
        return with_name.name if with_name.name in DTYPES else None
    return None


def _message(cls: type[Message]) -> StructuredCodec:
    for info in registered_types():
        codec = info.codec
        if isinstance(codec, ProtobufCodec) and codec.proto is cls:
            return LeafCodec(info)
    raise _unknown(cls, ": ProtobufType makes a type of a message")
