"""Codecs of values that have a class: dataclasses, NamedTuples, TypedDicts, enums.

A stored stream remembers a class by its module and name, and by its fields. Where no
such class can be found when the stream is read, or one with other fields, values are of
a stand-in: a class of the same kind, name and fields.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import importlib
import keyword
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from beam_scanner.errors import ElementTypeError
from beam_scanner.types.codecs.structured import (
    MisfitError,
    OptionalCodec,
    StructuredCodec,
    misfit,
)

DATACLASS, NAMED_TUPLE = "dataclass", "named_tuple"
ENUM, FLAG = "enum", "flag"


def path_of(cls: type) -> str:
    """Where a class is, as streams remember it: ``'module:qualified.name'``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def _short(path: str) -> str:
    return path.rpartition(":")[2].rpartition(".")[2]


_seen: dict[str, type] = {}
"""Classes of annotations that this process has read, by path: they may be local."""


def known_class(path: str) -> type | None:
    """The class of that path in an annotation that this process has read."""
    return _seen.get(path)


def names_of(cls: type, kind: str) -> tuple[str, ...] | None:
    """The fields of a class of a kind, or the members of an enum; None for others."""
    if kind == DATACLASS:
        is_one = dataclasses.is_dataclass(cls)
        return tuple(f.name for f in dataclasses.fields(cls)) if is_one else None
    if kind == NAMED_TUPLE:
        is_one = issubclass(cls, tuple) and hasattr(cls, "_fields")
        return tuple(getattr(cls, "_fields", ())) if is_one else None
    is_flag = issubclass(cls, enum.Flag)
    if not issubclass(cls, enum.Enum) or is_flag != (kind == FLAG):
        return None
    return tuple(member.name or "" for member in cls)


def find_class(path: str, kind: str, names: tuple[str, ...], load: bool) -> type | None:
    """The class that a stream remembers; None if there is none like it.

    Args:
        path: See :func:`path_of`.
        kind: What it must be.
        names: The fields, or members, that it must have, in order.
        load: Whether its module may be imported, which runs code that the path names.
    """
    module, _, qualname = path.partition(":")
    if load and module not in sys.modules:
        try:
            importlib.import_module(module)
        # Whatever a module of the user's raises.
        except Exception:
            return None
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    for cls in (found, _seen.get(path)):
        if isinstance(cls, type) and names_of(cls, kind) == names:
            return cls
    return None


@functools.lru_cache(maxsize=1024)
def stand_in(path: str, kind: str, names: tuple[str, ...]) -> type:
    """A class of a kind, with these fields or members.

    Examples:
        >>> stand_in('gone:Face', DATACLASS, ('x', 'y'))(1, 2)
        Face(x=1, y=2)
    """
    name = _short(path)
    made: type = _MAKERS[kind](name, names)
    made.__module__, _, made.__qualname__ = path.partition(":")
    return made


_MAKERS: dict[str, Callable[[str, tuple[str, ...]], Any]] = {
    DATACLASS: dataclasses.make_dataclass,
    NAMED_TUPLE: lambda name, names: collections.namedtuple(name, names),
    ENUM: lambda name, names: enum.Enum(name, {each: each for each in names}),
    FLAG: lambda name, names: enum.Flag(name, list(names)),
}


def check_names(path: str, kind: str, names: tuple[str, ...]) -> None:
    """Refuses what can be no class.

    Raises:
        ElementTypeError: Names are impossible, or there are none.
    """
    module, colon, qualname = path.partition(":")
    if not (module and colon and _short(path).isidentifier() and qualname):
        raise ElementTypeError(f"{path!r} is no path of a class")
    free = kind in (ENUM, FLAG)
    wrong = [n for n in names if not n.isidentifier() or keyword.iskeyword(n)]
    wrong = [] if free else wrong
    private = kind == NAMED_TUPLE and any(name.startswith("_") for name in names)
    if not names or wrong or private or len(set(names)) != len(names):
        raise ElementTypeError(f"{kind} {path} cannot have the fields {names}")


