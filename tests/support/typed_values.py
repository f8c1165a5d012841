"""Annotations of all kinds, and values of them, at random."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import itertools
import keyword
import struct
import typing
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from beam_scanner.types import Shape

Typed = tuple[Any, st.SearchStrategy[Any]]
"""An annotation, and a strategy of its values."""


class Mood(enum.Enum):
    GLAD = "glad"
    SAD = 2
    HAPPY = "glad"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


BERLIN = ZoneInfo("Europe/Berlin")
INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_numbers = itertools.count()


def _array(dtype: str, shape: tuple[int | None, ...]) -> Typed:
    scalar: Any = np.dtype(dtype).type
    array: Any = npt.NDArray[scalar]
    annotation = Annotated[array, Shape(*shape)]

    def make(data: tuple[int, bytes]) -> npt.NDArray[Any]:
        sides = [data[0] if side is None else side for side in shape]
        size = int(np.prod(sides)) * np.dtype(dtype).itemsize
        raw = (data[1] * (size // 16 + 1))[:size]
        numbers = np.frombuffer(raw, "uint8" if dtype == "bool" else dtype)
        return (numbers % 2 == 1 if dtype == "bool" else numbers).reshape(sides).copy()

    return annotation, st.tuples(
        st.integers(0, 3), st.binary(min_size=16, max_size=16)
    ).map(make)


def _exists(moment: datetime.datetime) -> bool:
    there = moment.astimezone(datetime.UTC).astimezone(moment.tzinfo)
    return there.replace(fold=0) == moment.replace(fold=0)


_MOMENTS = st.datetimes(datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29))
SCALARS: list[Typed] = [
    (bool, st.booleans()),
    (int, INTEGERS),
    (float, st.floats()),
    (str, TEXTS),
    (bytes, st.binary(max_size=8)),
    (datetime.date, st.dates()),
    (datetime.time, st.times()),
    (datetime.timedelta, st.timedeltas(datetime.timedelta(-100_000_000), datetime.timedelta(100_000_000))),
    (datetime.datetime, st.datetimes()),
    (Annotated[datetime.datetime, datetime.UTC], st.datetimes(timezones=st.just(datetime.UTC))),
    (Annotated[datetime.datetime, BERLIN], _MOMENTS.map(lambda m: m.replace(tzinfo=BERLIN)).filter(_exists)),
    (typing.Literal["day", "night"], st.sampled_from(["day", "night"])),
    (typing.Literal[1, -5], st.sampled_from([1, -5])),
    (Mood, st.sampled_from(Mood)),
    (Access, st.sampled_from([Access(0), Access.READ, Access.READ | Access.WRITE])),
    (np.float32, st.floats(width=32).map(np.float32)),
    (np.float16, st.floats(width=16).map(np.float16)),
    (np.uint64, st.integers(0, (1 << 64) - 1).map(np.uint64)),
    (np.int8, st.integers(-128, 127).map(np.int8)),
    (np.bool_, st.booleans().map(np.bool_)),
    _array("float32", (3,)),
    _array("uint8", (2, 2)),
    _array("float16", (1, 2, 2)),
    _array("bool", (3,)),
    _array("int64", (None,)),
    _array("float64", (None, 2)),
    _array("uint16", (None, 2, 2)),
]  # fmt: skip
KEYS = [SCALARS[i] for i in (0, 1, 3, 4, 5, 11, 13)]
_named_tuple: Any = typing.NamedTuple
_typed_dict: Any = typing.TypedDict
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)


@st.composite
def annotated(draw: Any, depth: int = 2) -> Typed:
    """Draws an annotation and a strategy of its values."""
    kinds = ["scalar"] * (2 if depth else 1)
    if depth:
        kinds += [
            "list",
            "tuple",
            "places",
            "dict",
            "optional",
            "record",
            "named",
            "keys",
        ]
    kind = draw(st.sampled_from(kinds))
    if kind == "scalar":
        found: Typed = draw(st.sampled_from(SCALARS))
        return found
    nested: Typed = draw(_nested(kind, depth - 1))
    return nested


@st.composite
def _nested(draw: Any, kind: str, depth: int) -> Typed:
    item: Any
    item, values = draw(annotated(depth))
    if kind == "list":
        return list[item], st.lists(values, max_size=3)
    if kind == "tuple":
        return list[tuple[item, ...]], st.lists(
            st.lists(values, max_size=2).map(tuple), max_size=2
        )
    if kind == "places":
        return list[tuple[item, int]], st.lists(st.tuples(values, INTEGERS), max_size=2)
    if kind == "dict":
        key: Any
        key, keys = draw(st.sampled_from(KEYS))
        return dict[key, item], st.dictionaries(keys, values, max_size=3)
    if kind == "optional":
        return item | None, values | st.none()
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    parts = [(item, values), *(draw(annotated(depth)) for _ in names[1:])]
    return _with_fields(kind, list(zip(names, parts, strict=True)), draw)


def _with_fields(kind: str, fields: list[tuple[str, Typed]], draw: Any) -> Typed:
    name = f"Made{next(_numbers)}"
    hints = [(field, part[0]) for field, part in fields]
    values = {field: part[1] for field, part in fields}
    cls: Any
    if kind == "record":
        frozen, slots = draw(st.tuples(st.booleans(), st.booleans()))
        cls = dataclasses.make_dataclass(name, hints, frozen=frozen, slots=slots)
        cls.__module__ = __name__
        return cls, st.builds(cls, **values)
    if kind == "named":
        cls = _named_tuple(name, hints)
        return cls, st.builds(cls, **values)
    optional = draw(st.sets(st.sampled_from([field for field, _ in fields])))
    optional = {
        field for field, hint in hints if field in optional and not _takes_none(hint)
    }
    keys = {f: typing.NotRequired[h] if f in optional else h for f, h in hints}
    cls = _typed_dict(name, keys)
    return cls, st.fixed_dictionaries(
        {f: v for f, v in values.items() if f not in optional},
        optional={f: v for f, v in values.items() if f in optional},
    )


def _takes_none(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in all respects: classes, NaNs, signs of zero."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (
            one != one and other != other
        )
    if isinstance(one, np.ndarray | np.generic):
        first, second = np.asarray(one), np.asarray(other)
        if first.dtype != second.dtype or first.shape != second.shape:
            return False
        return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            same(v, other[k]) for k, v in one.items()
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(same(getattr(one, n), getattr(other, n)) for n in names)
    if isinstance(one, datetime.datetime):
        return bool(one == other) and one.tzinfo == other.tzinfo
    return bool(one == other)
