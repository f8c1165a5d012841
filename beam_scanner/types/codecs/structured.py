"""Codecs of nested values: lists, tuples, dicts, optional values, literals.

A structured codec is a tree. It turns a value into what Arrow holds for it
(:meth:`StructuredCodec.to_plain`), strictly: nothing is converted that would come back
as another value or another class. Its ``text`` is the name under which stored streams
remember it, and from which :mod:`beam_scanner.types.type_text` builds it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from beam_scanner.errors import ElementTypeError
from beam_scanner.types.codecs.arrow_bytes import pack, unpack
from beam_scanner.types.type_info import (
    Codec,
    ScannerTypeInfo,
    damaged_value,
    describe_value,
)

CLASSES = {"bytes": bytes, "int": int, "float": float, "bool": bool, "str": str}
"""The classes that texts of types have by their own names."""


class MisfitError(Exception):
    """A value, somewhere inside another one, that its type cannot hold.

    Args:
        problem: What was expected, and what was found.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []

    def inside(self, step: str) -> MisfitError:
        """This error, seen from one level further out."""
        self.path.append(step)
        return self

    @property
    def where(self) -> str:
        """As in ``[3].x``; empty for the value as a whole."""
        return "".join(reversed(self.path))


def misfit(value: Any, expected: str) -> MisfitError:
    """The error for a value in place of what was expected."""
    return MisfitError(f"expected {expected}, got {describe_value(value)}")


class StructuredCodec(Codec):
    """Base of the codecs that a tree is made of."""

    @property
    def text(self) -> str:
        """The whole type, as stored streams remember it."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The type as its annotation is written, for errors."""
        return self.text

    @property
    def optional(self) -> bool:
        """Whether None is a value."""
        return False

    def to_plain(self, value: Any) -> Any:
        """Value to what Arrow holds.

        Raises:
            MisfitError: It is not of the type.
        """
        raise NotImplementedError

    def of_plain(self, plain: Any) -> Any:
        """What Arrow holds, never None, to value; whatever it raises means damage."""
        raise NotImplementedError

    def to_arrow(self, value: Any) -> Any:
        """See :meth:`to_plain`; the error names the type and the place in the value."""
        try:
            return self.to_plain(value)
        except MisfitError as error:
            at = f" at {error.where}" if error.path else ""
            raise ElementTypeError(f"type {self.label}{at} {error.problem}") from None

    def from_arrow(self, stored: Any) -> Any:
        """See :meth:`of_plain`."""
        try:
            return self.take(stored)
        except Exception as error:
            raise damaged_value(self.label, error) from error

    def take(self, plain: Any) -> Any:
        """The value of what stands in one place, where null may stand for None."""
        if plain is None and not self.optional:
            raise ValueError(f"null in place of {self.label}")
        return None if plain is None else self.of_plain(plain)

    def serialize(self, value: Any) -> bytes:
        """Value to bytes; see :mod:`beam_scanner.types.codecs.arrow_bytes`."""
        return pack(self.arrow_type, self.to_arrow(value))

    def deserialize(self, data: bytes) -> Any:
        """Bytes to value."""
        return self.from_arrow(self.bytes_to_arrow(data))

    def bytes_to_arrow(self, data: bytes) -> Any:
        """Bytes to what Arrow holds, without the value between them."""
        try:
            return unpack(self.arrow_type, data)
        except ValueError as error:
            raise damaged_value(self.label, error) from error

    def arrow_to_bytes(self, stored: Any) -> bytes:
        """The inverse of :meth:`bytes_to_arrow`."""
        self.from_arrow(stored)
        return pack(self.arrow_type, stored)


