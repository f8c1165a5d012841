from __future__ import annotations

import datetime
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError
from beam_scanner.types import VariableList, get_type_info, get_type_info_cpp
from tests.support.typed_values import annotated, same


@given(st.data())
def test_a_type_is_its_text(data: Any) -> None:
    annotation, values = data.draw(annotated())
    info = get_type_info(annotation)
    again = get_type_info_cpp(info.name)
    assert again == info
    assert again.arrow_type == info.arrow_type
    value = data.draw(values)
    assert same(again.deserialize(info.serialize(value)), value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "list[", "list[int", "list[int](1)", "list", "Nope", "list[Nope]"),
        *("int | str", "1 + 1", "(lambda: 1)()", "__import__('os')", "open('a', 'b')"),
        *("dataclass('a:B', {})", "dataclass('a', {'x': int})", "tuple[()]"),
        *("dataclass('a:B', {'x y': int})", "dataclass('a:B', {'class': int})"),
        *(
            "named_tuple('a:B', {'_x': int})",
            "dataclass('a:B', int)",
            "array[object, 3]",
        ),
        *("array[float32, 0]", "array[float32]", "datetime.datetime['Nowhere/At_all']"),
        *("dataclass('a:B', {**{}})", "Literal[1.5]", "numpy.object_", "[" * 5000),
        *(
            "enum('a:B', [])",
            "enum('a:B', 3)",
            "array[float32, 3, None]",
            "x" * (1 << 21),
        ),
    ],
)
def test_other_texts_are_errors(text: str) -> None:
    with pytest.raises(ElementTypeError):
        get_type_info_cpp(text)


@given(st.text(max_size=40))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(ElementTypeError):
        get_type_info_cpp(text)


def test_modules_are_loaded_only_where_allowed(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "import typing\nclass Late(typing.NamedTuple):\n    x: int\n"
    (tmp_path / "late_types.py").write_text(lines)
    monkeypatch.syspath_prepend(tmp_path)
    text = "named_tuple('late_types:Late', {'x': int})"
    made = get_type_info_cpp(text)
    data = made.serialize(made.codec.found()(3))
    assert type(made.deserialize(data)).__name__ == "Late"
    assert "late_types" not in sys.modules
    loaded = get_type_info_cpp(text, load=True).deserialize(data)
    assert type(loaded) is sys.modules.pop("late_types").Late
    assert loaded == (3,)


def test_registered_types_of_any_name() -> None:
    assert get_type_info(datetime.date).name == "datetime.date"
    VariableList("two words", int)
    VariableList("date", int)
    for name in ("two words", "date"):
        kind: Any = get_type_info_cpp(name).type
        info = get_type_info(list[kind])
        assert info.name == ("list[date]" if name == "date" else f"list[{name!r}]")
        again = get_type_info_cpp(info.name)
        assert again.deserialize(info.serialize([[1, 2]])) == [[1, 2]]
