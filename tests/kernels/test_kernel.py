"""Kernels, as users write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from beam_scanner.kernels import (
    Kernel,
    KernelConfig,
    Param,
    op_spec,
    read_spec,
    register_python_op,
)
from beam_scanner.types import ColumnType, DeviceType, FrameType
from tests.support.plain_kernels import describe


def test_class_kernel_is_returned_unchanged_with_working_super():
    class Counter(Kernel):
        def __init__(self, config, start: int, step=2):
            super().__init__(config)
            self.at = start
            self.step = step

        def new_stream(self, offset, scale=1.0):
            self.offset = offset

        def execute(self, frame: FrameType, data: bytes) -> Any:
            self.at += self.step
            return self.at

    decorated = register_python_op(name="Counter7")(Counter)
    assert decorated is Counter
    spec = op_spec("Counter7")
    assert spec.kernel is Counter
    assert spec.is_class
    assert describe(spec.inputs) == [("frame", "FrameType"), ("data", "Bytes")]
    assert describe(spec.outputs) == [("ret0", "Any")]
    assert spec.inputs[0].column_type == ColumnType.Video
    assert spec.outputs[0].column_type == ColumnType.Blob
    assert spec.init_params == (Param("start"), Param("step", False, 2))
    assert spec.stream_params == (Param("offset"), Param("scale", False, 1.0))
    assert not spec.open_args
    assert spec.devices == (DeviceType.CPU,)
    kernel = spec.instantiate(KernelConfig(), {"start": 1})
    assert spec.call(kernel, KernelConfig(), [np.zeros(1), b""]) == (3,)


def test_plain_class_needs_neither_base_nor_constructor():
    class Bare:
        def execute(self, x: bytes) -> bytes:
            return x[::-1]

    spec = read_spec(Bare)
    assert spec.init_params == spec.stream_params == ()
    kernel = spec.instantiate(KernelConfig(), {})
    assert spec.call(kernel, KernelConfig(), [b"ab"]) == (b"ba",)
