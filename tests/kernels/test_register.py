from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest

from beam_scanner.errors import (
    ArgumentError,
)
from beam_scanner.kernels import (
    Kernel,
    KernelConfig,
    op_spec,
    read_spec,
    register_op,
    register_python_kernel,
    register_python_op,
)
from beam_scanner.types import DeviceType
from tests.support.plain_kernels import plain


class Echo(Kernel):
    def execute(self, x: bytes) -> bytes:
        return x


# --- what is read from a kernel ------------------------------------------------


def test_function_kernel_and_the_name_it_gives():
    @register_python_op()
    def shout(config, text: bytes) -> bytes:
        return text * config.args["times"]

    spec = op_spec("shout")
    assert not spec.is_class
    assert spec.open_args
    config = KernelConfig(args={"times": 3})
    assert spec.call(spec.instantiate(config, {}), config, [b"a"]) == (b"aaa",)


# --- what is refused -----------------------------------------------------------


def test_missing_parentheses():
    with pytest.raises(ArgumentError, match="with parentheses"):
        register_python_op(plain)  # type: ignore[arg-type]


# --- batches that are meant to hold every stream -------------------------------


def many(config, x: Sequence[bytes]) -> Sequence[bytes]:
    return x


@pytest.mark.parametrize("state", [{}, {"unbounded_state": True}, {"bounded_state": 3}])
def test_a_huge_batch_is_a_whole_stream(state):
    with pytest.warns(UserWarning, match="op Huge7: batch=10000000 is") as warned:
        register_python_op(name="Huge7", batch=10_000_000, **state)(many)
    # Garbage of others, a socket say, may have its own warnings at any moment.
    ours = [each.filename for each in warned if each.category is UserWarning]
    assert ours == [__file__]
    spec = op_spec("Huge7")
    assert spec.whole_stream
    assert (spec.batch, spec.unbounded_state, spec.bounded_state) == (1, False, None)
    assert spec.digest == read_spec(many, "Huge7", whole_stream=True).digest


def test_a_large_batch_is_a_batch():
    assert read_spec(many, batch=999_999).batch == 999_999


def test_a_whole_stream_has_no_windows():
    def windows(config, x: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        return [a for a, _ in x]

    with (
        pytest.warns(UserWarning, match="whole_stream"),
        pytest.raises(ArgumentError, match="whole_stream and a stencil"),
    ):
        register_python_op(stencil=[0, 1], batch=10**7)(windows)


def test_a_declared_op_may_have_a_huge_batch():
    register_op("Huge8", ["x"], ["y"])
    with pytest.warns(UserWarning, match="op Huge8: batch=10000000 is"):
        register_python_kernel("Huge8", DeviceType.CPU, many, batch=10_000_000)
    assert op_spec("Huge8").whole_stream


def test_the_order_of_parameters_is_scanners():
    names = list(inspect.signature(register_python_op).parameters)
    assert names[5:9] == ["device_sets", "batch", "proto_path", "whole_stream"]
