"""Kernels: the code that users write, and the registry that gives it names."""

from __future__ import annotations

from beam_scanner.kernels.kernel import Kernel as Kernel
from beam_scanner.kernels.kernel import KernelConfig as KernelConfig
from beam_scanner.kernels.op_registry import Registry as Registry
from beam_scanner.kernels.op_spec import OpSpec as OpSpec
from beam_scanner.kernels.op_spec import Param as Param
from beam_scanner.kernels.op_spec import Port as Port
from beam_scanner.kernels.pickling import dumps_graph as dumps_graph
from beam_scanner.kernels.pickling import loads_graph as loads_graph
from beam_scanner.kernels.register import op_spec as op_spec
from beam_scanner.kernels.register import read_spec as read_spec
from beam_scanner.kernels.register import register_op as register_op
from beam_scanner.kernels.register import (
    register_python_kernel as register_python_kernel,
)
from beam_scanner.kernels.register import register_python_op as register_python_op
from beam_scanner.kernels.register import registered_ops as registered_ops
from beam_scanner.kernels.register import registry as registry
