"""Element types: bytes and Parquet columns give back what went in."""

from __future__ import annotations

import pickle
import typing

import pytest

from beam_scanner import types
from beam_scanner.errors import ArgumentError
from tests.support.folders import ROOT
from tests.support.programs import run_code


def test_null_is_itself_everywhere() -> None:
    null = pickle.loads(pickle.dumps(types.NULL))
    assert isinstance(null, types.NullElement)
    assert null == types.NULL
    assert hash(null) == hash(types.NULL)
    assert None not in (null,)
    assert null != b""
    assert bool(null)


@pytest.mark.parametrize(
    "arguments", [{}, {"size": 1, "parts": 1}, {"size": 0}, {"parts": -1}]
)
def test_uniform_lists_need_one_size(arguments: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="one of size and parts"):
        types.UniformList("Odd", bytes, **arguments)


def test_values_whose_class_has_no_importable_name_are_pickled_by_value() -> None:
    class Local:
        value = 3

    info = types.get_type_info(typing.Any)
    assert info.deserialize(info.serialize(Local())).value == 3


def test_importing_types_loads_nothing_heavy() -> None:
    code = (
        "import sys, importlib.util as u; sys.modules['beam_scanner'] = m = "
        "__import__('types').ModuleType('beam_scanner'); "
        "m.__path__ = [sys.argv[1]]; import beam_scanner.types; "
        "sys.exit(any(n in sys.modules for n in ('av', 'cv2', 'apache_beam')))"
    )
    package = str(ROOT / "beam_scanner")
    run_code(code, package)
