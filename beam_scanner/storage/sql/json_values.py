"""Values of databases as JSON, and back.

Numbers keep their digits: a DECIMAL of ``0.10`` is that number in the JSON, which
``json.loads`` reads as a float, or exactly with ``parse_float=decimal.Decimal``.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from beam_scanner.errors import ElementTypeError

_INTEGER = re.compile(
    r"u?(tiny|small|medium|big|huge)?int(eger)?[0-9]*\b|(small|big)?serial\b", re.I
)
_KINDS = {
    "number": re.compile(r"(float|double|real|numeric|decimal)", re.I),
    "boolean": re.compile(r"bool", re.I),
    "json": re.compile(r"json", re.I),
    "text": re.compile(r"(n?(var)?char|character|text|clob|string|bpchar)", re.I),
    "bytes": re.compile(r"(blob|bytea|binary|varbinary)", re.I),
}


def json_object(row: Iterable[tuple[str, Any]]) -> str:
    """A row of a database as a JSON object.

    Args:
        row: Names and values of its columns.

    Raises:
        ElementTypeError: A value has no form in JSON; names the column.

    Examples:
        >>> json_object([('a', 1), ('b', None), ('c', Decimal('0.10'))])
        '{"a": 1, "b": null, "c": 0.10}'
        >>> json_object([('day', datetime.date(2020, 1, 2)), ('mask', b'ab')])
        '{"day": "2020-01-02", "mask": "YWI="}'
    """
    parts = []
    for name, value in row:
        try:
            parts.append(f"{json.dumps(name)}: {_text(value)}")
        except TypeError:
            raise ElementTypeError(
                f"column {name!r} holds a {type(value).__name__}, which has no form in "
                "JSON: cast it in the query's fields, as CAST(x AS TEXT)"
            ) from None
    return f"{{{', '.join(parts)}}}"


def _text(value: Any) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, Decimal):
        return json.dumps(float(value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        items = (f"{json.dumps(str(k))}: {_text(v)}" for k, v in value.items())
        return f"{{{', '.join(items)}}}"
    return json.dumps(plain(value))


def plain(value: Any) -> Any:
    """A value as ``json.dumps`` takes it: times in ISO 8601, bytes in base64.

    Raises:
        TypeError: It has no form in JSON.

    Examples:
        >>> plain([datetime.datetime(2020, 1, 2, 3), b'ab', Decimal('1.50')])
        ['2020-01-02T03:00:00', 'YWI=', '1.50']
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, (Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    # Scalars and arrays of NumPy.
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return plain(value.tolist())
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


class TableColumn(NamedTuple):
    """A column of a table that is written.

    Attributes:
        name: Its name.
        type: Its type, in the database's words.
        is_required: Whether a new row must have a value for it.
    """

    name: str
    type: str
    is_required: bool

    @property
    def kind(self) -> str:
        """Which values it takes: 'integer', 'number', 'text' and so on; 'other'.

        Examples:
            >>> [TableColumn('', type, False).kind for type in
            ...  ('bigint', 'VARCHAR(20)', 'double precision', 'int4range', 'INT[]')]
            ['integer', 'text', 'number', 'other', 'list']
        """
        if self.type.endswith("]"):
            return "list"
        if _INTEGER.fullmatch(self.type.partition("(")[0].strip()):
            return "integer"
        found = (kind for kind, words in _KINDS.items() if words.match(self.type))
        return next(found, "other")

    def problem(self, value: Any) -> str:
        """What is wrong with a value for this column; '' if nothing is.

        Examples:
            >>> TableColumn('a', 'INTEGER', False).problem(2.5)
            "column 'a' is INTEGER and cannot hold 2.5"
        """
        if value is None:
            return f"column {self.name!r} needs a value" if self.is_required else ""
        if _FITS[self.kind](value) and not self._is_too_large(value):
            return ""
        return f"column {self.name!r} is {self.type} and cannot hold {value!r:.80}"

    def _is_too_large(self, value: Any) -> bool:
        if self.kind != "integer" or "huge" in self.type.lower():
            return False
        return not -(1 << 63) <= int(value) < 1 << 63

    def stored(self, value: Any) -> Any:
        """What a driver is given for a value without problems."""
        if value is None:
            return None
        if self.kind == "bytes":
            return base64.b64decode(value)
        if self.kind == "json":
            return json.dumps(value)
        if self.kind == "integer":
            return int(value)
        return bool(value) if self.kind == "boolean" else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_decimal(value: Any) -> bool:
    if not isinstance(value, str):
        return _is_number(value)
    try:
        return bool(Decimal(value) or True)
    except InvalidOperation:
        return False


def _is_base64(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


def _is_integer(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int)


_FITS: dict[str, Callable[[Any], bool]] = {
    "integer": _is_integer,
    "number": _is_decimal,
    "boolean": lambda value: isinstance(value, bool) or value in (0, 1),
    "text": lambda value: isinstance(value, str),
    "bytes": _is_base64,
    "json": lambda value: True,
    "list": lambda value: isinstance(value, list),
    "other": lambda value: isinstance(value, (str, int, float)),
}
