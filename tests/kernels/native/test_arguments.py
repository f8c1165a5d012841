"""Arguments become JSON or protobuf messages, or errors that name them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels.native.arguments import encoder
from beam_scanner.kernels.native.description import Arguments, Field


def fields(**kinds: str) -> Arguments:
    found = [Field(name, kind, True, None, "") for name, kind in kinds.items()]
    return Arguments("", tuple(found))


def test_json_has_all_fields_in_order_of_names() -> None:
    late = Field("z", "int", False, 7, "Last.")
    early = Field("a", "json", False, None, "")
    made = encoder("Op", Arguments("", (late, early)))
    assert made.encode({}) == b'{"a": null, "z": 7}'
    assert made.encode({"a": {"k": [1.5, (True,)]}}) == (
        b'{"a": {"k": [1.5, [true]]}, "z": 7}'
    )
    assert made.docs() == {"z": "Last.", "a": ""}
    assert [(p.name, p.required, p.default, p.annotation) for p in made.params()] == [
        ("z", False, 7, "int"),
        ("a", False, None, ""),
    ]


def test_scalars_of_numpy_and_paths() -> None:
    made = encoder("Op", fields(i="int", f="float", b="bool", s="str"))
    values = {"i": np.uint8(3), "f": np.float32(0.5), "b": np.True_, "s": Path("a/b")}
    assert json.loads(made.encode(values)) == {"i": 3, "f": 0.5, "b": True, "s": "a/b"}


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("int", 1.0, "a whole number, got 1.0"),
        ("int", True, "a whole number, got True"),
        ("float", float("inf"), "a finite number, got inf"),
        ("float", "1", "a finite number, got '1'"),
        ("bool", 0, "True or False, got 0"),
        ("str", b"a", "a string, got b'a'"),
        ("json", {1: 2}, "what JSON can hold"),
        ("json", [float("nan")], "what JSON can hold"),
        ("json", np.zeros(2), "what JSON can hold"),
    ],
)
def test_values_of_another_type(kind: str, value: object, words: str) -> None:
    with pytest.raises(
        ElementTypeError, match=f"argument 'a' of op Op must be {words}"
    ):
        encoder("Op", fields(a=kind)).encode({"a": value})


@given(st.integers(), st.text(st.characters(exclude_categories=["Cs"])))
def test_json_is_read_back(number: int, text: str) -> None:
    data = encoder("Op", fields(i="int", s="str")).encode({"i": number, "s": text})
    assert json.loads(data) == {"i": number, "s": text}
    assert data.isascii()


def test_protobuf() -> None:
    made = encoder("Op", Arguments("BoundingBox"))
    data = made.encode({"x1": 0.5, "label": np.int64(3)})
    assert protobufs.BoundingBox.FromString(data) == protobufs.BoundingBox(
        x1=0.5, label=3
    )
    assert made.encode({}) == b""
    assert all(not param.required for param in made.params())
    assert [param.name for param in made.params()][:2] == ["x1", "y1"]
    assert made.docs() == {}


def test_repeated_fields_of_a_protobuf() -> None:
    made = encoder("Op", Arguments("NetDescriptor"))
    data = made.encode({"mean_colors": [1, 2.5], "input_layer_names": ["a"]})
    found = protobufs.NetDescriptor.FromString(data)
    assert list(found.mean_colors) == [1, 2.5]


def test_what_a_protobuf_does_not_take() -> None:
    made = encoder("Op", Arguments("BoundingBox"))
    words = "Protobuf BoundingBox does not have field lable; did you mean label"
    with pytest.raises(ArgumentError, match=words):
        made.encode({"lable": 1})
    with pytest.raises(ArgumentError, match="argument 'label' of op Op"):
        made.encode({"label": "a"})
    with pytest.raises(ArgumentError, match="argument 'label' of op Op"):
        made.encode({"label": 2**40})


def test_a_protobuf_that_nobody_knows() -> None:
    with pytest.raises(ArgumentError, match=r"give load_op the \*_pb2.py file"):
        encoder("Op", Arguments("NopeArgs"))
    with pytest.raises(ArgumentError, match="is no message"):
        encoder("Op", Arguments("add_module"))
