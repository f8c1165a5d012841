"""The one type of all values of a stream, where no annotation says it.

What is known of some values is a :data:`Found`, as JSON can have it: tasks find it for
their rows, and the commit joins what they found. Joining is associative and does not
depend on the order but for the order of keys, so that the type of a stream is the same
however its rows were divided.

Values must come back as they were: numbers are of one class, an ``int`` among ``float``
would come back as another value. What has no type is stored as pickles.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from beam_scanner.errors import ElementTypeError
from beam_scanner.types.annotations import TIMES
from beam_scanner.types.codecs.class_codecs import (
    DATACLASS,
    ENUM,
    FLAG,
    NAMED_TUPLE,
    EnumCodec,
    RecordCodec,
    TypedDictCodec,
    names_of,
    optional,
    path_of,
)
from beam_scanner.types.codecs.number_codecs import DTYPES, ShapedArrayCodec
from beam_scanner.types.codecs.structured import (
    DictCodec,
    ListCodec,
    MisfitError,
    NoneCodec,
    StructuredCodec,
    TupleCodec,
)
from beam_scanner.types.codecs.time_codecs import DatetimeCodec, zone_name
from beam_scanner.types.type_text import codec_of_text

Found = dict[str, Any]
"""``is``: the kind of values; ``none``: whether None is among them; and what is in
them. Nothing at all of no values."""

_SAY_HOW_TO_PICKLE = {
    *("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__"),
    *("__getnewargs__", "__getnewargs_ex__"),
}
# What is known of a value grows with each level.
_DEEPEST = 8
_MOST_KEYS = 256
_MOST_FIXED = 1 << 12
_MOST_NUMBERS = 1 << 16
_INT64 = range(-(1 << 63), 1 << 63)
_ANY_ARRAY: Found = {"is": "NumpyArray"}
_DTYPES = {np.dtype(name).type: name for name in DTYPES}


class NoTypeError(Exception):
    """Values have no one type; says what they are."""


def find(value: Any, depth: int = 0) -> Found:
    """What is known of one value.

    Examples:
        >>> find([1.5, None])
        {'is': 'list', 'item': {'is': 'float', 'none': True}}
    """
    kind = type(value)
    if value is None:
        return {"none": True}
    if depth > _DEEPEST:
        return odd("values nested deeply")
    if kind in (bool, float, bytes):
        return {"is": kind.__name__}
    if kind is int:
        return {"is": "int"} if value in _INT64 else odd("int beyond 64 bits")
    if kind is str:
        return {"is": "str"} if _encodes(value) else odd("str beyond UTF-8")
    if kind in (list, tuple):
        return _of_sequence(value, kind, depth)
    if kind is dict:
        return _of_dict(value, depth)
    if kind is np.ndarray:
        return _of_array(value)
    if kind in _DTYPES:
        return {"is": f"numpy.{_DTYPES[kind]}"}
    if kind in TIMES:
        return _of_time(value)
    return _of_class(value, kind, depth)


def odd(what: str) -> Found:
    """What is known of a value that has no type; for people."""
    return {"is": "odd", "what": [what]}


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_sequence(value: Any, kind: type, depth: int) -> Found:
    # Long lists of numbers are what there is most of.
    is_even = kind is list and set(map(type, value)) in ({float}, {bool})
    items = [find(each, depth + 1) for each in (value[:1] if is_even else value)]
    found: Found = {"is": kind.__name__, "item": joined(items)}
    if kind is tuple:
        found["items"] = items
    return found


def _of_dict(value: dict[Any, Any], depth: int) -> Found:
    key = joined(find(each, depth + 1) for each in value)
    if key.get("is", "str") not in ("str", "int") or key.get("none"):
        return odd(f"dict with keys of {', '.join(_shown(key))}")
    found = {name: find(each, depth + 1) for name, each in value.items()}
    has_fields = key.get("is") != "int" and len(found) <= _MOST_KEYS
    return {
        "is": "dict",
        "keys": [key["is"]] if key else [],
        "fields": found if has_fields else None,
        "all": list(found) if has_fields else [],
        "item": joined(found.values()),
    }


def _of_array(value: Any) -> Found:
    if value.dtype.hasobject:
        return odd("array of objects")
    name = value.dtype.name
    known = name in DTYPES and value.dtype == np.dtype(name)
    sides = list(value.shape)
    if not known or not sides or 0 in sides[1:] or value.size > _MOST_NUMBERS:
        return _ANY_ARRAY
    if value.size > _MOST_FIXED or sides[0] == 0:
        sides[0] = None
    return {"is": "array", "dtype": name, "shape": sides}


def _of_time(value: Any) -> Found:
    codec = TIMES[type(value)]
    zone = getattr(value, "tzinfo", None)
    if getattr(value, "fold", 0) and zone is None:
        return odd(f"{type(value).__name__} with fold")
    try:
        if isinstance(value, datetime.datetime) and value.tzinfo is not None:
            codec = DatetimeCodec(zone_name(value.tzinfo))
        codec.to_plain(value)
    except (MisfitError, ElementTypeError):
        return odd(f"{type(value).__name__} that cannot be stored exactly")
    return {"is": codec.text}


def _is_found_by_name(cls: type) -> bool:
    """Whether other processes import this very class, and not one made like it."""
    if cls.__module__ == "__main__":
        return False
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def _pickles_plainly(cls: type) -> bool:
    """Whether values are their fields: not what methods of the class make of them."""
    own = {name for base in cls.__mro__[:-1] for name in vars(base)}
    if issubclass(cls, tuple):
        own.discard("__getnewargs__")
    if "__slots__" in own:
        # Data classes with slots and frozen ones have these from the decorator.
        own -= {"__getstate__", "__setstate__"}
    return not own & _SAY_HOW_TO_PICKLE


def _of_class(value: Any, cls: type, depth: int) -> Found:
    # Nobody has declared the type, so values must come back as pickles would give them.
    if not _is_found_by_name(cls):
        return odd(cls.__qualname__)
    path = path_of(cls)
    try:
        for kind in (FLAG, ENUM):
            names = names_of(cls, kind)
            if names:
                return {"is": EnumCodec(path, kind, cls, names).text}
        for kind in (DATACLASS, NAMED_TUPLE):
            names = names_of(cls, kind)
            if names and _pickles_plainly(cls):
                if kind == DATACLASS:
                    object.__new__(cls)
                fields = tuple((name, NoneCodec()) for name in names)
                RecordCodec(path, kind, cls, fields).check_whole(value)
                found = {n: find(getattr(value, n), depth + 1) for n in names}
                return {"is": f"{kind} {path}", "fields": found}
    # A class that cannot be told by its path, or whose values are more than fields.
    except (ElementTypeError, MisfitError, TypeError):
        pass
    return odd(cls.__qualname__)


def joined(found: Iterable[Found]) -> Found:
    """What is known of several values."""
    result: Found = {}
    for each in found:
        result = join(result, each)
    return result


def join(one: Found, other: Found) -> Found:
    """What is known of the values of two.

    Examples:
        >>> join(find(1), find(None)), join(find(1), find('a'))
        ({'is': 'int', 'none': True}, {'is': 'odd', 'what': ['int', 'str']})
    """
    if one == other or not other:
        return one
    if not one:
        return other
    both = {
        **_join_kinds(
            {k: v for k, v in one.items() if k != "none"},
            {k: v for k, v in other.items() if k != "none"},
        )
    }
    if one.get("none") or other.get("none"):
        both["none"] = True
    return both


def _join_kinds(one: Found, other: Found) -> Found:
    if not one or not other:
        return one or other
    kind = one["is"]
    if {kind, other["is"]} == {"array", "NumpyArray"}:
        return _ANY_ARRAY
    if kind != other["is"]:
        return {"is": "odd", "what": sorted({*_shown(one), *_shown(other)})}
    if kind == "odd":
        return {"is": "odd", "what": sorted({*one["what"], *other["what"]})}
    if kind == "array":
        return _join_arrays(one, other)
    if kind == "dict":
        return _join_dicts(one, other)
    if "fields" in one:
        fields = one["fields"].items()
        return {**one, "fields": {n: join(f, other["fields"][n]) for n, f in fields}}
    if "item" in one:
        both = {"is": kind, "item": join(one["item"], other["item"])}
        if kind == "tuple":
            places = one["items"], other["items"]
            even = None not in places and len(places[0]) == len(places[1])
            pairs = zip(*places, strict=True) if even else ()
            both["items"] = [join(*pair) for pair in pairs] if even else None
        return both
    return one


def _join_arrays(one: Found, other: Found) -> Found:
    first, second = one["shape"], other["shape"]
    if one["dtype"] != other["dtype"] or first[1:] != second[1:]:
        return _ANY_ARRAY
    side = first[0] if first[0] == second[0] else None
    return {**one, "shape": [side, *first[1:]]}


def _join_dicts(one: Found, other: Found) -> Found:
    fields: Any = None
    if one["fields"] is not None and other["fields"] is not None:
        fields = dict(one["fields"])
        for name, found in other["fields"].items():
            fields[name] = join(fields.get(name, {}), found)
        fields = fields if len(fields) <= _MOST_KEYS else None
    in_both = [name for name in one["all"] if name in other["all"]]
    return {
        "is": "dict",
        "keys": sorted({*one["keys"], *other["keys"]}),
        "fields": fields,
        "all": in_both if fields is not None else [],
        "item": join(one["item"], other["item"]),
    }


def _shown(found: Found) -> list[str]:
    """What values are, for people."""
    if found.get("is") == "odd":
        return list(found["what"])
    name = str(found.get("is", "None"))
    of_class = name.startswith((ENUM, FLAG, DATACLASS, NAMED_TUPLE))
    if of_class:
        name = name.rpartition(":")[2].partition("'")[0]
    return ["array" if name == "NumpyArray" else name]


def codec_of(found: Found) -> StructuredCodec:
    """The type of values.

    Raises:
        NoTypeError: There is none that all have.
    """
    codec = _codec(found)
    return optional(codec) if found.get("none") else codec


def _codec(found: Found) -> StructuredCodec:
    kind = found.get("is")
    if kind is None:
        return NoneCodec()
    if kind == "odd":
        raise NoTypeError(", ".join(found["what"]))
    if kind == "list":
        return ListCodec(codec_of(found["item"]))
    if kind == "tuple":
        if found["items"]:
            return TupleCodec(tuple(map(codec_of, found["items"])))
        return ListCodec(codec_of(found["item"]), tuple)
    if kind == "array":
        return ShapedArrayCodec(found["dtype"], tuple(found["shape"]))
    if kind == "dict":
        return _dict_codec(found)
    if "fields" in found:
        shape, _, path = kind.partition(" ")
        fields = [(n, codec_of(each)) for n, each in found["fields"].items()]
        return RecordCodec(path, shape, None, tuple(fields))
    return codec_of_text(kind, load=True)


def _dict_codec(found: Found) -> StructuredCodec:
    if len(found["keys"]) > 1:
        raise NoTypeError(f"dict with keys of {', '.join(found['keys'])}")
    fields, required = found["fields"] or {}, set(found["all"])
    # DuckDB does not tell names apart by their case.
    if len({name.lower() for name in fields}) < len(fields) or "" in fields:
        fields = {}
    if fields and required == set(fields):
        whole = [(name, codec_of(each), True) for name, each in fields.items()]
        return TypedDictCodec("", tuple(whole))
    try:
        item = codec_of(found["item"])
    except NoTypeError:
        if not fields:
            raise
    else:
        return DictCodec(codec_of_text((found["keys"] or ["str"])[0]), item)
    parts = [(name, codec_of(each), name in required) for name, each in fields.items()]
    for name, codec, always in parts:
        if codec.optional and not always:
            raise NoTypeError(f"dict in which {name!r} is None, or is missing")
    return TypedDictCodec("", tuple(parts))


def is_hopeless(found: Found) -> bool:
    """Whether no further value can change that there is no type."""
    return found.get("is") == "odd"
