"""Tests of kernels register ops, and leave none."""

from __future__ import annotations

import pytest

from beam_scanner.kernels import registered_ops, registry
from beam_scanner.ops import register_ops


@pytest.fixture(autouse=True)
def forget_ops():
    # They register once in a process, so a test must not be what does it.
    register_ops()
    before = set(registered_ops())
    declared = set(registry()._declared)
    yield
    for name in {*registered_ops(), *registry()._declared} - before - declared:
        registry().remove(name)
