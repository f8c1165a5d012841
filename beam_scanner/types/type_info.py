"""The properties of an element type, and the registry of types.

Types are found by the annotation that stands for them in kernels, and by the name
under which stored streams remember them.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pyarrow as pa

from beam_scanner.errors import ArgumentError, ElementTypeError


@dataclass(frozen=True, eq=False)
class ScannerTypeInfo:
    """One element type, as the engine and the storage use it.

    Attributes:
        type: The annotation that stands for the type in kernels.
        cpp_name: Name under which stored streams remember the type.
        serialize: Value to bytes; raises ``ElementTypeError`` where the value
            is not of this type.
        deserialize: Bytes to a value that shares no memory with other values.
        arrow_type: ``pyarrow.DataType`` of the Parquet column of such elements.
        to_arrow: Value to what pyarrow accepts for ``arrow_type``. None: the
            column holds the serialized bytes.
        from_arrow: The inverse of ``to_arrow``; None where that is None.

    Examples:
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
    def label(self) -> str:
        """What errors call the type: its name, without the fields of classes in it."""
        return getattr(self.codec, "label", "") or self.name

    @property
    def codec(self) -> Any:
        """The codec that ``deserialize`` is a method of; None for users' functions."""
        return getattr(self.deserialize, "__self__", None)

    @property
    def unpickles(self) -> bool:
        """Whether reading a value unpickles it, which runs any code that it names."""
        return isinstance(self.codec, Codec) and self.codec.unpickles

    @property
    def plain(self) -> bool:
        """Whether reading a value is known to run no code that the value chooses."""
        return isinstance(self.codec, Codec) and self.codec.plain

    def __reduce__(self) -> Any:
        # Unpickling registers the type: a worker may not have imported the module that
        # registers it, and streams name their type.
        return _unpickled, tuple(getattr(self, each.name) for each in fields(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScannerTypeInfo):
            return NotImplemented
        return self.cpp_name == other.cpp_name

    def __hash__(self) -> int:
        return hash(self.cpp_name)

    def __repr__(self) -> str:
        return f"ScannerTypeInfo({self.label})"


class Codec:
    """Base of all codecs; by itself it keeps ``bytes`` as they are."""

    @property
    def inner(self) -> Sequence[Codec | ScannerTypeInfo]:
        """What says how the parts of a value are kept, where it has such parts."""
        return ()

    @property
    def unpickles(self) -> bool:
        """See ``ScannerTypeInfo.unpickles``."""
        return any(part.unpickles for part in self.inner)

    @property
    def plain(self) -> bool:
        """See ``ScannerTypeInfo.plain``."""
        return not self.unpickles and all(part.plain for part in self.inner)

    @property
    def arrow_type(self) -> Any:
        """Type of a column that others can read; None: a column of the bytes."""
        return None

    def serialize(self, value: Any) -> bytes:
        """Value to bytes; text, as of ``json.dumps``, in UTF-8 as Scanner does it."""
        if isinstance(value, str):
            return value.encode()
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

    def bytes_to_arrow(self, data: bytes) -> Any:
        """Bytes to what ``arrow_type`` holds."""
        return self.to_arrow(self.deserialize(data))

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


_by_annotation: dict[Any, ScannerTypeInfo] = {}
_by_name: dict[str, ScannerTypeInfo] = {}


def _owner(annotation: Any) -> str:
    return f"{annotation.__module__}.{annotation.__qualname__}"


def register_type_info(info: ScannerTypeInfo) -> None:
    """Makes a type known by its annotation and by its name.

    Raises:
        ArgumentError: Another class has the name.
    """
    known = _by_name.get(info.name)
    # The same class again is a notebook cell that was run once more.
    if known is not None and _owner(known.type) != _owner(info.type):
        raise ArgumentError(
            f"type name {info.name!r} of {_owner(info.type)} is already registered by "
            f"{_owner(known.type)}; give one of them another name"
        )
    _by_name[info.name] = info
    _by_annotation[info.type] = info


def _unpickled(*parts: Any) -> ScannerTypeInfo:
    """A type that was pickled in another process."""
    info = ScannerTypeInfo(*parts)
    if info.name not in _by_name:
        register_type_info(info)
    return info


def registered(annotation: Any) -> ScannerTypeInfo | None:
    """The type that is registered for an annotation; None if none is."""
    origin = typing.get_origin(annotation)
    key = np.ndarray if origin is np.ndarray else annotation
    try:
        return _by_annotation.get(key)
    except TypeError:  # it cannot be hashed
        return None


def registered_types() -> Iterable[ScannerTypeInfo]:
    """All types that are registered in this process."""
    return list(_by_name.values())


def registered_name(name: str) -> ScannerTypeInfo:
    """The type that is registered under a name.

    Raises:
        ElementTypeError: There is none.
    """
    try:
        return _by_name[name]
    except KeyError:
        raise ElementTypeError(
            f"Type `{name}` has not been registered with Scanner: run the code that "
            "registers it first"
        ) from None


class _Structures:
    """Reads types that need no registration, since they are made of others.

    The modules that can do so are made of what this one defines.
    """

    of_annotation: Callable[[Any, Mapping[str, Any] | None], ScannerTypeInfo]
    of_text: Callable[[str, bool], ScannerTypeInfo]


def register_structures(
    of_annotation: Callable[[Any, Mapping[str, Any] | None], ScannerTypeInfo],
    of_text: Callable[[str, bool], ScannerTypeInfo],
) -> None:
    """Says how annotations, and stored names, are read that are not registered."""
    _Structures.of_annotation = staticmethod(of_annotation)
    _Structures.of_text = staticmethod(of_text)


def get_type_info(ty: Any, names: Mapping[str, Any] | None = None) -> ScannerTypeInfo:
    """The type that an annotation of a kernel stands for.

    Args:
        ty: A registered class, ``bytes``, ``int``, ``float``, ``bool``,
            ``str``, ``typing.Any``, ``numpy.ndarray`` (or ``NDArray[...]``); a
            dataclass, NamedTuple, TypedDict or Enum; lists, dicts and so on of these;
            or a ``ScannerTypeInfo``, which is returned. See ``docs/types.md``.
        names: Local names that annotations of fields may use, as written in strings.

    Raises:
        ElementTypeError: The annotation stands for no type.

    Examples:
        >>> get_type_info(bytes).name, get_type_info(list[float | None]).name
        ('Bytes', 'list[float | None]')
    """
    if isinstance(ty, ScannerTypeInfo):
        return ty
    return registered(ty) or _Structures.of_annotation(ty, names)


def get_type_info_cpp(name: str, load: bool = False) -> ScannerTypeInfo:
    """The type of a name, as stored streams remember it.

    Args:
        name: Of a registered type, or the text of one that is made of others.
        load: Whether modules may be imported that classes in the text come from. Where
            a class is not found, its values are of one made like it.

    Raises:
        ElementTypeError: No type of that name is registered in this process.

    Examples:
        >>> get_type_info_cpp('Bytes').type is bytes
        True
    """
    return _by_name.get(name) or _Structures.of_text(name, load)


# Wide enough for a whole frame in a message, short enough for one line.
_SHOWN = 60


def describe_value(value: Any) -> str:
    """Names the class of ``value`` and a little of it, for error messages."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with shape {value.shape}"
    try:
        shown = repr(value)
    # A class of the user's may raise anything, as one of which a field is missing.
    except Exception:
        return type(value).__name__
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
    return f"{type(value).__name__} {shown}"


def wrong_value(name: str, value: Any, expected: str) -> ElementTypeError:
    """The error for a value that type ``name`` cannot hold."""
    return ElementTypeError(
        f"type {name} expected {expected}, got {describe_value(value)}"
    )


def damaged_value(name: str, why: object) -> ElementTypeError:
    """The error for stored bytes that are no value of type ``name``."""
    return ElementTypeError(f"type {name} cannot read a stored value: {why}")
