"""What a library says of its ops is checked, and errors say where it is wrong."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, ElementTypeError, ScannerException
from beam_scanner.kernels.native.description import Column, read_description
from beam_scanner.types.element_types import DeviceType

FRAME = {"name": "frame", "type": "FrameType"}
BLOB = {"name": "blob", "type": "Bytes"}
OP: dict[str, Any] = {"name": "Op", "inputs": [FRAME], "outputs": [BLOB]}


def read(op: Any) -> Any:
    (found,) = read_description(json.dumps({"ops": [op]}))
    return found


def test_what_is_not_said() -> None:
    op = read(OP)
    assert (op.doc, op.variadic, op.stencil, op.stencil_edge) == (
        "",
        False,
        None,
        "repeat",
    )
    assert (op.batch, op.bounded_state, op.unbounded_state) == (1, None, False)
    assert (op.whole_stream, op.takes_nulls, op.devices) == (
        False,
        False,
        (DeviceType.CPU,),
    )
    assert not op.batched
    assert op.arguments.fields == op.stream_arguments.fields == ()


def test_what_is_said() -> None:
    frame = {**FRAME, "dtype": "float32", "shape": [2, None, 3]}
    fields = [
        {"name": "a", "type": "float", "default": 2, "doc": "A."},
        {"name": "b", "type": "json", "default": None},
        {"name": "c", "type": "str"},
    ]
    op = read(
        {
            **OP,
            "inputs": [frame, BLOB],
            "stencil": [-1, 0],
            "batch": 3,
            "bounded_state": 0,
            "devices": ["gpu", "cpu", "gpu"],
            "arguments": {"json": fields},
            "stream_arguments": {"protobuf": "Point"},
        }
    )
    assert op.inputs[0] == Column("frame", "FrameType", "float32", (2, None, 3))
    assert (op.stencil, op.batch, op.bounded_state) == ((-1, 0), 3, 0)
    assert op.devices == (DeviceType.GPU, DeviceType.CPU)
    assert [(f.name, f.required, f.default) for f in op.arguments.fields] == [
        ("a", False, 2),
        ("b", False, None),
        ("c", True, None),
    ]
    assert op.stream_arguments.protobuf == "Point"
    assert op.batched


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "must be a JSON object, got"),
        ('{"ops": {}}', "'ops' of its description must be list"),
        ("{}", "has no 'ops'"),
        ('{"ops": []}', "has no ops"),
        ('{"ops": [1]}', "an op of its description must be a JSON object"),
        ('{"ops": [], "version": 2}', "has 'version', which means nothing"),
        ('{"ops": [], "ops": []}', "'ops' stands twice"),
        ('{"ops": NaN}', "NaN is no JSON"),
    ],
)
def test_a_text_that_is_no_description(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        read_description(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a b"}, "'name' of an op of its description is no name: 'a b'"),
        ({"name": None}, "has no 'name'"),
        ({"name": 3}, "'name' of an op of its description must be str, got 3"),
        ({"inputs": None}, "op Op of its description has no 'inputs'"),
        ({"inputs": []}, "has no inputs"),
        ({"outputs": [BLOB, BLOB]}, "two outputs of one name"),
        ({"inputs": [{"name": "x"}]}, "'x' in the inputs of op Op .* has no 'type'"),
        ({"inputs": [{**BLOB, "dtype": "uint8"}]}, "only frames have a dtype"),
        ({"inputs": [{**BLOB, "shape": [1]}]}, "only frames have a dtype and a shape"),
        (
            {"inputs": [{**FRAME, "dtype": "object"}]},
            "'dtype' of 'frame' .* must be one",
        ),
        ({"inputs": [{**FRAME, "shape": [-1]}]}, "must have lengths"),
        ({"inputs": [{**FRAME, "shape": [True]}]}, "must have lengths"),
        ({"inputs": [{**FRAME, "shape": []}]}, "is empty"),
        ({"inputs": [{**FRAME, "layout": "HWC"}]}, "has 'layout', which means nothing"),
        ({"inputs": [FRAME, BLOB], "variadic": True}, "it has one input"),
        ({"batch": True}, "'batch' of op Op .* must be int, got True"),
        ({"batch": 1.5}, "must be int, got 1.5"),
        ({"unbounded_state": 1}, "must be bool, got 1"),
        ({"devices": ["tpu"]}, "must be of cpu, gpu; got 'tpu'"),
        ({"devices": [["cpu"]]}, "must be of cpu, gpu"),
        (
            {"stencill": [0]},
            "has 'stencill', which means nothing; did you mean stencil",
        ),
        ({"arguments": {"protobuf": "P", "json": [1]}}, "must be a JSON object"),
        (
            {"arguments": {"protobuf": "P", "json": [{"name": "a", "type": "int"}]}},
            "a protobuf or json, not both",
        ),
        (
            {"arguments": {"json": [{"name": "a", "type": "x"}]}},
            "'type' of 'a' .* one of",
        ),
        (
            {"arguments": {"json": [{"name": "a", "type": "int", "default": "b"}]}},
            "'default' of 'a' .* is no int: 'b'",
        ),
        (
            {"arguments": {"json": [{"name": "a", "type": "int", "default": None}]}},
            "is no int: None",
        ),
        (
            {"arguments": {"json": [{"name": "a", "type": "int"}] * 2}},
            "two of one name",
        ),
    ],
)
def test_an_op_that_is_none(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        read({**OP, **change})


def test_types_of_elements() -> None:
    with pytest.raises(
        ElementTypeError, match=r"'x' in the inputs .*`Nope` has not been"
    ):
        read({**OP, "inputs": [{"name": "x", "type": "Nope"}]})
    with pytest.raises(ElementTypeError, match="pickled Python objects"):
        read({**OP, "outputs": [{"name": "x", "type": "Any"}]})


def test_two_ops_of_one_name() -> None:
    with pytest.raises(ArgumentError, match="two ops named Op"):
        read_description(json.dumps({"ops": [OP, OP]}))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container of a JSON value, with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.data())
def test_any_change_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever stands there, the answer is a description or one of our errors."""
    field = {"name": "a", "type": "int", "default": 2, "doc": "A."}
    frame = {**FRAME, "dtype": "uint8", "shape": [2, None]}
    op: dict[str, Any] = {**OP, "inputs": [frame], "stencil": [0], "batch": 2}
    whole = {"ops": [{**op, "arguments": {"json": [field]}, "devices": ["cpu"]}]}
    changed = copy.deepcopy(whole)
    container, key = data.draw(st.sampled_from(places(changed)))
    container[key] = data.draw(JSON)
    try:
        text = json.dumps(changed)
    except ValueError:
        return
    try:
        found = read_description(text)
    except ScannerException:
        return
    assert all(isinstance(each.batch, int) for each in found)


def test_which_frames_fit() -> None:
    column = Column("x", "FrameType", "uint8", (None, 2))
    u8 = np.dtype("u1")
    assert column.fits(u8, (7, 2))
    assert not column.fits(u8, (7, 3))
    assert not column.fits(u8, (7, 2, 1))
    assert not column.fits(np.dtype("i1"), (7, 2))
    assert column.wanted == "uint8 of shape (?, 2)"
    assert Column("x", "FrameType").fits(np.dtype("f8"), ())
    assert Column("x", "FrameType").wanted == "an array of any shape"