@dataclass(frozen=True)
class LeafCodec(StructuredCodec):
    """A registered type as a part of others.

    Attributes:
        base: The type.
    """

    base: ScannerTypeInfo

    @property
    def inner(self) -> Sequence[Codec | ScannerTypeInfo]:
        """See :attr:`Codec.inner`."""
        return (self.base,)

    @property
    def text(self) -> str:
        """The registered name, or that of a built-in class."""
        if self.base.type in CLASSES.values():
            return str(self.base.type.__name__)
        name = self.base.name
        return name if name.isidentifier() and name not in CLASSES else repr(name)

    @property
    def arrow_type(self) -> Any:
        """That of the registered type."""
        return self.base.arrow_type

    def to_plain(self, value: Any) -> Any:
        """See :meth:`StructuredCodec.to_plain`."""
        try:
            plain = (self.base.to_arrow or self.base.serialize)(value)
        except ElementTypeError as error:
            text = str(error)
            raise MisfitError(text.removeprefix(f"type {self.base.name} ")) from error
        if plain is None:
            raise misfit(value, f"a {self.base.name}")
        return plain

    def of_plain(self, plain: Any) -> Any:
        """See :meth:`StructuredCodec.of_plain`."""
        return (self.base.from_arrow or self.base.deserialize)(plain)


@dataclass(frozen=True)
class NoneCodec(StructuredCodec):
    """None alone, as the values of a stream that never has another."""

    text = "None"
    optional = True
    arrow_type = pa.null()

    def to_plain(self, value: Any) -> None:
        """See :meth:`StructuredCodec.to_plain`."""
        if value is not None:
            raise misfit(value, "None")

    def of_plain(self, plain: Any) -> Any:
        """See :meth:`StructuredCodec.of_plain`."""
        raise ValueError("a value in place of null")


@dataclass(frozen=True)
class _ItemCodec(StructuredCodec):
    """A codec whose values hold values of one other codec."""

    item: StructuredCodec

    @property
    def inner(self) -> Sequence[Codec | ScannerTypeInfo]:
        """See :attr:`Codec.inner`."""
        return (self.item,)


@dataclass(frozen=True)
class OptionalCodec(_ItemCodec):
    """Values or None.

    Attributes:
        item: Of the values.
    """

    optional = True

    @property
    def text(self) -> str:
        """As in ``float | None``."""
        return f"{self.item.text} | None"

    @property
    def label(self) -> str:
        """As in ``Face | None``."""
        return f"{self.item.label} | None"

    @property
    def arrow_type(self) -> Any:
        """That of the values."""
        return self.item.arrow_type

    def to_plain(self, value: Any) -> Any:
        """See :meth:`StructuredCodec.to_plain`."""
        return None if value is None else self.item.to_plain(value)

    def of_plain(self, plain: Any) -> Any:
        """See :meth:`StructuredCodec.of_plain`."""
        return self.item.of_plain(plain)


@dataclass(frozen=True)
class ListCodec(_ItemCodec):
    """Lists, or tuples of any length.

    Attributes:
        item: Of the elements.
        kind: ``list`` or ``tuple``.
    """

    kind: type[list[Any]] | type[tuple[Any, ...]] = list

    @property
    def text(self) -> str:
        """As in ``list[float]`` or ``tuple[float, ...]``."""
        return self._named(self.item.text)

    @property
    def label(self) -> str:
        """As in ``list[Face]``."""
        return self._named(self.item.label)

    def _named(self, item: str) -> str:
        return f"list[{item}]" if self.kind is list else f"tuple[{item}, ...]"

    @property
    def arrow_type(self) -> Any:
        """A list."""
        return pa.list_(self.item.arrow_type)

    def to_plain(self, value: Any) -> list[Any]:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not self.kind:
            raise misfit(value, f"a {self.kind.__name__}")
        to_plain, found = self.item.to_plain, []
        try:
            for each in value:
                found.append(to_plain(each))
        except MisfitError as error:
            raise error.inside(f"[{len(found)}]") from None
        return found

    def of_plain(self, plain: Any) -> Any:
        """See :meth:`StructuredCodec.of_plain`."""
        take = self.item.take
        return self.kind([take(each) for each in plain])


