"""Kernels of users are Scanner's by name; its kernel processes are not there."""

import pytest

import beam_scanner
from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy import kernel


def test_kernels() -> None:
    assert kernel.Kernel is beam_scanner.Kernel
    with pytest.raises(ArgumentError, match="register_python_op is all"):
        kernel.python_kernel_fn(None, None, None, None, None)
