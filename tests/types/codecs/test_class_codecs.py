from __future__ import annotations

import dataclasses
import enum
import functools
from typing import Any, NamedTuple, NotRequired, TypedDict

import pytest
from apache_beam.internal import cloudpickle

from beam_scanner.errors import ElementTypeError
from beam_scanner.types import get_type_info, get_type_info_cpp
from beam_scanner.types.codecs.class_codecs import stand_in


@dataclasses.dataclass
class Box:
    x: float
    area: float = dataclasses.field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.x /= 2

    @functools.cached_property
    def half(self) -> float:
        return self.x / 2


class Shot(NamedTuple):
    first: int
    last: int


class Row(TypedDict):
    a: int
    b: NotRequired[str]


class Mood(enum.Enum):
    GLAD = 1
    SAD = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Larger(Box):
    pass


def changed(box: Box) -> Box:
    box.note = 1  # type: ignore[attr-defined]
    return box


def without_x(box: Box) -> Box:
    del box.x
    return box


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Box, Larger(1.0), "type Box expected Box, got Larger"),
        (Box, {"x": 1.0}, "expected Box, got dict"),
        (Box, None, "expected Box, got NoneType"),
        (Box, changed(Box(1.0)), "attribute 'note' that is no field of Box"),
        (Box, without_x(Box(1.0)), "has no value of 'x', a field of Box"),
        (list[Shot], [Shot._make((1, "a"))], r"at \[0\]\.last expected an integer"),
        (Shot, (1, 2), "expected Shot, got tuple"),
        (Row, {"b": "x"}, "expected a dict with the key 'a'"),
        (Row, {"a": 1, "c": 2}, "expected no key 'c', which Row does not have"),
        (Row, {"a": None}, r"at \['a'\] expected an integer"),
        (Row, {"a": 1, "b": None}, r"at \['b'\] expected a string"),
        (Mood, 1, "expected Mood, got int 1"),
        (Access, Mood.SAD, "expected Access, got Mood"),
    ],
)
def test_other_values_are_refused(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(ElementTypeError, match=problem):
        get_type_info(annotation).serialize(value)


def test_nothing_of_a_class_is_run_to_make_its_values() -> None:
    info, box = get_type_info(Box), Box(8.0)
    assert box.half == 2.0
    back = info.deserialize(info.serialize(box))
    assert (type(back), back.x, back.half) == (Box, 4.0, 2.0)


@pytest.mark.parametrize("value", [Access(0), Access.READ | Access.WRITE])
def test_flags_combine(value: Access) -> None:
    info = get_type_info(Access)
    assert info.deserialize(info.serialize(value)) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            "dataclass('gone:Face', {'x': float, 'y': int | None})",
            {"x": 1.0, "y": None},
        ),
        ("named_tuple('gone.by:A.Face', {'x': float})", {"x": 1.0}),
    ],
)
def test_values_of_classes_that_are_gone_are_of_one_like_them(
    text: str, value: dict[str, Any]
) -> None:
    made = get_type_info_cpp(text, load=True).from_arrow(value)
    assert type(made).__name__ == "Face"
    assert {name: getattr(made, name) for name in value} == value
    again = get_type_info_cpp(text).from_arrow(value)
    assert again == made


def test_members_of_enums_that_are_gone() -> None:
    info = get_type_info_cpp("enum('gone:Mood', ['GLAD', 'SAD'])")
    found = info.from_arrow("SAD")
    assert (found.name, isinstance(found, enum.Enum)) == ("SAD", True)
    with pytest.raises(ElementTypeError, match="no member 'BAD'"):
        info.from_arrow("BAD")
    flags = get_type_info_cpp("flag('gone:Access', ['READ', 'WRITE'])")
    assert flags.from_arrow(3).value == 3


def test_a_class_with_other_fields_is_not_taken() -> None:
    text = f"dataclass('{__name__}:Box', {{'x': float, 'y': float}})"
    made = get_type_info_cpp(text).from_arrow({"x": 1.0, "y": 2.0})
    assert (type(made) is Box, made.x, made.y) == (False, 1.0, 2.0)


def test_local_classes_are_known_in_their_process_and_where_they_are_pickled_to() -> (
    None
):
    @dataclasses.dataclass
    class Local:
        x: int

    info = get_type_info(Local)
    data = info.serialize(Local(1))
    assert type(get_type_info_cpp(info.name).deserialize(data)) is Local
    copied = cloudpickle.loads(cloudpickle.dumps(info))
    assert copied.deserialize(data) == Local(1)


def test_a_name_that_is_no_class() -> None:
    assert stand_in("gone:Face", "dataclass", ("x",))(1).x == 1
    text = "dataclass('os:path', {'x': int})"
    made = get_type_info_cpp(text, load=True).from_arrow({"x": 1})
    assert made.x == 1


def test_classes_that_no_text_can_name() -> None:
    odd = dataclasses.make_dataclass("two words", [("x", int)])
    with pytest.raises(ElementTypeError, match="is no path of a class"):
        get_type_info(odd)
    days = enum.Enum("Days", {"a b": 1})  # type: ignore[misc]
    info = get_type_info(days)
    assert get_type_info_cpp(info.name) == info
