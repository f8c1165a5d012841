"""What is known of an op."""

from __future__ import annotations

import pickle

from beam_scanner.kernels import (
    KernelConfig,
    op_spec,
    register_python_op,
    registered_ops,
)
from beam_scanner.types import DeviceType


def test_attributes():
    def op(config, x: bytes) -> bytes:
        return x

    register_python_op(
        name="Attributes7",
        bounded_state=3,
        device_sets=[[DeviceType.GPU, 1], [DeviceType.CPU, 0]],
        version="2024-05",
        takes_nulls=True,
    )(op)
    spec = op_spec("Attributes7")
    assert spec.bounded_state == 3
    assert spec.devices == (DeviceType.GPU, DeviceType.CPU)
    assert spec.version == "2024-05"
    assert spec.takes_nulls
    register_python_op(name="Gpu7", device_type=DeviceType.GPU, unbounded_state=True)(
        op
    )
    assert op_spec("Gpu7").devices == (DeviceType.GPU,)
    assert op_spec("Gpu7").unbounded_state
    assert {"Attributes7", "Gpu7"} <= set(registered_ops())


def test_config_pickles():
    config = KernelConfig(args={"a": 1}, input_columns=["x"], node_id=2)
    assert pickle.loads(pickle.dumps(config)) == config