@dataclass(frozen=True)
class _ClassCodec(StructuredCodec):
    """Base of the codecs of values of a class.

    Attributes:
        path: See :func:`path_of`.
        kind: What the class is.
        cls: The class; None to look for it when a value is read.
    """

    path: str
    kind: str
    cls: type | None = field(compare=False)

    def __post_init__(self) -> None:
        check_names(self.path, self.kind, self.names)
        if self.cls is not None:
            _seen[self.path] = self.cls

    @property
    def label(self) -> str:
        """The class's name."""
        return _short(self.path)

    @property
    def names(self) -> tuple[str, ...]:
        """Of fields or members."""
        raise NotImplementedError

    def found(self) -> type:
        """The class of values that are read."""
        if self.cls is not None:
            return self.cls
        cls = find_class(self.path, self.kind, self.names, load=False)
        return cls or stand_in(self.path, self.kind, self.names)

    def check(self, value: Any) -> None:
        """Refuses values of other classes, subclasses among them."""
        # By name: the class may have been pickled by value, or its module loaded again.
        if type(value) is not self.cls and path_of(type(value)) != self.path:
            raise misfit(value, self.label)


@functools.lru_cache(maxsize=256)
def _slots_of(cls: type) -> tuple[str, ...]:
    """Attributes in slots of a class and its bases; asked for each value."""
    found: list[str] = []
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        hidden = f"_{base.__name__.lstrip('_')}"
        for name in (slots,) if isinstance(slots, str) else slots:
            is_hidden = name.startswith("__") and not name.endswith("__")
            found.append(f"{hidden}{name}" if is_hidden else name)
    return tuple(name for name in found if name not in ("__dict__", "__weakref__"))