@dataclass(frozen=True)
class TupleCodec(StructuredCodec):
    """Tuples of a fixed length, each place with its type.

    Attributes:
        items: Of the places.
    """

    items: tuple[StructuredCodec, ...]

    @property
    def inner(self) -> Sequence[Codec | ScannerTypeInfo]:
        """See :attr:`Codec.inner`."""
        return self.items

    @property
    def text(self) -> str:
        """As in ``tuple[int, str]``."""
        return f"tuple[{', '.join(item.text for item in self.items)}]"

    @property
    def label(self) -> str:
        """As in ``tuple[int, Face]``."""
        return f"tuple[{', '.join(item.label for item in self.items)}]"

    @property
    def arrow_type(self) -> Any:
        """A struct of field_0, field_1, ..."""
        kinds = [item.arrow_type for item in self.items]
        return pa.struct([(f"field_{n}", kind) for n, kind in enumerate(kinds)])

    def to_plain(self, value: Any) -> dict[str, Any]:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not tuple or len(value) != len(self.items):
            raise misfit(value, f"a tuple of {len(self.items)}")
        found: dict[str, Any] = {}
        try:
            for item, each in zip(self.items, value, strict=True):
                found[f"field_{len(found)}"] = item.to_plain(each)
        except MisfitError as error:
            raise error.inside(f"[{len(found)}]") from None
        return found

    def of_plain(self, plain: Any) -> tuple[Any, ...]:
        """See :meth:`StructuredCodec.of_plain`."""
        return tuple(
            item.take(plain[f"field_{n}"]) for n, item in enumerate(self.items)
        )


@dataclass(frozen=True)
class DictCodec(StructuredCodec):
    """Dicts with any keys of one type.

    Attributes:
        key: Of the keys.
        item: Of the values.
    """

    key: StructuredCodec
    item: StructuredCodec

    @property
    def inner(self) -> Sequence[Codec | ScannerTypeInfo]:
        """See :attr:`Codec.inner`."""
        return (self.key, self.item)

    @property
    def text(self) -> str:
        """As in ``dict[str, float]``."""
        return f"dict[{self.key.text}, {self.item.text}]"

    @property
    def label(self) -> str:
        """As in ``dict[str, Face]``."""
        return f"dict[{self.key.label}, {self.item.label}]"

    @property
    def arrow_type(self) -> Any:
        """A map."""
        return pa.map_(self.key.arrow_type, self.item.arrow_type)

    def to_plain(self, value: Any) -> list[tuple[Any, Any]]:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not dict:
            raise misfit(value, "a dict")
        found = []
        for key, each in value.items():
            try:
                plain_key = self.key.to_plain(key)
            except MisfitError as error:
                raise error.inside(f"[key {key!r}]") from None
            try:
                found.append((plain_key, self.item.to_plain(each)))
            except MisfitError as error:
                raise error.inside(f"[{key!r}]") from None
        return found

    def of_plain(self, plain: Any) -> dict[Any, Any]:
        """See :meth:`StructuredCodec.of_plain`."""
        found = {self.key.take(key): self.item.take(each) for key, each in plain}
        if len(found) != len(plain):
            raise ValueError("a key is there twice")
        return found


@dataclass(frozen=True)
class LiteralCodec(StructuredCodec):
    """Some values of one class, by themselves.

    Attributes:
        values: All of them.
        item: Of their class: str, int, bool or bytes.
    """

    values: tuple[Any, ...]
    item: StructuredCodec

    @property
    def text(self) -> str:
        """As in ``Literal['day', 'night']``."""
        return f"Literal[{', '.join(map(repr, self.values))}]"

    @property
    def arrow_type(self) -> Any:
        """That of their class."""
        return self.item.arrow_type

    def to_plain(self, value: Any) -> Any:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not type(self.values[0]) or value not in self.values:
            raise misfit(value, f"one of {', '.join(map(repr, self.values))}")
        return self.item.to_plain(value)

    def of_plain(self, plain: Any) -> Any:
        """See :meth:`StructuredCodec.of_plain`."""
        value = self.item.of_plain(plain)
        if value not in self.values:
            raise ValueError(f"{value!r} is none of the values of {self.text}")
        return value
