"""Type hints of rows and pairs, and what they consist of.

Beam documents how such hints are written, not how they are read: which fields a row
has, by which class its rows are made, what the type of a pair's value is.

If Beam changes this: rows that leave a graph have no schema, so SQL and YAML do not see
their fields, or elements that come back are stored as pickles.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import UnionType
from typing import Any

import numpy as np
from apache_beam import typehints
from apache_beam.typehints.native_type_compatibility import convert_to_beam_type
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.typehints.typehints import (
    ListConstraint,
    UnionConstraint,
    get_concrete_type_from_nullable,
    is_consistent_with,
    is_nullable,
)


def row_type(fields: Sequence[tuple[str, Any]], schema_id: str | None = None) -> Any:
    """The type hint of rows with these fields.

    Args:
        fields: Names and type hints.
        schema_id: Identifies the schema; one that Beam chooses if None.

    Examples:
        >>> fields_of(row_type([('stream', str), ('row', int)]))
        {'stream': <class 'str'>, 'row': <class 'int'>}
    """
    # Older versions of Beam make another class each time for one id.
    if schema_id not in _made:
        row = _make(fields, schema_id)
        if schema_id is None:
            return row
        _made[schema_id] = row
    return _made[schema_id]


_made: dict[str | None, Any] = {}


def _make(fields: Sequence[tuple[str, Any]], schema_id: str | None) -> Any:
    # A schema of `float | None` as it is says no more than: an object of Python's.
    fields = [
        (name, convert_to_beam_type(hint) if isinstance(hint, UnionType) else hint)
        for name, hint in fields
    ]
    try:
        return RowTypeConstraint.from_fields(fields, schema_id=schema_id)
    except IndexError:
        known = [(name, _without_arrays(hint)) for name, hint in fields]
        return RowTypeConstraint.from_fields(known, schema_id=schema_id)


def _without_arrays(hint: Any) -> Any:
    """A hint with Any in place of arrays, as newer versions of Beam read it.

    Older ones, such as 2.71, look for the type of the items of all that is iterable.
    """
    if isinstance(hint, ListConstraint):
        return typehints.List[_without_arrays(hint.inner_type)]
    if is_nullable(hint):
        concrete = get_concrete_type_from_nullable(hint)
        return typehints.Optional[_without_arrays(concrete)]
    is_array = isinstance(hint, type) and issubclass(hint, np.ndarray)
    return typehints.Any if is_array else hint


def row_class(row: Any) -> Any:
    """The named tuple class of a row type's rows."""
    return row.user_type


def fields_of(hint: Any) -> dict[str, Any]:
    """Names and types of a row type's fields, or of a named tuple's; else empty."""
    if not isinstance(hint, RowTypeConstraint):
        hint = RowTypeConstraint.from_user_type(hint)
    return {} if hint is None else dict(hint._fields)


def schema_id_of(hint: Any) -> str:
    """The schema id of a row type, or of the rows in lists; '' for other types."""
    while isinstance(hint, ListConstraint):
        hint = hint.inner_type
    return getattr(hint, "schema_id", None) or ""


def parts_of(hint: Any) -> list[Any]:
    """The types that a hint is composed of; empty if it is not.

    Examples:
        >>> from apache_beam import typehints
        >>> parts_of(typehints.Tuple[str, int])
        [<class 'str'>, <class 'int'>]
    """
    if isinstance(hint, UnionConstraint):
        return list(hint.union_types)
    inner = getattr(hint, "_inner_types", None)
    return list(inner()) if callable(inner) else []


def value_type_of(pair: Any) -> Any:
    """The type of the second of two; None where a hint is not that of pairs.

    Examples:
        >>> from apache_beam import typehints
        >>> value_type_of(typehints.Tuple[str, int])
        <class 'int'>
    """
    parts: Any = getattr(pair, "tuple_types", ())
    return parts[1] if len(parts) == 2 else None


def may_be(given: Any, taken: Any) -> bool:
    """Whether elements of one type may be of another; False if they surely are not.

    Args:
        given: Type hint of the elements; None if there is none.
        taken: Type hint of what is taken.

    Examples:
        >>> from apache_beam import typehints
        >>> may_be(object, str), may_be(int, str), may_be(typehints.Any, str)
        (True, False, True)
        >>> may_be(typehints.Union[int, str], str)
        True
    """
    if given is None:
        return True
    if isinstance(given, UnionConstraint):
        return any(may_be(each, taken) for each in parts_of(given))
    return bool(is_consistent_with(given, taken) or is_consistent_with(taken, given))