@dataclass(frozen=True)
class RecordCodec(_ClassCodec):
    """Dataclasses and NamedTuples: a struct of their fields.

    Attributes:
        fields: Names and codecs, in order.
    """

    fields: tuple[tuple[str, StructuredCodec], ...]

    @property
    def inner(self) -> Sequence[StructuredCodec]:
        """See :attr:`Codec.inner`."""
        return [codec for _, codec in self.fields]

    @property
    def text(self) -> str:
        """As in ``dataclass('faces:Face', {'x': float})``."""
        fields = ", ".join(f"{name!r}: {codec.text}" for name, codec in self.fields)
        return f"{self.kind}({self.path!r}, {{{fields}}})"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the fields."""
        return tuple(name for name, _ in self.fields)

    @property
    def arrow_type(self) -> Any:
        """A struct."""
        return pa.struct([(name, codec.arrow_type) for name, codec in self.fields])

    def to_plain(self, value: Any) -> dict[str, Any]:
        """See :meth:`StructuredCodec.to_plain`."""
        self.check(value)
        self.check_whole(value)
        found: dict[str, Any] = {}
        for name, codec in self.fields:
            try:
                found[name] = codec.to_plain(getattr(value, name))
            except MisfitError as error:
                raise error.inside(f".{name}") from None
        return found

    def check_whole(self, value: Any) -> None:
        """Refuses a value that is more or less than its fields."""
        names = self.names
        for name in names:
            if not hasattr(value, name):
                problem = f"has no value of {name!r}, a field of {self.label}"
                raise MisfitError(problem)
        cls: Any = type(value)
        in_slots = [name for name in _slots_of(cls) if hasattr(value, name)]
        for name in (*getattr(value, "__dict__", ()), *in_slots):
            is_field = name in names
            cached = getattr(type(value), name, None)
            if not is_field and not isinstance(cached, functools.cached_property):
                problem = f"has an attribute {name!r} that is no field of {self.label}"
                raise MisfitError(problem)

    def of_plain(self, plain: Any) -> Any:
        """See :meth:`StructuredCodec.of_plain`.

        Nothing of the class is run: its ``__init__`` could change what it is given.
        """
        values = [codec.take(plain[name]) for name, codec in self.fields]
        cls: Any = self.found()
        if self.kind == NAMED_TUPLE:
            return tuple.__new__(cls, values)
        made = object.__new__(cls)
        for name, value in zip(self.names, values, strict=True):
            object.__setattr__(made, name, value)
        return made


@dataclass(frozen=True)
class TypedDictCodec(StructuredCodec):
    """Dicts whose keys are known: a struct.

    Attributes:
        path: Of the TypedDict; '' for dicts whose keys were found out.
        fields: Keys, codecs, and whether a dict must have the key.
    """

    path: str
    fields: tuple[tuple[str, StructuredCodec, bool], ...]

    @property
    def inner(self) -> Sequence[StructuredCodec]:
        """See :attr:`Codec.inner`."""
        return [codec for _, codec, _ in self.fields]

    @property
    def text(self) -> str:
        """As in ``typed_dict('faces:Face', {'x': float, 'name': NotRequired[str]})``."""
        return f"typed_dict({self.path!r}, {{{self._shown('text')}}})"

    @property
    def label(self) -> str:
        """Its name, or its keys."""
        return _short(self.path) or f"{{{self._shown('label')}}}"

    def _shown(self, what: str) -> str:
        shown = []
        for name, codec, required in self.fields:
            kind = getattr(codec, what)
            shown.append(f"{name!r}: {kind if required else f'NotRequired[{kind}]'}")
        return ", ".join(shown)

    @property
    def arrow_type(self) -> Any:
        """A struct."""
        return pa.struct([(name, codec.arrow_type) for name, codec, _ in self.fields])

    def to_plain(self, value: Any) -> dict[str, Any]:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not dict:
            raise misfit(value, f"a dict ({self.label})")
        found: dict[str, Any] = {}
        for name, codec, required in self.fields:
            if name not in value:
                if required:
                    raise misfit(value, f"a dict with the key {name!r}")
                found[name] = None
                continue
            try:
                found[name] = codec.to_plain(value[name])
            except MisfitError as error:
                raise error.inside(f"[{name!r}]") from None
        for key in value:
            if key not in found:
                raise misfit(value, f"no key {key!r}, which {self.label} does not have")
        return found

    def of_plain(self, plain: Any) -> dict[str, Any]:
        """See :meth:`StructuredCodec.of_plain`."""
        found = {}
        for name, codec, required in self.fields:
            stored = plain[name]
            if required or stored is not None:
                found[name] = codec.take(stored)
        return found


@dataclass(frozen=True)
class EnumCodec(_ClassCodec):
    """Members of an enum, by name; those of a flag, which combine, by number.

    Attributes:
        members: Their names, in order.
    """

    members: tuple[str, ...]

    @property
    def text(self) -> str:
        """As in ``enum('faces:Mood', ['GLAD', 'SAD'])``."""
        return f"{self.kind}({self.path!r}, {list(self.members)!r})"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the members."""
        return self.members

    @property
    def arrow_type(self) -> Any:
        """A string, or an integer for flags."""
        return pa.int64() if self.kind == FLAG else pa.string()

    def to_plain(self, value: Any) -> Any:
        """See :meth:`StructuredCodec.to_plain`."""
        self.check(value)
        if self.kind != FLAG:
            return value.name
        if not -(1 << 63) <= value.value < 1 << 63:
            raise misfit(value, "a flag that fits 64 bits")
        return int(value.value)

    def of_plain(self, plain: Any) -> Any:
        """See :meth:`StructuredCodec.of_plain`."""
        cls: Any = self.found()
        if self.kind == FLAG:
            return cls(plain)
        if plain not in self.members:
            raise ValueError(f"{self.label} has no member {plain!r}")
        return cls[plain]


def optional(codec: StructuredCodec) -> StructuredCodec:
    """The same values, or None."""
    return codec if codec.optional else OptionalCodec(codec)
