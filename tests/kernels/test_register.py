from __future__ import annotations

import pytest

from beam_scanner.errors import (
    ArgumentError,
)
from beam_scanner.kernels import (
    Kernel,
    KernelConfig,
    op_spec,
    register_python_op,
)
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
