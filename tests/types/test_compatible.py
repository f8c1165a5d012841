from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from beam_scanner.errors import ElementTypeError
from beam_scanner.types import get_type_info, get_type_info_cpp
from beam_scanner.types.compatible import reader_as


@dataclasses.dataclass
class Face:
    x: float


def _read(made: Any, wanted: Any, value: Any) -> Any:
    info = get_type_info(made)
    reader = reader_as(info, get_type_info(wanted))
    assert reader is not None
    return reader(info.serialize(value))


def test_types_of_one_layout_are_read_as_each_other() -> None:
    moved = get_type_info_cpp("dataclass('elsewhere:Face', {'x': float})")
    found = _read(moved, Face, moved.codec.found()(0.5))
    assert found == Face(0.5)
    assert _read(list[float], list[float | None], [0.5]) == [0.5]
    assert _read(float, float | None, 0.5) == 0.5
    assert _read(float | None, float | None, None) is None


def test_none_where_none_is_expected_is_an_error() -> None:
    with pytest.raises(ElementTypeError, match="null in place of"):
        _read(list[float | None], list[float], [None])


@pytest.mark.parametrize(
    ("made", "wanted"), [(float, int), (list[int], list[float]), (float | None, float)]
)
def test_other_layouts_are_not_read(made: Any, wanted: Any) -> None:
    assert reader_as(get_type_info(made), get_type_info(wanted)) is None
