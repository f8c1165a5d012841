"""Ops that graphs are built of."""

from __future__ import annotations

import pytest

from beam_scanner.graph.builder import OpGenerator
from beam_scanner.kernels import Registry, read_spec
from beam_scanner.types import DeviceType
from tests.support.graph_parts import (
    Batched,
    Bounded,
    Concat,
    Configured,
    Defaults,
    Join,
    MakesHistogram,
    NamedArgs,
    Numbers,
    Offset,
    Pass,
    Scaled,
    Split,
    Window,
)


@pytest.fixture
def ops():
    found = Registry()
    for kernel in (
        Pass,
        Join,
        Scaled,
        Defaults,
        NamedArgs,
        Split,
        Concat,
        Configured,
        Numbers,
        Offset,
        MakesHistogram,
    ):
        found.add(read_spec(kernel))
    found.add(read_spec(Window, stencil=[0, 1], stencil_edge="null"))
    found.add(read_spec(Batched, batch=8))
    found.add(read_spec(Bounded, bounded_state=4))
    found.add(read_spec(Pass, "Gpu", devices=(DeviceType.GPU,)))
    found.add(read_spec(Pass, "Either", devices=(DeviceType.CPU, DeviceType.GPU)))
    return OpGenerator(None, found)
