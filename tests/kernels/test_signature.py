"""Inputs and outputs of kernels, as their signatures have them."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

import pytest

from beam_scanner import types
from beam_scanner.errors import ElementTypeError, KernelError
from beam_scanner.kernels import (
    Kernel,
    KernelConfig,
    op_spec,
    read_spec,
    register_python_op,
    registered_ops,
)
from beam_scanner.types import FrameType
from tests.support.plain_kernels import describe


@pytest.mark.parametrize("tuple_type", [vars(typing)["Tuple"], tuple])
def test_several_outputs(tuple_type):
    def split(config, x: bytes):
        return x[:1], len(x)

    split.__annotations__["return"] = tuple_type[bytes, Any]
    spec = read_spec(split)
    assert describe(spec.outputs) == [("ret0", "Bytes"), ("ret1", "Any")]
    assert spec.call(split, KernelConfig(), [b"abc"]) == (b"a", 3)

    def wrong(config, x: bytes) -> tuple[bytes, Any]:
        return (x,)  # type: ignore[return-value]

    with pytest.raises(KernelError, match="op wrong must return a tuple of 2"):
        read_spec(wrong).call(wrong, KernelConfig(), [b""])


def test_tuple_of_one_output():
    def one(config, x: bytes) -> tuple[bytes]:
        return (x,)

    spec = read_spec(one)
    assert len(spec.outputs) == 1
    assert spec.call(one, KernelConfig(), [b"x"]) == (b"x",)


@pytest.mark.parametrize("form", ["T", "Tuple[T, ...]"])
def test_variadic_inputs(form):
    def join(config, *parts):
        return b"".join(parts)

    join.__annotations__ = {
        "parts": {"T": bytes, "Tuple[T, ...]": tuple[bytes, ...]}[form],
        "return": bytes,
    }
    spec = read_spec(join)
    assert spec.variadic
    assert describe(spec.inputs) == [("parts", "Bytes")]
    assert spec.call(join, KernelConfig(), [b"a", b"b"]) == (b"ab",)


def test_text_annotations_see_names_of_enclosing_functions():
    # This file has `from __future__ import annotations`.
    @types.register_type
    class LocalType7:
        def serialize(value):
            return value

        def deserialize(data):
            return data

    def inner():
        @register_python_op(name="Local7", batch=2)
        class Op(Kernel):
            def execute(self, x: Sequence[LocalType7]) -> Sequence["LocalType7"]:  # noqa: UP037
                return x

    inner()
    assert describe(op_spec("Local7").inputs) == [("x", "LocalType7")]
    assert describe(op_spec("Local7").outputs) == [("ret0", "LocalType7")]


def one_row(config, frame: FrameType) -> float: ...
def rows(config, frame: Sequence[FrameType]) -> float: ...
def windows(config, frame: Sequence[Sequence[FrameType]]) -> Sequence[float]: ...
def too_deep(
    config, frame: Sequence[Sequence[Sequence[FrameType]]]
) -> Sequence[float]: ...
def many(config, frame: FrameType) -> Sequence[float]: ...
def variadic(config, *frame: Sequence[FrameType]) -> float: ...


class Windowed(Kernel):
    def execute(self, frame: Sequence[FrameType]) -> float: ...


NOT_DECLARED = (
    r"Sequence\[FrameType\] cannot be its type.*@register_python_op\(stencil=\[-1, 0\]"
    r".*@register_python_op\(batch=8\).* or write FrameType"
)


@pytest.mark.parametrize(
    ("kernel", "declared", "said"),
    [
        (rows, {}, NOT_DECLARED),
        (Windowed, {}, NOT_DECLARED),
        (variadic, {}, NOT_DECLARED),
        (rows, {"unbounded_state": True}, NOT_DECLARED),
        (windows, {"stencil": [0, 1]}, "with batch=8, say, too"),
        (windows, {"batch": 4}, r"with stencil=\[-1, 0\], say, too"),
        (too_deep, {"batch": 4, "stencil": [0, 1]}, "two Sequences: write FrameType"),
        (
            many,
            {},
            r"the output of op .*Register the op with batch=8, say, or write float; or list\[float\]",
        ),
        (
            one_row,
            {"stencil": [0, 1]},
            r"Write Sequence\[FrameType\].*without stencil=",
        ),
        (one_row, {"batch": 4}, r"Write Sequence\[FrameType\].*without batch="),
        (
            rows,
            {"batch": 4},
            r"the output of op .*Write Sequence\[float\].*without batch=",
        ),
    ],
)
def test_what_to_declare(kernel: Any, declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ElementTypeError, match=said):
        register_python_op(name="NotDeclared", **declared)(kernel)
    assert "NotDeclared" not in registered_ops()
    if not declared:
        with pytest.raises(ElementTypeError, match=said):
            read_spec(kernel)
