from __future__ import annotations

import dataclasses
import datetime
import random
import re
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.types.inferred_types import (
    NoTypeError,
    codec_of,
    find,
    is_hopeless,
    join,
    joined,
)
from tests.support.typed_values import SCALARS, TEXTS, Access, Mood, annotated, same

ANYTHING = st.recursive(
    st.none() | st.one_of([values for _, values in SCALARS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(TEXTS, inner, max_size=3)
        | st.dictionaries(st.integers(0, 3), inner, max_size=2)
    ),
    max_leaves=6,
)


class Point(NamedTuple):
    x: float
    y: Any


@dataclasses.dataclass
class Face:
    where: Point


class OfList(list[int]):
    pass


def _type(*values: Any) -> str:
    return codec_of(joined(map(find, values))).text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1, 2], "int"),
        ([1.5, None], "float | None"),
        ([None], "None"),
        ([[]], "list[None]"),
        ([[], [1.5], [None]], "list[float | None]"),
        ([{}], "dict[str, None]"),
        ([{"a": 1, "b": "x"}] * 2, "typed_dict('', {'a': int, 'b': str})"),
        ([{"a": 1}, {"b": 2}, {}], "dict[str, int]"),
        ([{"a": 1}, {"a": 2, "b": "x"}], "typed_dict('', {'a': int, 'b': NotRequired[str]})"),
        ([{"a": 1, "A": 2}], "dict[str, int]"),
        ([{1: "a"}, {}, {2: "b"}], "dict[int, str]"),
        ([(1, "a"), (2, None)], "tuple[int, str | None]"),
        ([(1,), (2, 3)], "tuple[int, ...]"),
        ([()], "tuple[None, ...]"),
        ([np.zeros(3)], "array[float64, 3]"),
        ([np.zeros((3, 2)), np.zeros((1, 2))], "array[float64, None, 2]"),
        ([np.zeros(3), np.zeros(3, np.uint8)], "NumpyArray"),
        ([np.zeros((64, 64, 3), np.uint8)], "array[uint8, None, 64, 3]"),
        ([np.zeros((640, 480, 3), np.uint8)], "NumpyArray"),
        ([np.zeros((0, 2))], "array[float64, None, 2]"),
        ([np.zeros((2, 0))], "NumpyArray"),
        ([np.float32(1)], "numpy.float32"),
        ([datetime.date(2031, 1, 1)], "datetime.date"),
        ([datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC)], "datetime.datetime['UTC']"),
    ],
)  # fmt: skip
def test_types_of_values(values: list[Any], text: str) -> None:
    assert _type(*values) == text


def test_classes_are_kept_with_what_their_fields_hold() -> None:
    where = f"named_tuple('{__name__}:Point', {{'x': float, 'y': int | None}})"
    values = Face(Point(0.5, 1)), Face(Point(0.5, None))
    assert _type(*values) == f"dataclass('{__name__}:Face', {{'where': {where}}})"
    assert _type(Mood.GLAD).startswith("enum(")
    assert _type(Access.READ).startswith("flag(")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([1, 1.5], "float, int"),
        ([True, 1], "bool, int"),
        ([np.float64(1), 1.0], "float, numpy.float64"),
        ([1, [2], "a"], "int, list, str"),
        ([[1, "a"]], "int, str"),
        ([{1, 2}], "set"),
        ([1 << 63], "int beyond 64 bits"),
        (["\ud800"], "str beyond UTF-8"),
        ([{"a": 1}, {1: 1}], "dict with keys of int, str"),
        ([{1.5: 1}], "dict with keys of float"),
        ([{"a": None}, {"b": 1, "c": "x"}], "dict in which 'a' is None, or is missing"),
        ([Mood.GLAD, Face(Point(1.0, 2))], "Face, Mood"),
        ([np.array([object()])], "array of objects"),
        ([OfList([1])], "OfList"),
        ([datetime.timedelta.max], "timedelta that cannot be stored exactly"),
    ],
)
def test_values_without_one_type(values: list[Any], why: str) -> None:
    with pytest.raises(NoTypeError, match=f"^{why}$"):
        codec_of(joined(map(find, values)))


def test_lists_that_contain_themselves() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NoTypeError, match="nested deeply"):
        codec_of(find(endless))
    assert is_hopeless(find({1}))


@given(st.lists(ANYTHING, max_size=6), st.randoms(use_true_random=False))
def test_a_type_does_not_depend_on_how_rows_were_divided(
    values: list[Any], rng: random.Random
) -> None:
    found = [find(value) for value in values]
    whole = joined(found)
    while len(found) > 1:
        at = rng.randrange(len(found) - 1)
        found[at : at + 2] = [join(*found[at : at + 2])]
    assert joined(found) == whole
    try:
        text = codec_of(whole).text
    except NoTypeError as error:
        with pytest.raises(NoTypeError, match=f"^{re.escape(str(error))}$"):
            codec_of(joined(found))
    else:
        assert codec_of(joined(found)).text == text


@given(st.lists(ANYTHING, max_size=4))
def test_values_come_back_as_they_were(values: list[Any]) -> None:
    try:
        codec = codec_of(joined(map(find, values)))
    except NoTypeError:
        return
    for value in values:
        assert same(codec.deserialize(codec.serialize(value)), value)


@given(st.data())
def test_values_of_classes_come_back_as_they_were(data: Any) -> None:
    _, strategy = data.draw(annotated())
    values = data.draw(st.lists(strategy, max_size=3))
    try:
        codec = codec_of(joined(map(find, values)))
    # Values do not say which keys a dict may lack, as an annotation does.
    except NoTypeError:
        return
    for value in values:
        assert same(codec.deserialize(codec.serialize(value)), value)


class Tagged:
    __slots__ = ("tag",)


@dataclasses.dataclass(slots=True)
class Slotted(Tagged):
    x: int


@dataclasses.dataclass
class Reducing:
    x: int

    def __reduce__(self) -> Any:
        return Reducing, (self.x + 1,)


def _local() -> Any:
    @dataclasses.dataclass
    class Local:
        x: int

    return Local(1)


def _of_the_program() -> Any:
    made = dataclasses.make_dataclass("OfTheProgram", ["x"])
    made.__module__ = "__main__"
    return made(1)


def _tagged() -> Slotted:
    value = Slotted(1)
    object.__setattr__(value, "tag", "kept")
    return value


@pytest.mark.parametrize(
    "value",
    [
        _local(),
        _of_the_program(),
        _tagged(),
        Reducing(1),
        datetime.datetime(2020, 10, 25, 2, 30, fold=1),
        datetime.time(2, 30, fold=1),
    ],
)
def test_what_only_a_pickle_keeps_has_no_type(value: Any) -> None:
    with pytest.raises(NoTypeError):
        codec_of(find(value))
    with pytest.raises(NoTypeError):
        codec_of(find([{"a": value}]))


def test_slots_that_hold_fields_are_stored() -> None:
    assert _type(Slotted(1)).startswith("dataclass(")


def test_what_is_known_of_deep_values_stays_small() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = {"a": ("x", deep)}
    assert len(repr(find(deep))) < 100_000
    with pytest.raises(NoTypeError, match="nested deeply"):
        codec_of(find(deep))


def test_arrays_with_none_join_in_any_order() -> None:
    array, none = find(np.ones(2)), find(None)
    assert joined([array, none, array]) == join(joined([array, array]), none)
