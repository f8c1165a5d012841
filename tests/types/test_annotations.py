from __future__ import annotations

import dataclasses
import datetime
import enum
import typing
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import protobufs, types
from beam_scanner.errors import ElementTypeError
from beam_scanner.protobufs.message_classes import build_messages
from beam_scanner.types import Shape, get_type_info
from tests.support.typed_values import annotated, same


@given(st.data())
def test_values_come_back_from_bytes_as_they_were(data: Any) -> None:
    annotation, values = data.draw(annotated())
    info = get_type_info(annotation)
    value = data.draw(values)
    assert same(info.deserialize(info.serialize(value)), value)


@dataclasses.dataclass
class Face:
    x: float
    label: str | None = None
    seen: dataclasses.InitVar[int] = 0
    kind: typing.ClassVar[str] = "face"


class Shot(NamedTuple):
    first: int
    faces: list[Face]


class Row(TypedDict):
    a: int
    b: NotRequired[str]


class Tree(NamedTuple):
    below: list[Tree]


class Empty(enum.Enum):
    pass


class Untyped(typing.NamedTuple("Untyped", [])):
    pass


class Unsure(TypedDict):
    a: NotRequired[int | None]


class Listed(list[int]):
    pass


@dataclasses.dataclass
class OfList(Listed):
    x: int


# Of its own: another test may have registered one of Scanner's.
MESSAGE = build_messages(
    "test_annotations.proto", "test_annotations", {"Unknown": "a:int32"}, __name__
)["Unknown"]


@pytest.mark.parametrize(
    ("annotation", "name", "arrow"),
    [
        (list[float], "list[float]", "list<item: double>"),
        (typing.List[int], "list[int]", "list<item: int64>"),  # noqa: UP006
        (typing.Optional[int], "int | None", "int64"),  # noqa: UP045
        (dict[str, float], "dict[str, float]", "map<string, double>"),
        (typing.Literal["a", None], "Literal['a'] | None", "string"),
        (np.float32, "numpy.float32", "float"),
        (Annotated[float, "seconds"], "float", "double"),
        (typing.NewType("Seconds", float), "float", "double"),
        (Annotated[npt.NDArray[np.float32], Shape(512)], "array[float32, 512]", "fixed_size_list<item: float>[512]"),
        (Annotated[npt.NDArray[np.uint8], Shape(None, 4)], "array[uint8, None, 4]", "list<item: fixed_size_list<item: uint8>[4]>"),
        (datetime.datetime, "datetime.datetime", "timestamp[us]"),
    ],
)  # fmt: skip
def test_layouts(annotation: Any, name: str, arrow: str) -> None:
    info = get_type_info(annotation)
    assert (info.name, str(info.arrow_type)) == (name, arrow)


def test_classes_say_their_fields() -> None:
    info = get_type_info(Shot)
    face = f"dataclass('{__name__}:Face', {{'x': float, 'label': str | None}})"
    fields = f"{{'first': int, 'faces': list[{face}]}}"
    assert info.name == f"named_tuple('{__name__}:Shot', {fields})"
    assert info.label == "Shot"
    assert get_type_info(list[Shot]).label == "list[Shot]"


@pytest.mark.parametrize(
    "annotation",
    [dict[str, Any], list, dict, list[dict[str, Any]], Any | None, typing.List],  # noqa: UP006
)
def test_what_says_any_somewhere_is_any(annotation: Any) -> None:
    assert get_type_info(annotation) == get_type_info(Any)


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (int | str, "a column has one type"),
        (list[set[int]], r"`set\[int\]` has not been registered"),
        (dict[float, int], "keys of a dict may be"),
        (typing.Literal[1, "a"], "all be of one class"),
        (typing.Literal["\ud800"], "UTF-8"),
        (Tree, "Tree.below: .*contains itself"),
        (Unsure, "a missing 'a' could not be told from None"),
        (Empty, "no members"),
        (Untyped, "no fields"),
        (OfList, "cannot be made from its fields"),
        (np.complex64, "numbers of NumPy may be"),
        (Annotated[npt.NDArray[Any], Shape(3)], "say its dtype"),
        (Annotated[float, Shape(3)], "a Shape is that of"),
        (Annotated[datetime.datetime, datetime.timezone(datetime.timedelta(0, 1))], "time zone"),
        (MESSAGE, "ProtobufType makes a type of a message"),
    ],
)  # fmt: skip
def test_what_no_column_can_hold_is_refused(annotation: Any, why: str) -> None:
    with pytest.raises(ElementTypeError, match=why):
        get_type_info(annotation)


def test_messages_are_those_of_their_registered_type() -> None:
    info = get_type_info(protobufs.BoundingBox)
    assert info == get_type_info(types.Bbox)
    box = protobufs.BoundingBox(x1=0.5)
    boxes = get_type_info(list[protobufs.BoundingBox])
    assert boxes.deserialize(boxes.serialize([box])) == [box]


def test_local_names_in_annotations_of_fields() -> None:
    class Local(NamedTuple):
        inner: list[Inside]

    class Inside(NamedTuple):
        x: int

    with pytest.raises(ElementTypeError, match="cannot be resolved: NameError"):
        get_type_info(Local)
    info = get_type_info(Local, {"Inside": Inside})
    assert info.deserialize(info.serialize(Local([Inside(1)]))) == Local([Inside(1)])
